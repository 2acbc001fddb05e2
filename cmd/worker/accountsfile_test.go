package main

import (
	"context"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"issuance/internal/budget"
	"issuance/internal/testredis"
	"issuance/providers"
	"issuance/providers/ecticket/ecticketsim"
	"issuance/tasks"
	"issuance/tasks/order"
)

// houses are two merchants at simulators of their own, and the file that describes them.
type houses struct {
	*testing.T
	redis *testredis.Server
	sims  map[string]*ecticketsim.Sim
	urls  map[string]string
	dir   string
	env   map[string]string
}

const houseA, houseB = "2000132", "3085676"

func accountAt(merchant string) providers.Account {
	return providers.Account{Provider: providers.ECTicket, Merchant: merchant}
}

func newHouses(t *testing.T) *houses {
	t.Helper()
	h := &houses{T: t, redis: testredis.Start(t), sims: map[string]*ecticketsim.Sim{}, urls: map[string]string{}, dir: t.TempDir()}
	jobs, end := context.WithCancel(context.Background())
	t.Cleanup(end)
	for i, merchant := range []string{houseA, houseB} {
		sim := ecticketsim.New(ecticketsim.Config{Accounts: ecticketsim.DefaultAccounts()[i : i+1], JobEvery: 100 * time.Millisecond})
		server := httptest.NewServer(sim)
		ended := sim.Start(jobs)
		t.Cleanup(func() { end(); <-ended; server.Close() })
		h.sims[merchant], h.urls[merchant] = sim, server.URL
	}
	account := ecticketsim.DefaultAccounts()[0] // both have the same test keys
	h.write("key", account.HashKey)
	h.write("iv", account.HashIV)
	h.env = production(h.redis.URL())
	for _, name := range []string{"ECTICKET_MERCHANT_ID", "ECTICKET_HASH_KEY", "ECTICKET_HASH_IV", "PASS2U_API_KEY"} {
		delete(h.env, name)
	}
	h.env["ISSUANCE_ACCOUNTS_FILE"], h.env["POLL_SENTINEL"], h.env["POLL_INTERVAL"] = filepath.Join(h.dir, "accounts.yaml"), "1s", "1s"
	return h
}

// write writes a file in one step, as whoever manages settings does.
func (h *houses) write(name, text string) {
	h.Helper()
	path := filepath.Join(h.dir, name)
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		h.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		h.Fatal(err)
	}
}

// accounts writes the accounts file; the first is the default.
func (h *houses) accounts(merchants ...string) {
	h.Helper()
	h.accountsIn("accounts.yaml", merchants...)
}

func (h *houses) accountsIn(name string, merchants ...string) {
	h.Helper()
	text := "accounts:\n"
	for i, m := range merchants {
		key := "key"
		if m == houseB {
			key = "key_b"
			if _, err := os.Stat(filepath.Join(h.dir, key)); err != nil {
				h.write(key, ecticketsim.DefaultAccounts()[1].HashKey)
			}
		}
		text += fmt.Sprintf(`- provider: ecticket
  account: "%s"
  default: %t
  base_url: %s
  hash_key_file: %s
  hash_iv_file: %s
  calls_per_second: 100
`, m, i == 0, h.urls[m], filepath.Join(h.dir, key), filepath.Join(h.dir, "iv"))
	}
	h.write(name, text)
}

func (h *houses) client() *tasks.Client {
	h.Helper()
	c, err := tasks.NewClient(h.redis.Client(), tasks.Options{SealKeys: sealKey})
	if err != nil {
		h.Fatal(err)
	}
	return c
}

// order is an order of a merchant's; of the default account where it names none.
func (h *houses) order(merchant, id string) []byte {
	if merchant != "" {
		merchant = fmt.Sprintf(`"MerchantID":%q,`, merchant)
	}
	return fmt.Appendf(nil, `{"provider":"ecticket","request":{%s"MerchantTradeNo":%q,"IssueType":"4","Operator":"t",
		"TicketInfo":[{"ItemName":"一日入場券","TicketPrice":500,"TicketAmount":2}]}}`, merchant, id)
}

