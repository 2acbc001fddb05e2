package refunding_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/hibiken/asynq"

	"issuance/internal/fakeprovider"
	"issuance/internal/handlertest"
	"issuance/providers"
	"issuance/tasks/order"
)

// exhausted is the provider's rejection because fewer tickets are left than were asked for.
var exhausted = providers.Outcome{Kind: providers.Rejected, Code: "refundable_not_enough", Message: "Refundable Quantity Is Not Enough."}

// unshown is the baseline of an order whose tickets the provider does not show.
var unshown = providers.Baseline{}

// shows is the baseline of an order of so many tickets of which so many are refunded.
func shows(total, refunded int) providers.Baseline {
	return providers.Baseline{Provable: true, Total: total, Refunded: refunded, Refundable: total - refunded}
}

// pass2u is a world with an issued Pass2U order of four tickets, of pickupType "voucher" or "order".
func pass2u(b *handlertest.Bench, pickup string) *world {
	w := newWorld(b, handlertest.Pass2U)
	w.OrderIn(order.Issued, fmt.Sprintf(`{"provider":"pass2u","request":{"productSaleId":"S1","channelOrderId":"ORDER1","mailTo":%q,"quantity":4,"pickupType":%q}}`,
		handlertest.CustomerEmail, pickup))
	return w
}

// earlier has refund R0 refund tickets of the order, of which so many are refunded then.
func (w *world) earlier(n int) {
	w.T.Helper()
	if n == 0 {
		return
	}
	w.provider.AnswerBaseline(shows(4, 0), fakeprovider.Yes)
	w.provider.AnswerRefundCount(fakeprovider.Yes)
	w.Done(w.run(w.countOf("R0", fmt.Sprintf(`"quantity":%d`, n))))
	w.stateOf("R0", order.Refunded, "", n)
	w.provider.Forget()
}

// countOf enqueues a refund of the Pass2U order.
func (w *world) countOf(id, what string) *asynq.Task {
	w.T.Helper()
	return w.EnqueueRefund(fmt.Sprintf(`{"provider":"pass2u","refund_id":%q,"request":{"channelOrderId":"ORDER1",%s}}`, id, what))
}

func TestTheBaselineIsWrittenBeforeTheCall(t *testing.T) {
	handlertest.Each(t, func(b *handlertest.Bench) {
		w := pass2u(b, "voucher")
		w.earlier(1)
		task := w.countOf("R1", `"quantity":2`)
		w.provider.AnswerBaseline(shows(4, 1), fakeprovider.Yes)
		w.provider.AnswerRefundCount(fakeprovider.Yes, func(context.Context) {
			if rec := w.Record(w.ref("R1")); rec.Baseline != 1 || rec.Count != 2 || rec.State != order.Submitting || rec.SentAt.IsZero() {
				w.T.Errorf("in the call the ledger holds baseline %d, %d tickets, %s", rec.Baseline, rec.Count, rec.State)
			}
		})
		w.Done(w.run(task))
		w.state(order.Refunded, "", 2)
		w.calls("baseline, refund_count 2, baseline")
		w.quiet(task)
	})
}

func TestTheProviderIsGivenTheOrderAndItsID(t *testing.T) {
	w := pass2u(handlertest.Mini(t), "voucher")
	task := w.countOf("R1", `"quantity":2`)
	w.provider.AnswerBaseline(shows(4, 0), fakeprovider.Yes)
	w.provider.AnswerRefundCount(fakeprovider.Yes)
	w.Done(w.run(task))
	if o := w.provider.Calls()[1].Order; o.ID != "ORDER1" || o.Ref != "REF1" || len(o.Request) == 0 {
		t.Errorf("id %q, ref %q, %d bytes", o.ID, o.Ref, len(o.Request))
	}
}

func TestTheNumberToRefundIsChecked(t *testing.T) {
	for _, c := range []struct {
		name, wish, pickup string
		base               providers.Baseline
		sent               int // 0: nothing
		code               string
	}{
		{"a number", `"quantity":3`, "voucher", shows(4, 1), 3, ""},
		{"all that are left", `"all":true`, "voucher", shows(4, 1), 3, ""},
		{"more than are left", `"quantity":4`, "voucher", shows(4, 1), 0, "not_enough_refundable"},
		{"all of nothing", `"all":true`, "voucher", shows(4, 4), 0, "nothing_refundable"},
		{"one of nothing", `"quantity":1`, "voucher", shows(4, 4), 0, "nothing_refundable"},
		{"a number of what is not shown", `"quantity":3`, "order", unshown, 3, ""},
		{"all of what is not shown", `"all":true`, "order", unshown, 4, ""},
		{"more than were ordered", `"quantity":5`, "order", unshown, 0, "not_enough_refundable"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := pass2u(handlertest.Mini(t), c.pickup)
			w.earlier(c.base.Refunded)
			task := w.countOf("R1", c.wish)
			w.provider.AnswerBaseline(c.base, fakeprovider.Yes)
			if c.sent == 0 {
				w.Done(w.run(task))
				w.state(order.Failed, c.code, 0)
				w.calls("baseline")
				return
			}
			w.provider.AnswerRefundCount(fakeprovider.Yes)
			w.Done(w.run(task))
			w.state(order.Refunded, "", c.sent)
			want := fmt.Sprintf("baseline, refund_count %d", c.sent)
			if c.base.Provable {
				want += ", baseline"
			}
			w.calls(want)
		})
	}
}

