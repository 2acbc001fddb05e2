package issuing_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"issuance/internal/handlertest"
	"issuance/internal/ledger"
	"issuance/providers"
	"issuance/providers/pass2u/pass2usim"
	"issuance/tasks/order"
)

// stamps are how times may be written, whatever zone they are of.
var stamps = []string{"2006-01-02T15:04:05+08:00", "2006-01-02 15:04:05"}

// writes has Pass2U write its times as those of another zone.
func writes(sim *pass2usim.Sim, layout string, shift time.Duration) {
	sim.SetTwist(func(_ pass2usim.Call, a answer) {
		if at, err := time.Parse(time.RFC3339, fmt.Sprint(a["createdTime"])); err == nil {
			a["createdTime"] = at.In(providers.Taiwan).Add(shift).Format(layout)
		}
	})
}

// inZone sends the order to a Pass2U that writes times of another zone, after another order of the account where seen.
func inZone(t *testing.T, layout string, shift time.Duration, seen bool, f pass2usim.Fault, begin func(w *pass2uWorld)) (*pass2uWorld, *ledger.Record) {
	t.Helper()
	w := &pass2uWorld{Bench: handlertest.Mini(t)}
	w.sim = pass2usim.New(pass2usim.Config{Now: w.Clock.Now})
	t.Cleanup(w.sim.Close)
	writes(w.sim, layout, shift)
	p := w.client()
	w.measured(p)
	if seen {
		own := providers.Order{ID: "OWN", Request: []byte(strings.ReplaceAll(mailedRequest, "ORDER1", "OWN"))}
		if out := p.Issue(t.Context(), own); out.Kind != providers.Done {
			t.Fatalf("%+v", out)
		}
		w.Clock.Advance(time.Minute)
	}
	if begin != nil {
		begin(w)
	}
	w.sim.SetFault(func(c pass2usim.Call) pass2usim.Fault {
		if c.OrderID == "ORDER1" && c.Op == pass2usim.Generate && c.N == 1 {
			return f
		}
		return pass2usim.None
	})
	return w, travels(w.Bench, p, mailedOrder, mailedRef)
}

// An order of the account that Pass2U has accepted shows in which zone its times are.
func TestNoTimeZoneOfPass2UMakesAnOrderSomebodyElses(t *testing.T) {
	for _, layout := range stamps {
		for _, shift := range []time.Duration{0, -8 * time.Hour, -150 * time.Minute, time.Hour} {
			for _, f := range []pass2usim.Fault{pass2usim.LoseAnswer, pass2usim.RejectAfter, pass2usim.SaysAfter(pass2usim.MsgStock)} {
				w, rec := inZone(t, layout, shift, true, f, nil)
				if w.judge(rec); t.Failed() {
					t.Fatalf("%s off by %s, %+v: %s (%s)", layout, shift, f, rec.State, rec.Reason.Message)
				}
			}
		}
	}
}

// An order that is older by whole half hours is another's, of the same customer, too: at once where an order has shown the zone
// or the customer is another, and else after half an hour in which one might have.
func TestAnOlderOrderIsNotOursInAnyTimeZoneOfPass2U(t *testing.T) {
	for _, shift := range []time.Duration{0, -8 * time.Hour} {
		for _, seen := range []bool{false, true} {
			for _, mail := range []string{handlertest.CustomerEmail, "somebody@else.example", ""} {
				_, rec := inZone(t, stamps[0], shift, seen, pass2usim.None, func(w *pass2uWorld) {
					w.sim.AddStranger(pass2usim.Stranger{ChannelOrderID: "ORDER1", Quantity: 2, MailTo: mail, CreatedAt: w.Clock.Now().Add(-8 * time.Hour)})
				})
				least, within := time.Duration(0), time.Minute
				if !seen && mail != "somebody@else.example" {
					least, within = 25*time.Minute, 45*time.Minute
				}
				if took := rec.FinalAt.Sub(rec.FirstSentAt); took < least || rec.State != order.Review || rec.Reason.Code != string(order.CodeNumberTaken) || took > within || rec.ProviderRef != "" {
					t.Errorf("off by %s, zone seen %t, mailed to %q: %s (%s: %s) after %s", shift, seen, mail, rec.State, rec.Reason.Code, rec.Reason.Message, took)
				}
			}
		}
	}
}