func (h *houses) enqueue(c *tasks.Client, document []byte) {
	h.Helper()
	if _, err := c.Enqueue(h.Context(), document); err != nil {
		h.Fatal(err)
	}
}

// issued waits until an order is issued, once, at its own merchant and nowhere else.
func (h *houses) issued(c *tasks.Client, merchant, id string) {
	h.Helper()
	ctx, cancel := context.WithTimeout(h.Context(), patience)
	defer cancel()
	st, err := c.Wait(ctx, accountAt(merchant), id)
	if err != nil || st.State != order.Issued || st.Account != accountAt(merchant) {
		h.Fatalf("%s of %s: %+v %v", id, merchant, st, err)
	}
	if b, ok := h.sims[merchant].Books().Order(id); !ok || b.TimesIssued != 1 || b.IssueCalls != 1 {
		h.Errorf("%s of %s at its provider: %t %+v", id, merchant, ok, b)
	}
}

// Two merchants of a file sell under the same numbers: whatever becomes of one's orders, the other's are their own.
func TestMerchantsOfAFileAreApart(t *testing.T) {
	t.Parallel()
	h := newHouses(t)
	h.accounts(houseA, houseB)
	c, ctx := h.client(), t.Context()
	w := start(t, h.env)
	url := w.sees(w.err, `"admin":"([^"]+)"`)[1]
	h.enqueue(c, h.order("", "S1")) // the default's
	h.enqueue(c, h.order(houseB, "S1"))
	h.issued(c, houseA, "S1")
	h.issued(c, houseB, "S1")

	refund := fmt.Appendf(nil, `{"provider":"ecticket","refund_id":"R1","request":{"MerchantID":%q,"MerchantTradeNo":"S1","all":true}}`, houseB)
	if _, err := c.EnqueueRefund(ctx, refund); err != nil {
		t.Fatal(err)
	}
	if st, err := c.WaitRefund(ctx, accountAt(houseB), "S1", "R1"); err != nil || len(st.Refunds) != 1 || st.Refunds[0].State != order.Refunded {
		t.Fatalf("%+v %v", st, err)
	}
	if st, err := c.Status(ctx, accountAt(houseA), "S1"); err != nil || len(st.Refunds) != 0 {
		t.Errorf("the refund is the other merchant's, too: %+v %v", st, err)
	}
	if n := h.sims[houseA].Books().Calls[ecticketsim.OpRefund]; n != 0 {
		t.Errorf("%d refunds at the other merchant's provider", n)
	}

	// A pause is the paused merchant's alone, and so is a cancelled order.
	if _, _, err := budget.Pause(ctx, h.redis.Client(), accountAt(houseB), "", "ann", "prices"); err != nil {
		t.Fatal(err)
	}
	h.enqueue(c, h.order(houseB, "S2"))
	h.enqueue(c, h.order(houseA, "S2"))
	h.issued(c, houseA, "S2")
	if err := c.Cancel(ctx, tasks.Ref{Account: accountAt(houseB), OrderID: "S2"}, "ann", "twice"); err != nil {
		t.Error(err)
	}
	if st, err := c.Status(ctx, accountAt(houseA), "S2"); err != nil || st.State != order.Issued {
		t.Errorf("%+v %v", st, err)
	}
	if _, ok := h.sims[houseB].Books().Order("S2"); ok {
		t.Error("an order of a paused merchant was sent")
	}
	ends := map[string]int{}
	reader, err := c.Events("test")
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		e, err := reader.Next(ctx)
		if err != nil {
			t.Fatal(err)
		}
		ends[e.Ref.String()+" "+string(e.State)]++
	}
	for _, want := range []string{"ecticket:2000132/S1 issued", "ecticket:3085676/S1 issued", "ecticket:3085676/S1/R1 refunded", "ecticket:2000132/S2 issued", "ecticket:3085676/S2 cancelled"} {
		if ends[want] != 1 {
			t.Errorf("the event %s is there %d times: %v", want, ends[want], ends)
		}
	}
	_, body := get(t, url+"/metrics")
	for _, want := range []string{`issuance_paused{account="ecticket:3085676",lane="bulk"} 1`, `issuance_paused{account="ecticket:2000132",lane="bulk"} 0`} {
		if !strings.Contains(body, want+"\n") {
			t.Errorf("%s is not in the metrics", want)
		}
	}
	if _, body := get(t, url+"/readyz"); !strings.Contains(body, `"ecticket:2000132":"ok"`) || !strings.Contains(body, `"ecticket:3085676":"paused`) {
		t.Error(body)
	}
	no(t, "the log", w.err.String(), append(canaries, "37a0ad3c6ffa428b", "7b53896b742849d3")...)
}

