package pollers_test

import (
	"strings"
	"testing"
	"time"

	"issuance/internal/fakeprovider"
	"issuance/internal/handler"
	"issuance/internal/handlertest"
	"issuance/internal/ledger"
	"issuance/pollers"
	"issuance/providers"
	"issuance/tasks/order"
)

// unproven is an order that was found after a request without an answer, and did not show yet whose it is.
func unproven(t *testing.T) *world {
	t.Helper()
	w := newWorld(handlertest.Mini(t), order.Submitting)
	c, err := w.Ledger.Claim(t.Context(), ref, "w", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if a, err := w.Ledger.Accept(t.Context(), ref, c.Record.Fence, ledger.Acceptance{Unproven: true}); err != nil || !a.Applied {
		t.Fatal(a, err)
	}
	return w
}

func (w *world) asks() error {
	h := pollers.New(pollers.Config{Provider: w.provider.Identified(), Ledger: w.Ledger, Ring: w.Ring, Log: w.Log})
	return w.Run(h, w.task)
}

func TestAnOrderThatWasFoundIsRecognisedOnceItIsIssued(t *testing.T) {
	ours := providers.Sight{CreatedAt: handlertest.Start.Add(time.Minute), Precision: time.Minute}
	older := providers.Sight{CreatedAt: handlertest.Start.Add(-time.Hour), Precision: time.Minute}
	for _, c := range []struct {
		name  string
		sight providers.Sight
		state order.State
		code  string
	}{
		{"ours", ours, order.Issued, ""},
		{"an older one", older, order.Review, "number_taken"},
		{"one of other content", providers.Sight{CreatedAt: ours.CreatedAt, Differs: "ItemNo"}, order.Review, "number_taken"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := unproven(t)
			w.provider.AnswerLookUp(fakeprovider.Known(providers.FoundPending))
			w.Waits(w.asks())
			f := fakeprovider.Known(providers.FoundIssued)
			f.Result = &providers.Result{Ref: "STRANGER"}
			for range 2 { // what cannot be asked for now is asked for again
				w.provider.AnswerLookUp(f)
				w.provider.AnswerIdentify(providers.Sight{}, fakeprovider.Lost)
				w.Waits(w.asks())
				w.provider.AnswerLookUp(f)
				w.provider.AnswerIdentify(providers.Sight{}, fakeprovider.Refused)
				w.Waits(w.asks())
			}
			w.provider.AnswerLookUp(f)
			w.provider.AnswerIdentify(c.sight, fakeprovider.Yes)
			w.Done(w.asks())
			rec := w.state(c.state, c.code, 6)
			if kept := rec.ProviderRef != "" || rec.Result != ""; kept != (c.state == order.Issued) {
				t.Errorf("stored: ref %q, a result of %d bytes", rec.ProviderRef, len(rec.Result))
			}
		})
	}
}

// One that contradicts our document shows that in the look-up itself.
func TestAnOrderThatContradictsOursIsNotOurs(t *testing.T) {
	w := unproven(t)
	w.provider.AnswerLookUp(fakeprovider.Seen(providers.Sight{Differs: "quantity"}))
	w.Done(w.run())
	w.state(order.Review, "number_taken", 1)
}

// An order that the provider accepted from us is ours, and costs no further question.
func TestAnAcceptedOrderIsNotAskedWhoseItIs(t *testing.T) {
	w := accepted(handlertest.Mini(t))
	w.provider.AnswerLookUp(fakeprovider.Known(providers.FoundIssued))
	w.Done(w.asks())
	w.state(order.Issued, "", 1)
	w.calls("look_up")
}

// An order that shows fewer tickets than ours, and was made after our first request, may be ours with a list that lags,
// or another's. It is looked at for as long as a list may lag, and nothing of it is stored.
func TestAnUnprovenOrderWithTooFewTicketsNeedsReviewOnceItsListCannotLag(t *testing.T) {
	few := fakeprovider.Known(providers.FoundPending)
	few.Outcome = providers.Outcome{Kind: providers.Accepted, Code: "not_complete_yet"}
	few.Result = &providers.Result{Ref: "OTHERS", Tickets: []providers.Ticket{{TicketNo: handlertest.TicketNo}}}
	few.Sight = &providers.Sight{CreatedAt: handlertest.Start.Add(time.Minute), Precision: time.Second, Partial: true}

	w := unproven(t)
	polls := 0
	for began := w.Clock.Now(); w.Record(ref).State == order.Accepted && polls < 100; polls++ {
		w.provider.AnswerLookUp(few)
		err := w.run()
		if age := w.Clock.Now().Sub(began); age >= handler.LongestLag {
			w.Done(err)
			continue
		}
		w.state(order.Accepted, "not_complete_yet", polls+1)
		w.Clock.Advance(w.Waits(err))
	}
	if rec := w.state(order.Review, "number_taken", polls); rec.ProviderRef != "" || rec.Result != "" || !strings.Contains(rec.Reason.Message, "fewer tickets") {
		t.Errorf("stored: ref %q, a result of %d bytes; it says %q", rec.ProviderRef, len(rec.Result), rec.Reason.Message)
	}

	w = unproven(t) // ours, whose list lagged
	w.provider.AnswerLookUp(few)
	w.Clock.Advance(w.Waits(w.run()))
	all := fakeprovider.Seen(providers.Sight{CreatedAt: handlertest.Start.Add(time.Minute), Precision: time.Second})
	all.Result = &providers.Result{Ref: "OURS"}
	w.provider.AnswerLookUp(all)
	w.Done(w.run())
	w.state(order.Issued, "", 2)

	w = accepted(handlertest.Mini(t)) // ours by the provider's own answer
	w.Clock.Advance(handler.LongestLag)
	w.provider.AnswerLookUp(few)
	w.Waits(w.run())
	w.state(order.Accepted, "", 1)
}
