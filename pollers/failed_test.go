package pollers_test

import (
	"testing"
	"time"

	"issuance/internal/fakeprovider"
	"issuance/internal/handlertest"
	"issuance/providers"
	"issuance/tasks/order"
)

func TestAnOrderTheProviderCouldNotIssueFailsWithItsReason(t *testing.T) {
	w := accepted(handlertest.Mini(t))
	for range 2 {
		w.provider.AnswerLookUp(fakeprovider.Known(providers.FoundFailed))
		if err := w.run(); err != nil {
			w.Clock.Advance(w.Waits(err))
		}
	}
	if rec := w.state(order.Failed, "status_2", 2); rec.Reason.Message != "issuing failed" {
		t.Errorf("the message is %q", rec.Reason.Message)
	}
	if took := w.Clock.Now().Sub(handlertest.Start); took > 32*time.Second {
		t.Errorf("failed after %s", took)
	}
}

// An answer of a machine that is behind, or an old one that is sent again, ends no order.
func TestOneAnswerThatIssuingFailedEndsNothing(t *testing.T) {
	each(t, func(w *world) {
		w.provider.AnswerLookUp(fakeprovider.Known(providers.FoundFailed))
		w.Waits(w.run())
		w.state(order.Accepted, "status_2", 1)
		// Woken much too soon, it is not ended by another one either.
		w.Clock.Advance(5 * time.Second)
		w.provider.AnswerLookUp(fakeprovider.Known(providers.FoundFailed))
		w.Clock.Advance(w.Waits(w.run()) - 10*time.Second)
		w.state(order.Accepted, "status_2", 1)
		// Nor by two between which the provider said otherwise.
		w.pending()
		w.Clock.Advance(time.Hour)
		w.provider.AnswerLookUp(fakeprovider.Known(providers.FoundFailed))
		w.Clock.Advance(w.Waits(w.run()))
		w.state(order.Accepted, "status_2", 3)
		w.provider.AnswerLookUp(fakeprovider.Known(providers.FoundIssued))
		w.Done(w.run())
		w.state(order.Issued, "", 4)
	})
}

// However often it is asked for, by tasks of which there are too many, it fails as soon as a second look may say so.
func TestPollsThatComeTooSoonDoNotPutTheSecondLookOff(t *testing.T) {
	w := accepted(handlertest.Mini(t))
	for w.Record(ref).State == order.Accepted && w.Clock.Now().Before(handlertest.Start.Add(time.Hour)) {
		w.provider.AnswerLookUp(fakeprovider.Known(providers.FoundFailed))
		if err := w.run(); err != nil {
			w.Waits(err)
			w.Clock.Advance(7 * time.Second)
		}
	}
	w.state(order.Failed, "status_2", 2)
	if took := w.Clock.Now().Sub(handlertest.Start); took > 35*time.Second {
		t.Errorf("failed after %s", took)
	}
}