// While a worker runs, accounts come and go with the file, and new keys are used for the next call. A broken file changes
// nothing. A removed account's orders wait, are never sent under another one, and go on when it is back.
func TestAccountsComeAndGoWhileAWorkerRuns(t *testing.T) {
	t.Parallel()
	h := newHouses(t)
	h.accounts(houseA)
	c, ctx := h.client(), t.Context()
	w := start(t, h.env)
	w.sees(w.err, `"admin"`)
	h.enqueue(c, h.order("", "S1"))
	h.issued(c, houseA, "S1")

	h.accounts(houseA, houseB)
	w.sees(w.err, `account added.*"account":"ecticket:3085676"`)
	h.enqueue(c, h.order(houseB, "S1"))
	h.issued(c, houseB, "S1")

	h.write("accounts.yaml", "accounts: [{provider: ecticket, acount: x}]")
	w.sees(w.err, `alarm: the accounts file cannot be used.*did you mean account`)
	h.enqueue(c, h.order(houseB, "S2"))
	h.issued(c, houseB, "S2")

	before := h.sims[houseB].Books().Calls[ecticketsim.OpIssue]
	h.accounts(houseA)
	w.sees(w.err, `account removed; none of its orders waits.*"account":"ecticket:3085676"`)
	h.enqueue(c, h.order(houseB, "S3"))
	w.sees(w.err, `alarm: no worker serves the account of this order.*"account":"ecticket:3085676","order":"S3"`)
	states, err := budget.States(ctx, h.redis.Client())
	if err != nil || len(states) != 2 || states[0].NoWorker || !states[1].NoWorker {
		t.Errorf("%+v %v", states, err)
	}
	h.enqueue(c, h.order(houseA, "S3"))
	h.issued(c, houseA, "S3")
	if st, err := c.Status(ctx, accountAt(houseB), "S3"); err != nil || st.State != order.Queued || st.Attempts != 0 {
		t.Errorf("%+v %v", st, err)
	}
	if n := h.sims[houseB].Books().Calls[ecticketsim.OpIssue]; n != before {
		t.Errorf("%d calls for a removed account", n-before)
	}

	h.accounts(houseA, houseB)
	h.issued(c, houseB, "S3") // it is woken: by itself it would wait for half a minute

	h.write("key_b", "0123456789abcdef") // not what the provider has
	w.sees(w.err, `account changed.*"account":"ecticket:3085676"`)
	h.enqueue(c, h.order(houseB, "S4"))
	w.sees(w.err, `alarm: the provider refuses this account.*|alarm: the account is refused.*"account":"ecticket:3085676"`)
	h.enqueue(c, h.order(houseA, "S4"))
	h.issued(c, houseA, "S4")
	no(t, "the log", w.err.String(), append(canaries, "0123456789abcdef", "37a0ad3c6ffa428b", "7b53896b742849d3")...)
}

// program is the worker as a process of its own.
type program struct {
	*testing.T
	cmd *exec.Cmd
	log *output
}

func (h *houses) program(args ...string) *program {
	h.Helper()
	p := &program{T: h.T, cmd: exec.Command(os.Args[0], args...), log: newOutput()}
	p.cmd.Env = append(os.Environ(), asProgram+"=1")
	for name, value := range h.env {
		p.cmd.Env = append(p.cmd.Env, name+"="+value)
	}
	p.cmd.Stderr = p.log
	if err := p.cmd.Start(); err != nil {
		h.Fatal(err)
	}
	h.Cleanup(func() {
		_ = p.cmd.Process.Signal(syscall.SIGTERM)
		_ = p.cmd.Wait()
	})
	return p
}

