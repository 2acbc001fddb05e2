package pollers_test

import (
	"testing"
	"time"

	"issuance/internal/fakeprovider"
	"issuance/internal/handlertest"
	"issuance/providers"
	"issuance/tasks/order"
)

// unknown has the provider not know the accepted order for a while, and then show it.
func (w *world) unknown(f providers.Finding, forAsLongAs time.Duration) {
	w.T.Helper()
	for end := w.Clock.Now().Add(forAsLongAs); w.Clock.Now().Before(end); {
		w.provider.AnswerLookUp(f)
		w.Clock.Advance(w.Waits(w.run()))
	}
}

func (w *world) lag() time.Duration {
	w.T.Helper()
	lag, err := w.Ledger.Lag(w.T.Context(), ref.Account)
	if err != nil {
		w.T.Fatal(err)
	}
	return lag
}

// The provider accepted the order, did not know it for 40 s, and shows it: so long it may be behind with others.
func TestTheLagOfAnAcceptedOrderIsRemembered(t *testing.T) {
	each(t, func(w *world) {
		w.provider.ForUnknown(fakeprovider.Known(providers.Absent))
		w.unknown(fakeprovider.Known(providers.Absent), 40*time.Second)
		if lag := w.lag(); lag < 40*time.Second {
			w.T.Errorf("while it is not known, a lag of %s is in sight", lag)
		}
		w.Clock.Advance(5 * time.Minute)
		w.pending()
		if lag := w.lag(); lag < 25*time.Second || lag > 40*time.Second {
			w.T.Errorf("it was not known for 40 s, and the lag is %s", lag)
		}
		w.pending()
		if rec := w.Record(ref); !rec.AbsentLast.IsZero() {
			w.T.Error("the absence is not over")
		}
	})
}

// An account that is answered "busy" for minutes is not behind by that.
func TestABusyProviderIsNotRememberedAsALag(t *testing.T) {
	w := accepted(handlertest.Mini(t))
	w.provider.ForUnknown(fakeprovider.Known(providers.Absent))
	w.unknown(fakeprovider.Busy, 3*time.Minute)
	w.pending()
	if lag := w.lag(); lag != 0 {
		t.Errorf("the lag is %s", lag)
	}
	w.state(order.Accepted, "", w.Record(ref).Polls)
}
