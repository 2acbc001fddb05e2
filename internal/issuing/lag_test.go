package issuing_test

import (
	"testing"
	"time"

	"issuance/internal/fakeprovider"
	"issuance/providers"
	"issuance/tasks/order"
)

// The request took effect and its answer was a rejection; look-ups are 50 s behind, which shows by another order of the
// account that was accepted and is not known.
func TestARejectedOrderDoesNotFailWhileAcceptedOnesAreNotKnown(t *testing.T) {
	each(t, func(w *world) {
		other := order.Ref{Account: ref.Account, OrderID: "ORDER2"}
		if err := w.Ledger.NotShown(t.Context(), other, w.Clock.Now()); err != nil {
			t.Fatal(err)
		}
		start := w.Clock.Now()
		w.rejected(fakeprovider.Known(providers.Absent))
		w.Clock.Advance(time.Second)
		for w.Clock.Now().Sub(start) < 50*time.Second {
			w.provider.AnswerLookUp(fakeprovider.Known(providers.Absent))
			w.Clock.Advance(w.Waits(w.run()))
		}
		w.provider.AnswerLookUp(fakeprovider.Seen(providers.Sight{CreatedAt: start, Precision: time.Second}))
		w.Done(w.run())
		w.state(order.Issued, "")
		if took := w.Clock.Now().Sub(start); took > 80*time.Second {
			t.Errorf("it took %s", took)
		}
	})
}

// Once those show, what was seen of the lag, and half of it, is waited for, and no longer.
func TestARejectedOrderFailsOnceTheLagThatWasSeenIsOver(t *testing.T) {
	w := mini(t)
	if err := w.Ledger.SawLag(t.Context(), ref.Account, 40*time.Second); err != nil {
		t.Fatal(err)
	}
	start := w.Clock.Now()
	w.rejected(fakeprovider.Known(providers.Absent))
	w.Clock.Advance(time.Second)
	for w.record().State != order.Failed && w.Clock.Now().Sub(start) < 5*time.Minute {
		w.provider.AnswerLookUp(fakeprovider.Known(providers.Absent))
		if err := w.run(); err != nil {
			w.Clock.Advance(w.Waits(err))
		}
	}
	w.state(order.Failed, fakeprovider.Refused.Code)
	if took := w.Clock.Now().Sub(start); took < time.Minute || took > 65*time.Second {
		t.Errorf("failed after %s", took)
	}
}
