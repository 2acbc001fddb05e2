package refunding_test

import (
	"testing"
	"time"

	"issuance/internal/fakeprovider"
	"issuance/internal/handlertest"
	"issuance/providers"
	"issuance/tasks/order"
)

func (w *world) lag() time.Duration {
	w.T.Helper()
	lag, err := w.Ledger.Lag(w.T.Context(), w.order().Account)
	if err != nil {
		w.T.Fatal(err)
	}
	return lag
}

// What the provider has confirmed shows 20 s later; so long it may be behind with other things.
func TestTheLagOfAConfirmedRefundIsRemembered(t *testing.T) {
	handlertest.Each(t, func(b *handlertest.Bench) {
		w := ecticket(b)
		task := w.refundOf("R1", named(1))
		w.provider.AnswerTickets(list(unused...), fakeprovider.Yes)
		w.provider.AnswerRefundTicket(fakeprovider.Yes)
		w.provider.AnswerTickets(list(unused...), fakeprovider.Yes)
		w.Clock.Advance(w.Waits(w.run(task)))
		for w.Clock.Now().Before(handlertest.Start.Add(20 * time.Second)) {
			w.provider.AnswerStatus(w.status(providers.Unused, ""), fakeprovider.Yes)
			w.Clock.Advance(w.Waits(w.run(task)))
		}
		if lag := w.lag(); lag != 0 {
			b.T.Errorf("a refund that does not show yet may not have been done: %s", lag)
		}
		w.provider.AnswerStatus(w.status(providers.Refunded, merchant), fakeprovider.Yes)
		w.Done(w.run(task))
		w.state(order.Refunded, "", 1)
		if lag := w.lag(); lag < 10*time.Second || lag > 20*time.Second {
			b.T.Errorf("it was shown after 20 s, and the lag is %s", lag)
		}
	})
}