func TestARejectionIsTheEndOnceItIsSureToHaveHadNoEffect(t *testing.T) {
	for _, c := range []struct {
		pickup string
		base   providers.Baseline
		out    providers.Outcome
	}{{"voucher", shows(4, 0), fakeprovider.Refused}, {"voucher", shows(4, 0), exhausted}, {"order", unshown, fakeprovider.Refused}} {
		w := pass2u(handlertest.Mini(t), c.pickup)
		task := w.countOf("R1", `"all":true`)
		w.provider.AnswerBaseline(c.base, fakeprovider.Yes)
		w.provider.AnswerRefundCount(c.out)
		if c.base.Provable {
			// A copy of it may still arrive, and that none did shows in more than one answer.
			w.provider.AnswerBaseline(c.base, fakeprovider.Yes)
			w.waitsUntil(w.run(task), handlertest.Start.Add(settleAfter))
			w.Clock.Advance(settleAfter)
			w.looksOnce(task, c.base)
			w.provider.AnswerBaseline(c.base, fakeprovider.Yes)
		}
		w.Done(w.run(task))
		w.state(order.Failed, c.out.Code, 0)
		w.quiet(task)
	}
}

func TestABaselineThatDoesNotComeSendsNothing(t *testing.T) {
	w := pass2u(handlertest.Mini(t), "voucher")
	task := w.countOf("R1", `"quantity":2`)
	for _, out := range []providers.Outcome{fakeprovider.Lost, fakeprovider.Unreached, {Kind: providers.Held, RetryAfter: time.Hour}} {
		w.provider.AnswerBaseline(shows(4, 0), out)
		w.Waits(w.run(task))
	}
	w.calls("baseline, baseline, baseline")
	w.provider.AnswerBaseline(providers.Baseline{}, fakeprovider.Refused) // it may be behind itself
	w.Waits(w.run(task))
	w.state(order.Queued, "list_lags", 0)
	w.Clock.Advance(10*time.Minute + time.Millisecond)
	w.provider.AnswerBaseline(providers.Baseline{}, fakeprovider.Refused)
	w.Done(w.run(task))
	w.state(order.Failed, fakeprovider.Refused.Code, 0)
}

func TestAStaleBaselineIsRenewedWhileNothingIsInDoubt(t *testing.T) {
	for name, delay := range map[string]func(w *world){
		"the call never left": func(w *world) { w.provider.AnswerRefundCount(fakeprovider.Unreached) },
		"the call was held":   func(w *world) { w.gate.Refuse(&providers.HeldError{RetryAfter: time.Hour}) },
	} {
		t.Run(name, func(t *testing.T) {
			handlertest.Each(t, func(b *handlertest.Bench) {
				w := pass2u(b, "voucher")
				task := w.countOf("R1", `"quantity":2`)
				w.provider.AnswerBaseline(shows(4, 0), fakeprovider.Yes)
				delay(w)
				w.Waits(w.run(task))
				w.gate.Refuse(nil)
				// Meanwhile somebody refunded a ticket at the provider.
				w.provider.AnswerBaseline(shows(4, 1), fakeprovider.Yes)
				w.provider.AnswerRefundCount(fakeprovider.Lost)
				w.Waits(w.run(task))
				w.provider.AnswerBaseline(shows(4, 3), fakeprovider.Yes)
				w.Done(w.run(task))
				w.state(order.Refunded, "", 2)
			})
		})
	}
}

func TestAWorkerThatDiedInItsCallLeavesADoubt(t *testing.T) {
	handlertest.Each(t, func(b *handlertest.Bench) {
		w := pass2u(b, "voucher")
		task := w.countOf("R1", `"quantity":2`)
		w.provider.AnswerBaseline(shows(4, 0), fakeprovider.Yes)
		w.provider.AnswerRefundCount(providers.Outcome{}, handlertest.Dies)
		if err := w.run(task); !errors.Is(err, handlertest.ErrDied) {
			w.T.Fatal(err)
		}
		w.Waits(w.run(task))
		w.Clock.Advance(lease)
		w.provider.AnswerBaseline(shows(4, 0), fakeprovider.Yes)
		w.Waits(w.run(task))
		w.calls("baseline, refund_count 2, baseline")
		w.Clock.Advance(time.Minute)
		w.provider.AnswerBaseline(shows(4, 2), fakeprovider.Yes)
		w.Done(w.run(task))
		w.state(order.Refunded, "", 2)
	})
}

func TestTwoRunnersMakeOneRefund(t *testing.T) {
	handlertest.Each(t, func(b *handlertest.Bench) {
		w := pass2u(b, "voucher")
		task := w.countOf("R1", `"quantity":2`)
		second := func(context.Context) { w.Waits(w.Run(w.worker("second"), task)) }
		w.provider.AnswerBaseline(shows(4, 0), fakeprovider.Yes, second)
		w.provider.AnswerRefundCount(fakeprovider.Yes, second)
		w.Done(w.run(task))
		w.state(order.Refunded, "", 2)
		w.calls("baseline, refund_count 2, baseline")
	})
}

func TestALateAnswerToARefundIsNotApplied(t *testing.T) {
	for name, late := range map[string]providers.Outcome{"done": fakeprovider.Yes, "refused": fakeprovider.Refused, "lost": fakeprovider.Lost, "unreached": fakeprovider.Unreached} {
		t.Run(name, func(t *testing.T) {
			w := pass2u(handlertest.Mini(t), "voucher")
			task := w.countOf("R1", `"quantity":2`)
			w.provider.AnswerBaseline(shows(4, 0), fakeprovider.Yes)
			w.provider.AnswerRefundCount(late, func(context.Context) {
				w.Clock.Advance(lease)
				w.Waits(w.Run(w.worker("second"), task))
			})
			w.provider.AnswerBaseline(shows(4, 0), fakeprovider.Yes)
			w.Waits(w.run(task))
			w.state(order.Submitting, "in_doubt", 0)
			w.calls("baseline, refund_count 2, baseline")
		})
	}
}
