package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"issuance/internal/budget"
	"issuance/internal/testredis"
	"issuance/providers"
	"issuance/providers/ecticket/ecticketsim"
	"issuance/providers/pass2u/pass2usim"
	"issuance/tasks"
	"issuance/tasks/order"
)

// The accounts of production.
var (
	ecticketAccount = providers.Account{Provider: providers.ECTicket, Merchant: "2000132"}
	pass2uAccount   = providers.Account{Provider: providers.Pass2U, Merchant: "main"}
)

// outside are simulated providers that outlive the workers, as real ones do.
type outside struct {
	ecticket *ecticketsim.Sim
	pass2u   *pass2usim.Sim
	env      map[string]string
}

func newOutside(t *testing.T, redisURL string) *outside {
	t.Helper()
	o := &outside{ecticket: ecticketsim.New(ecticketsim.Config{JobEvery: 100 * time.Millisecond}), pass2u: pass2usim.New(pass2usim.Config{})}
	e, p := httptest.NewServer(o.ecticket), httptest.NewServer(o.pass2u)
	jobs, endJobs := context.WithCancel(context.Background())
	ended := o.ecticket.Start(jobs)
	t.Cleanup(func() { endJobs(); <-ended; o.pass2u.Close(); e.Close(); p.Close() })
	account := ecticketsim.DefaultAccounts()[0]
	o.env = production(redisURL)
	for name, value := range map[string]string{
		"ECTICKET_BASE_URL": e.URL, "ECTICKET_HASH_KEY": account.HashKey, "ECTICKET_HASH_IV": account.HashIV, "ECTICKET_CALLS_PER_SECOND": "100",
		"PASS2U_BASE_URL": p.URL, "PASS2U_API_KEY": pass2usim.DefaultAPIKey, "PASS2U_CALLS_PER_SECOND": "100",
		"POLL_SENTINEL": "1s", "POLL_INTERVAL": "1s", "WORKER_IDLE_PROBE": "10s",
	} {
		o.env[name] = value
	}
	return o
}

