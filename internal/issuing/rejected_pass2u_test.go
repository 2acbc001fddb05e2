package issuing_test

import (
	"testing"
	"time"

	"issuance/internal/handlertest"
	"issuance/internal/ledger"
	"issuance/providers/pass2u/pass2usim"
	"issuance/tasks/order"
)

// says lets an order's request be answered by an error. It takes effect at a time after that: at once for 0, never for less.
func says(t *testing.T, message string, late time.Duration) (*pass2uWorld, *ledger.Record) {
	w := newPass2U(t)
	start := w.Clock.Now()
	return w, w.travels(func(c pass2usim.Call) pass2usim.Fault {
		switch {
		case c.OrderID != "ORDER1":
		case c.Op == pass2usim.Query:
			w.queries++
			if _, done := w.sim.Order("ORDER1"); late > 0 && !done && w.Clock.Now().Sub(start) >= late {
				w.arrives()
			}
		case w.Clock.Now().Sub(start) >= late && late > 0: // the copy that has arrived
		case late == 0:
			w.generates++
			return pass2usim.SaysAfter(message)
		default:
			w.generates++
			return pass2usim.SaysBefore(message)
		}
		return pass2usim.None
	})
}

// Whatever error a request that took effect is answered with, at once or a little later: the order is issued.
func TestNoErrorOfPass2UHidesAnOrderThatItHasMade(t *testing.T) {
	for _, message := range append(pass2usim.Messages(), blocked) {
		for _, late := range []time.Duration{0, 20 * time.Second} {
			t.Run(message+" "+late.String(), func(t *testing.T) {
				handlertest.Sampled(t)
				w, rec := says(t, message, late)
				w.judge(rec)
			})
		}
	}
}

// A rejection is the end when two looks, 30 s apart, do not find the order: whoever waits for the sale learns it then. The looks
// are few: a bulk may hold a thousand such orders.
func TestARejectionOfPass2UIsTheEndAfterTwoLooks(t *testing.T) {
	for _, message := range []string{pass2usim.MsgStock, pass2usim.MsgSaleUnknown, pass2usim.MsgPickupFormat, pass2usim.MsgQuantityFormat} {
		w, rec := says(t, message, -1)
		took := rec.FinalAt.Sub(rec.FirstSentAt)
		if rec.State != order.Failed || rec.Reason.Message != message || took < 30*time.Second || took > time.Minute {
			t.Errorf("%q: %s (%s) after %s", message, rec.State, rec.Reason.Message, took)
		}
		if w.generates != 1 || w.queries > 12 {
			t.Errorf("%q: sent %d times, asked %d times", message, w.generates, w.queries)
		}
	}
}