func (p *program) sees(pattern string) {
	p.Helper()
	limit := time.After(patience)
	for re := regexp.MustCompile(pattern); ; {
		text, more := p.log.snapshot()
		if re.MatchString(text) {
			return
		}
		select {
		case <-more:
		case <-limit:
			p.Fatalf("%q does not come\n%s", pattern, text)
		}
	}
}

// SIGHUP has the file read at once, and ends nothing. Two workers of which each serves some accounts share the queues: a
// task that the wrong one takes goes back, without an alarm and without a call.
func TestWorkersOfSomeAccountsShareTheQueues(t *testing.T) {
	t.Parallel()
	h := newHouses(t)
	h.accounts(houseA, houseB)
	one, other := h.program("--accounts", "ecticket:"+houseA), start(t, h.env, "--accounts", "ecticket:"+houseB)
	one.sees(`"serving".*"accounts":1`)
	other.sees(other.err, `"serving".*"accounts":1`)
	if err := one.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	one.sees("accounts read again, as asked for")
	c := h.client()
	const each = 5
	for i := range each {
		h.enqueue(c, h.order(houseA, fmt.Sprint("S", i)))
		h.enqueue(c, h.order(houseB, fmt.Sprint("S", i)))
	}
	for i := range each {
		h.issued(c, houseA, fmt.Sprint("S", i))
		h.issued(c, houseB, fmt.Sprint("S", i))
	}
	log := one.log.String() + other.err.String()
	no(t, "the logs", log, "alarm")
	for merchant, sim := range h.sims {
		for _, b := range sim.Books().Orders {
			if b.MerchantID != merchant {
				t.Errorf("%s was sold for %s", b.ID, b.MerchantID)
			}
		}
	}
}

// An account that moves from one worker's file to another's, which is changed a moment later, is no alarm, although an order
// comes in between to the worker that has it no more.
func TestAnAccountThatMovesToAnotherWorkerIsNoAlarm(t *testing.T) {
	t.Parallel()
	h := newHouses(t)
	h.accounts(houseA, houseB)
	one := h.program()
	one.sees(`"serving".*"accounts":2`)
	h.accountsIn("other.yaml", houseA)
	h.env["ISSUANCE_ACCOUNTS_FILE"] = filepath.Join(h.dir, "other.yaml")
	other := h.program()
	other.sees(`"serving".*"accounts":1`)
	c := h.client()
	h.accounts(houseA)
	h.enqueue(c, h.order(houseB, "S1"))
	h.accountsIn("other.yaml", houseA, houseB)
	other.sees(`account added.*"account":"ecticket:3085676"`)
	h.issued(c, houseB, "S1")
	one.sees(`account removed; another worker serves it.*"account":"ecticket:3085676"`)
	no(t, "the logs", one.log.String()+other.log.String(), "alarm")
}

// An account that --accounts names has to be there, and a worker without one of its own serves nothing.
func TestAccountsOfTheCommandLine(t *testing.T) {
	t.Parallel()
	h := newHouses(t)
	h.accounts(houseA, houseB)
	for args, want := range map[string]string{
		"--accounts ecticket:1":  `--accounts has ecticket:1, which is not configured; there are ecticket:2000132, ecticket:3085676`,
		"--accounts nobody:1":    `--accounts has "nobody:1": unknown provider`,
		"--accounts=":            "--accounts is empty",
		"--queues pass2u-poll":   "--queues has pass2u-poll, but no account of pass2u is served here",
		"--accounts ecticket -x": "unknown shorthand flag",
	} {
		p := start(t, h.env, strings.Fields(args)...)
		if code := p.wait(); code != exitWrong || !strings.Contains(p.err.String(), want) {
			t.Errorf("%s: %d %s", args, code, p.err)
		}
	}
	all, err := check(flags{only: []string{"ecticket"}}, h.env)
	if err != nil || len(all.mine(all.Accounts)) != 2 || len(all.lanes) != 3 {
		t.Errorf("%v %v", all.lanes, err)
	}
}
