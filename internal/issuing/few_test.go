package issuing_test

import (
	"testing"
	"time"

	"issuance/internal/fakeprovider"
	"issuance/internal/handlertest"
	"issuance/providers"
	"issuance/tasks/order"
)

// Fewer tickets than were ordered may be a list that lags, or somebody else's order that was made after our request:
// until that is known, nothing of it is stored, and the poller is to decide.
func TestAnOrderFoundWithTooFewTicketsIsStillToBeRecognised(t *testing.T) {
	for _, answer := range []providers.Outcome{fakeprovider.Lost, {Kind: providers.Unknown, Exists: true}} {
		each(t, func(w *world) {
			few := fakeprovider.Known(providers.FoundPending)
			few.Result = result()
			few.Sight = &providers.Sight{CreatedAt: handlertest.Start, Precision: time.Second, Partial: true}
			w.provider.AnswerIssue(answer)
			w.provider.AnswerLookUp(few)
			if !answer.Exists {
				w.Clock.Advance(w.Waits(w.run()))
			}
			w.Done(w.run())
			if rec := w.state(order.Accepted, ""); !rec.Unproven || rec.ProviderRef != "" || rec.Result != "" {
				w.T.Errorf("unproven %v, stored: ref %q, a result of %d bytes", rec.Unproven, rec.ProviderRef, len(rec.Result))
			}
		})
	}
}
