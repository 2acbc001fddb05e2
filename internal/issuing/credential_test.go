package issuing_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"issuance/internal/handler"
	"issuance/internal/handlertest"
	"issuance/internal/issuing"
	"issuance/providers"
	"issuance/providers/pass2u"
	"issuance/providers/pass2u/pass2usim"
	"issuance/tasks/order"
)

// An order in doubt is not sent again when the account's key becomes that of another account at Pass2U, which does not know it, or
// knows another order under its number. With a new key of its own account it goes on by itself.
func TestAnOrderInDoubtIsNotSentAgainToAnotherAccount(t *testing.T) {
	for _, taken := range []bool{false, true} {
		b := handlertest.Mini(t)
		sims := map[string]*pass2usim.Sim{}
		for i, name := range []string{"ours", "theirs"} {
			sims[name] = pass2usim.New(pass2usim.Config{Now: b.Clock.Now, Seed: uint64(i)})
			t.Cleanup(sims[name].Close)
		}
		keys := map[string]string{"ours-old": "ours", "ours-new": "ours", "theirs": "theirs"}
		server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
			sim := sims[keys[req.Header.Get("Authorization")]]
			req.Header.Set("Authorization", pass2usim.DefaultAPIKey)
			sim.ServeHTTP(rw, req)
		}))
		t.Cleanup(server.Close)
		client := func(key string) *pass2u.Client {
			p, err := pass2u.New(pass2u.Config{BaseURL: server.URL, APIKey: key, Merchant: handlertest.Pass2U.Merchant})
			if err != nil {
				t.Fatal(err)
			}
			return p
		}
		another := func(number string) string { return strings.ReplaceAll(mailedOrder, "ORDER1", number) }
		old := client("ours-old")
		ref := order.Ref{Account: handlertest.Pass2U, OrderID: "EARLIER"}
		if rec := travels(b, old, another("EARLIER"), ref); rec.State != order.Issued {
			t.Fatalf("%s (%s)", rec.State, rec.Reason.Message)
		}
		sims["theirs"].AddStranger(pass2usim.Stranger{ChannelOrderID: "EARLIER", Quantity: 2, CreatedAt: b.Clock.Now()})
		// The request takes effect, and no answer comes, to it or to a look.
		sims["ours"].SetFault(func(c pass2usim.Call) pass2usim.Fault {
			if c.Op == pass2usim.Generate {
				return pass2usim.LoseAnswer
			}
			return pass2usim.CutBefore
		})
		task := b.Enqueue(mailedOrder)
		run := func(p providers.Provider) error {
			return b.Run(issuing.New(handler.Config{Provider: p, Ledger: b.Ledger, Ring: b.Ring, Worker: "w", Rules: b.ProviderRules, Log: b.Log}, &follower{}), task)
		}
		b.Waits(run(old))
		sims["ours"].SetFault(nil)
		if taken {
			sims["theirs"].AddStranger(pass2usim.Stranger{ChannelOrderID: "ORDER1", Quantity: 2, MailTo: handlertest.CustomerEmail, CreatedAt: b.Clock.Now()})
		}
		for range 30 {
			b.Clock.Advance(b.Waits(run(client("theirs"))))
		}
		if rec := b.Record(mailedRef); rec.State != order.Submitting || rec.Reason.Code != string(order.CodeOtherHost) || rec.Attempts != 1 {
			t.Errorf("with another account's key: %s (%s), %d attempts", rec.State, rec.Reason.Code, rec.Attempts)
		}
		if x, sent := sims["theirs"].Order("ORDER1"); sent && !taken {
			t.Errorf("the other account has it: %+v", x)
		}
		b.Clock.Advance(time.Minute)
		rec := goesOn(b, client("ours-new"), task, mailedRef)
		own, _ := sims["ours"].Order("ORDER1")
		if rec.State != order.Issued || rec.ProviderRef != own.Pass2uOrderID || rec.Attempts != 1 {
			t.Errorf("with a new key: %s (%s: %s), %s of %s, %d attempts", rec.State, rec.Reason.Code, rec.Reason.Message, rec.ProviderRef, own.Pass2uOrderID, rec.Attempts)
		}
	}
}
