package issuing_test

import (
	"testing"
	"time"

	"issuance/internal/fakeprovider"
	"issuance/internal/handlertest"
	"issuance/providers"
	"issuance/tasks/order"
)

// A confirmation that shows other tickets than were ordered is one: the order is not sent again. Nothing of it is stored before
// it was compared, and an order that is issued at once is not issued unseen either.
func TestAConfirmationThatShowsOtherTicketsIsStillToBeCompared(t *testing.T) {
	for _, atOnce := range []bool{false, true} {
		each(t, func(w *world) {
			w.provider.SetIssuesAtOnce(atOnce)
			w.provider.AnswerIssue(providers.Outcome{Kind: providers.Accepted, Differs: "TicketAmount", Result: result()})
			w.Done(w.run())
			if rec := w.state(order.Accepted, ""); !rec.Unproven || rec.ProviderRef != "" || rec.Result != "" {
				w.T.Errorf("unproven %v, stored: ref %q, a result of %d bytes", rec.Unproven, rec.ProviderRef, len(rec.Result))
			}
			if got := w.provider.Sequence(); got != "issue" {
				w.T.Errorf("the calls were %q", got)
			}
		})
	}
}

// An order that is found issued with fewer tickets, and one that failed with some, are left to the poller.
func TestAnOrderFoundWithFewerTicketsIsNotItsEnd(t *testing.T) {
	for state, code := range map[providers.FindingState]string{providers.FoundIssued: "", providers.FoundFailed: "ticket_count"} {
		each(t, func(w *world) {
			few := fakeprovider.Known(state)
			few.Sight = &providers.Sight{CreatedAt: handlertest.Start.Add(time.Minute), Precision: time.Second, Partial: true, Shown: 1, Ordered: 2}
			w.provider.AnswerIssue(fakeprovider.Lost)
			w.provider.AnswerLookUp(few)
			w.Clock.Advance(w.Waits(w.run()))
			w.Done(w.run())
			if rec := w.state(order.Accepted, code); rec.Unproven != (state == providers.FoundIssued) || rec.Result != "" {
				w.T.Errorf("unproven %v, a result of %d bytes", rec.Unproven, len(rec.Result))
			}
		})
	}
}