func (o *outside) client(t *testing.T, s *testredis.Server) *tasks.Client {
	t.Helper()
	c, err := tasks.NewClient(s.Client(), tasks.Options{SealKeys: sealKey, Rules: tasks.Rules{MerchantID: ecticketAccount.Merchant}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func ecticketOrder(id string) []byte {
	return fmt.Appendf(nil, `{"provider":"ecticket","request":{"MerchantTradeNo":%q,"IssueType":"3","IsImmediate":"1","Operator":"t",
		"CustomerName":"Kanarie","CustomerPhone":"0955555555","CustomerEmail":"Kanarie@example.com","TicketInfo":[{"ItemNo":"VQT04959","TicketAmount":1}]}}`, id)
}

func pass2uOrder(id string) []byte {
	return fmt.Appendf(nil, `{"provider":"pass2u","request":{"productSaleId":%q,"channelOrderId":%q,"mailTo":"Kanarie@example.com","quantity":1,"pickupType":"voucher"}}`, pass2usim.DefaultCampaign, id)
}

// A worker that is stopped while calls are under way and orders wait lets the calls end, loses
// nothing and does nothing twice: the next worker brings every order to its end. Its log is JSON
// lines that name the order and the outcome and show no customer's data and no key.
func TestGracefulStopLosesNothing(t *testing.T) {
	t.Parallel()
	const each = 15
	s := testredis.Start(t)
	o := newOutside(t, s.URL())
	ctx, client := context.Background(), o.client(t, s)

	// One call of each provider hangs until the worker has been asked to stop.
	hold, reached := make(chan struct{}), make(chan struct{}, 2)
	o.ecticket.SetFault(func(c ecticketsim.Call) ecticketsim.Fault {
		if c.Op == ecticketsim.OpIssue && c.OrderID == "E03" {
			reached <- struct{}{}
			return ecticketsim.Fault{HoldAfter: hold}
		}
		return ecticketsim.Fault{}
	})
	o.pass2u.SetFault(func(c pass2usim.Call) pass2usim.Fault {
		if c.Op == pass2usim.Generate && c.OrderID == "P03" {
			reached <- struct{}{}
			return pass2usim.HoldAfter(hold)
		}
		return pass2usim.None
	})
	var refs []order.Ref
	for i := range each {
		e, p := fmt.Sprintf("E%02d", i), fmt.Sprintf("P%02d", i)
		if _, err := client.Enqueue(ctx, ecticketOrder(e)); err != nil {
			t.Fatal(err)
		}
		if _, err := client.Enqueue(ctx, pass2uOrder(p)); err != nil {
			t.Fatal(err)
		}
		refs = append(refs, order.Ref{Account: ecticketAccount, OrderID: e}, order.Ref{Account: pass2uAccount, OrderID: p})
	}
	first := start(t, o.env)
	<-reached
	<-reached
	first.cancel()
	first.sees(first.err, `"stopping`)
	close(hold)
	if code := first.wait(); code != exitFine {
		t.Errorf("exit code %d", code)
	}
	second := start(t, o.env)
	for _, k := range refs {
		st, err := client.Wait(ctx, k.Account, k.OrderID)
		if err != nil || st.State != order.Issued || st.Attempts != 1 {
			t.Errorf("%s: %+v %v", k, st, err)
		}
		if k.Account == pass2uAccount {
			if b, ok := o.pass2u.Order(k.OrderID); !ok || b.Generated != 1 {
				t.Errorf("%s: %+v", k, b)
			}
		} else if b, ok := o.ecticket.Books().Order(k.OrderID); !ok || b.TimesIssued != 1 || b.IssueCalls != 1 {
			t.Errorf("%s: %+v", k, b)
		}
	}
	if code := second.stop(); code != exitFine {
		t.Errorf("exit code %d", code)
	}
	account, err := budget.New(s.Client(), budget.Config{Account: ecticketAccount, PerSecond: 100})
	if err != nil {
		t.Fatal(err)
	}
	if state, err := account.State(ctx); err != nil || state.Used[order.Checkout] != each || state.Used[order.Poll] == 0 || state.Used[order.Bulk] != 0 {
		t.Errorf("calls are not made in their lanes: %+v %v", state.Used, err)
	}
	log := first.err.String() + second.err.String()
	for line := range strings.Lines(log) {
		if !strings.HasPrefix(line, `{"time":`) {
			t.Errorf("not JSON: %s", line)
		}
	}
	no(t, "the log", log, append(canaries, "Kanarie", "0955555555", "37a0ad3c6ffa428b", "7b53896b742849d3", pass2usim.DefaultAPIKey, "/v/")...)
	for _, want := range []string{`"order":"E03"`, `"account":"pass2u:main"`, `"attempt":1`, `"outcome":"accepted"`, `"state":"issued"`} {
		if !strings.Contains(log, want) {
			t.Errorf("the log lacks %s", want)
		}
	}
}

// While a provider bans the account, its queues are seen to be paused and no call is made; they
// resume by themselves, and the order is issued.
func TestBanPausesTheQueues(t *testing.T) {
	t.Parallel()
	s := testredis.Start(t)
	o := newOutside(t, s.URL())
	o.env["ECTICKET_BAN"], o.env["WORKER_IDLE_PROBE"] = "3s", "0s" // the first call is the order's
	o.ecticket.SetFault(func(c ecticketsim.Call) ecticketsim.Fault {
		if c.N == 1 {
			return ecticketsim.Fault{Kind: ecticketsim.Ban403}
		}
		return ecticketsim.Fault{}
	})
	client := o.client(t, s)
	if _, err := client.Enqueue(t.Context(), ecticketOrder("E1")); err != nil {
		t.Fatal(err)
	}
	w := start(t, o.env, "--verbose")
	w.sees(w.err, `queue paused.*ecticket-checkout`)
	url := w.sees(w.err, `"admin":"([^"]+)"`)[1]
	if _, body := get(t, url+"/metrics"); !strings.Contains(body, `issuance_queue_paused{queue="ecticket-checkout"} 1`+"\n") ||
		!strings.Contains(body, `issuance_banned{account="ecticket:2000132"} 1`+"\n") || !strings.Contains(body, `issuance_banned{account="pass2u:main"} 0`+"\n") {
		t.Errorf("the metrics do not show the ban:\n%s", body)
	}
	var shown notices
	if _, body := get(t, url+noticesPath); json.Unmarshal([]byte(body), &shown) != nil || len(shown.Bans) != 1 || shown.Bans[0].Account != ecticketAccount ||
		shown.Bans[0].Reason == "" || time.Until(shown.Bans[0].Until) > 3*time.Second {
		t.Errorf("the web UI does not show the ban: %s", body)
	}
	if n := o.ecticket.Books().Calls[ecticketsim.OpIssue]; n != 1 {
		t.Errorf("%d calls in spite of the ban", n)
	}
	w.sees(w.err, `queue resumed.*ecticket-checkout`)
	if _, body := get(t, url+noticesPath); body != `{"health":[],"bans":[],"pauses":[],"reviews":[]}`+"\n" {
		t.Errorf("the web UI still shows a ban: %s", body)
	}
	if st, err := client.Wait(t.Context(), ecticketAccount, "E1"); err != nil || st.State != order.Issued {
		t.Errorf("%+v %v", st, err)
	}
}

// An outage is shown wherever somebody looks, stops nothing but calls, and is over for everybody by itself.
func TestAnOutageIsShownAndEndsByItself(t *testing.T) {
	t.Parallel()
	s := testredis.Start(t)
	o := newOutside(t, s.URL())
	o.ecticket.StartOutage(ecticketsim.Fault{Kind: ecticketsim.Error5xxBefore}, 0)
	client := o.client(t, s)
	if _, err := client.Enqueue(t.Context(), ecticketOrder("E1")); err != nil {
		t.Fatal(err)
	}
	w := start(t, o.env, "--verbose")
	w.sees(w.err, `alarm: the account is unreachable.*"account":"ecticket:2000132"`)
	w.sees(w.err, `queue paused.*ecticket-checkout`)
	url := w.sees(w.err, `"admin":"([^"]+)"`)[1]
	if _, body := get(t, url+"/metrics"); !strings.Contains(body, `issuance_account_health{account="ecticket:2000132",state="unreachable"} 1`+"\n") ||
		!strings.Contains(body, `issuance_account_health{account="ecticket:2000132",state="ok"} 0`+"\n") ||
		!strings.Contains(body, `issuance_account_health{account="pass2u:main",state="ok"} 1`+"\n") {
		t.Errorf("the metrics do not show the outage:\n%s", body)
	}
	var shown notices
	if _, body := get(t, url+noticesPath); json.Unmarshal([]byte(body), &shown) != nil || len(shown.Health) != 1 || shown.Health[0].Account != ecticketAccount ||
		shown.Health[0].Health != providers.HealthUnreachable || !strings.HasPrefix(shown.Health[0].Why, "http_5") || shown.Health[0].Since == nil {
		t.Errorf("the web UI does not show the outage: %s", body)
	}
	var ready readiness
	if status, body := get(t, url+"/readyz"); status != 200 || json.Unmarshal([]byte(body), &ready) != nil || !ready.Ready ||
		!strings.HasPrefix(ready.Accounts["ecticket:2000132"], "unreachable since ") || ready.Accounts["pass2u:main"] != "ok" {
		t.Errorf("an outage is a detail of readiness: %d %s", status, body)
	}
	if calls := o.ecticket.EndOutage(); calls > 12 {
		t.Errorf("%d calls in spite of the outage", calls)
	}
	w.sees(w.err, `the account is ok again.*"account":"ecticket:2000132"`)
	if st, err := client.Wait(t.Context(), ecticketAccount, "E1"); err != nil || st.State != order.Issued {
		t.Errorf("%+v %v", st, err)
	}
	if n := strings.Count(w.err.String(), "alarm:"); n != 1 {
		t.Errorf("%d alarms", n)
	}
}
