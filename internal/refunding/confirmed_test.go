package refunding_test

import (
	"testing"
	"time"

	"issuance/internal/fakeprovider"
	"issuance/internal/handlertest"
	"issuance/providers"
	"issuance/tasks/order"
)

// confirmedOnly is a refund of two tickets that was confirmed, while the provider shows what it showed before.
func confirmedOnly(b *handlertest.Bench) (w *world, run func() error) {
	b.T.Helper()
	w = pass2u(b, "voucher")
	w.earlier(1)
	task := w.countOf("R1", `"quantity":2`)
	w.provider.AnswerBaseline(shows(4, 1), fakeprovider.Yes)
	w.provider.AnswerRefundCount(fakeprovider.Yes)
	w.provider.AnswerBaseline(shows(4, 1), fakeprovider.Yes)
	if after := w.Waits(w.run(task)); after != time.Second {
		b.T.Errorf("waits %s", after)
	}
	w.state(order.Submitting, "list_lags", 0)
	w.calls("baseline, refund_count 2, baseline")
	return w, func() error { return w.run(task) }
}

// Something on the way repeated the confirmation of an earlier refund: nothing was refunded.
func TestAnOldConfirmationOfARefundByNumberIsNoRefund(t *testing.T) {
	handlertest.Each(t, func(b *handlertest.Bench) {
		w, run := confirmedOnly(b)
		for w.Clock.Now().Before(handlertest.Start.Add(settleAfter)) { // its own may still arrive, or not show yet
			w.provider.AnswerBaseline(shows(4, 1), fakeprovider.Yes)
			w.Clock.Advance(w.Waits(run()))
			w.state(order.Submitting, "list_lags", 0)
		}
		w.provider.AnswerBaseline(shows(4, 1), fakeprovider.Yes)
		w.waitsForSecondLook(run())
		w.provider.Forget()
		w.provider.AnswerBaseline(shows(4, 1), fakeprovider.Yes)
		w.provider.AnswerRefundCount(fakeprovider.Yes)
		w.Done(run())
		w.state(order.Refunded, "", 2)
		w.calls("baseline, refund_count 2, baseline")
	})
}

// The provider's list is some seconds behind what it has confirmed.
func TestAConfirmationThatShowsLateIsWaitedFor(t *testing.T) {
	handlertest.Each(t, func(b *handlertest.Bench) {
		w, run := confirmedOnly(b)
		for w.Clock.Now().Before(handlertest.Start.Add(8 * time.Second)) {
			w.provider.AnswerBaseline(shows(4, 1), fakeprovider.Yes)
			w.Clock.Advance(w.Waits(run()))
		}
		w.provider.AnswerBaseline(shows(4, 3), fakeprovider.Yes)
		w.Done(run())
		w.state(order.Refunded, "", 2)
		if took := w.Clock.Now().Sub(handlertest.Start); took > 20*time.Second {
			w.T.Errorf("it took %s", took)
		}
		if lag := w.lag(); lag < 4*time.Second || lag > 20*time.Second {
			w.T.Errorf("the lag that is remembered is %s", lag)
		}
	})
}

func TestAConfirmationWhoseProofDoesNotComeIsKept(t *testing.T) {
	for name, broken := range map[string]func(w *world){
		"no answer":       func(w *world) { w.provider.AnswerBaseline(unshown, fakeprovider.Lost) },
		"an unclear list": func(w *world) { w.provider.AnswerBaseline(unshown, fakeprovider.Yes) },
		"a rejection":     func(w *world) { w.provider.AnswerBaseline(unshown, fakeprovider.Refused) },
	} {
		t.Run(name, func(t *testing.T) {
			w := pass2u(handlertest.Mini(t), "voucher")
			task := w.countOf("R1", `"quantity":2`)
			w.provider.AnswerBaseline(shows(4, 0), fakeprovider.Yes)
			w.provider.AnswerRefundCount(fakeprovider.Yes)
			broken(w)
			w.Waits(w.run(task))
			if rec := w.Record(w.ref("R1")); rec.State != order.Submitting || !rec.Confirmed || rec.DoubtAt.IsZero() {
				t.Errorf("%s, confirmed %t, in doubt since %s", rec.State, rec.Confirmed, rec.DoubtAt)
			}
			w.provider.AnswerBaseline(shows(4, 2), fakeprovider.Yes)
			w.Done(w.run(task))
			w.state(order.Refunded, "", 2)
		})
	}
}

// Somebody refunds at the provider at the same moment. Of one request that was confirmed, two are ours for certain;
// of two requests, nobody knows.
func TestWhatOthersRefundBesideAConfirmationIsTheirs(t *testing.T) {
	t.Run("one request", func(t *testing.T) {
		w, run := confirmedOnly(handlertest.Mini(t))
		w.provider.AnswerBaseline(shows(4, 4), fakeprovider.Yes)
		w.Done(run())
		w.state(order.Refunded, "", 2)
	})
	t.Run("two requests", func(t *testing.T) {
		w, task := countInDoubt(handlertest.Mini(t), "voucher", `"quantity":1`, shows(4, 0))
		w.settles(task, shows(4, 0))
		w.provider.AnswerRefundCount(fakeprovider.Yes)
		w.provider.AnswerBaseline(shows(4, 2), fakeprovider.Yes)
		w.Waits(w.run(task))
		w.Clock.Advance(settleAfter)
		w.looksOnce(task, shows(4, 2))
		w.provider.AnswerBaseline(shows(4, 2), fakeprovider.Yes)
		w.Done(w.run(task))
		w.state(order.Review, "unexplained_refunds", 0)
	})
}

// Where the provider shows no tickets, its confirmation, which names the order, is the only proof there is.
func TestAConfirmationIsTheProofWhereNothingIsShown(t *testing.T) {
	w := pass2u(handlertest.Mini(t), "order")
	task := w.countOf("R1", `"quantity":2`)
	w.provider.AnswerBaseline(unshown, fakeprovider.Yes)
	w.provider.AnswerRefundCount(providers.Outcome{Kind: providers.Done})
	w.Done(w.run(task))
	w.state(order.Refunded, "", 2)
	w.calls("baseline, refund_count 2")
}
