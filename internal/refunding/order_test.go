package refunding_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/hibiken/asynq"

	"issuance/internal/fakeprovider"
	"issuance/internal/handlertest"
	"issuance/internal/ledger"
	"issuance/providers"
	"issuance/tasks/order"
)

// free expects the order's turn to be free, so that another refund of it may go first.
func (w *world) free() {
	w.T.Helper()
	keys, err := w.RDB.Keys(context.Background(), "*:turn").Result()
	if err != nil || len(keys) != 0 {
		w.T.Errorf("the turn is taken: %v, %v", keys, err)
	}
}

func TestARefundWaitsForItsOrderAndYieldsItsTurn(t *testing.T) {
	for _, c := range []struct {
		state order.State
		code  string
	}{
		{order.Queued, "order_not_issued_yet"}, {order.Submitting, "order_not_issued_yet"}, {order.Accepted, "order_not_issued_yet"},
		{order.Review, "order_in_review"},
	} {
		t.Run(string(c.state), func(t *testing.T) {
			handlertest.Each(t, func(b *handlertest.Bench) {
				w := newWorld(b, handlertest.ECTicket)
				w.OrderIn(c.state, ecticketOrder)
				task := w.refundOf("R1", `"all":true`)
				for range 2 {
					w.Waits(w.run(task))
					w.state(order.Queued, c.code, 0)
					w.free()
				}
				w.calls("")
			})
		})
	}
}

func TestARefundGoesOnWhenItsOrderIsIssued(t *testing.T) {
	w := newWorld(handlertest.Mini(t), handlertest.ECTicket)
	k := w.OrderIn(order.Accepted, ecticketOrder)
	task := w.refundOf("R1", `"quantity":1`)
	w.Waits(w.run(task))
	if a, err := w.Ledger.Finish(t.Context(), k, "", ledger.Ending{State: order.Issued}); err != nil || !a.Applied {
		t.Fatal(a, err)
	}
	w.provider.AnswerTickets(list(unused...), fakeprovider.Yes)
	w.vouches()
	w.provider.AnswerRefundTicket(fakeprovider.Yes)
	w.Done(w.run(task))
	w.state(order.Refunded, "", 1)
}

func TestARefundOfAnOrderThatFailedFails(t *testing.T) {
	w := newWorld(handlertest.Mini(t), handlertest.ECTicket)
	w.OrderIn(order.Failed, ecticketOrder)
	task := w.refundOf("R1", `"all":true`)
	w.Done(w.run(task))
	w.state(order.Failed, "order_failed", 0)
	w.calls("")
	w.quiet(task)
}

func TestARefundOfAnOrderThatWasCancelledFails(t *testing.T) {
	w := newWorld(handlertest.Mini(t), handlertest.ECTicket)
	w.OrderIn(order.Cancelled, ecticketOrder)
	task := w.refundOf("R1", `"all":true`)
	w.Done(w.run(task))
	w.state(order.Failed, "order_cancelled", 0)
	w.free()
	w.calls("")
	w.quiet(task)
}

// However long its order has been waiting: it has a record from its receipt on, so nobody is asked for it.
func TestARefundOfAnOrderThatNobodyHasBegunWaits(t *testing.T) {
	w := newWorld(handlertest.Mini(t), handlertest.ECTicket)
	task := w.refundOf("R1", `"all":true`)
	w.Enqueue(ecticketOrder) // after its refund
	w.Clock.Advance(time.Hour)
	w.Waits(w.run(task))
	w.state(order.Queued, "order_not_issued_yet", 0)
	w.free()
	w.calls("")
}

func TestARefundOfAnOrderNobodyKnowsWaitsAndThenFails(t *testing.T) {
	for name, enqueue := range map[string]func(w *world) *asynq.Task{
		"ecticket":                func(w *world) *asynq.Task { return w.refundOf("R1", `"all":true`) },
		"pass2u, without its ids": func(w *world) *asynq.Task { return w.countOf("R1", `"all":true`) },
		"pass2u, with its ids":    func(w *world) *asynq.Task { return w.countOf("R1", `"all":true,`+ids) },
	} {
		t.Run(name, func(t *testing.T) {
			account := handlertest.Pass2U
			if name == "ecticket" {
				account = handlertest.ECTicket
			}
			w := newWorld(handlertest.Mini(t), account)
			task := enqueue(w)
			asks := name != "pass2u, without its ids"
			for _, passed := range []time.Duration{0, 10*time.Minute - time.Millisecond} {
				w.Clock.Advance(passed)
				if asks {
					w.provider.AnswerLookUp(fakeprovider.Known(providers.Absent))
				}
				w.Waits(w.run(task))
				w.state(order.Queued, "order_unknown", 0)
				w.free()
			}
			w.Clock.Advance(time.Millisecond)
			if asks {
				w.provider.AnswerLookUp(fakeprovider.Known(providers.Absent))
			}
			w.Done(w.run(task))
			w.state(order.Failed, "order_unknown", 0)
		})
	}
}

// ids are the provider's ids of an order that was issued elsewhere.
const ids = `"pass2uOrderId":"P9","productSaleId":"S9","pickupType":"voucher"`

func TestAnECTicketOrderIssuedElsewhereIsRefunded(t *testing.T) {
	handlertest.Each(t, func(b *handlertest.Bench) {
		w := newWorld(b, handlertest.ECTicket)
		task := w.refundOf("R1", `"quantity":1`)
		w.provider.AnswerLookUp(fakeprovider.Known(providers.FoundIssued))
		w.provider.AnswerTickets(list(unused...), fakeprovider.Yes)
		w.vouches()
		w.provider.AnswerRefundTicket(fakeprovider.Lost)
		w.Waits(w.run(task))
		for _, c := range w.provider.Calls()[:2] {
			if c.Order.ID != "ORDER1" || string(c.Order.Request) != `{"MerchantTradeNo":"ORDER1"}` {
				w.T.Errorf("%s was asked about %q", c.Op, c.Order.Request)
			}
		}
		if who := w.provider.Calls()[3].Ticket.Operator; who != "issuance" {
			w.T.Errorf("the operator is %q", who)
		}
		w.provider.AnswerStatus(w.status(providers.Refunded, merchant), fakeprovider.Yes)
		w.Done(w.run(task)) // without looking the order up again
		w.state(order.Refunded, "", 1)
	})
}

func TestAPass2UOrderIssuedElsewhereIsRefundedWithTheIdsOfTheDocument(t *testing.T) {
	w := newWorld(handlertest.Mini(t), handlertest.Pass2U)
	task := w.countOf("R1", `"quantity":2,`+ids)
	w.provider.AnswerLookUp(fakeprovider.Known(providers.FoundIssued))
	w.lose(task, shows(3, 0))
	w.provider.AnswerBaseline(shows(3, 2), fakeprovider.Yes)
	w.Done(w.run(task))
	w.state(order.Refunded, "", 2)
	o := w.provider.Calls()[0].Order
	if want := `{"productSaleId":"S9","channelOrderId":"ORDER1","pickupType":"voucher"}`; o.Ref != "P9" || string(o.Request) != want {
		t.Errorf("the provider was asked about %q, %s", o.Ref, o.Request)
	}
}

func TestAnOrderIssuedElsewhereWhoseSizeIsUnknownIsNotRefundedAsAWhole(t *testing.T) {
	w := newWorld(handlertest.Mini(t), handlertest.Pass2U)
	task := w.countOf("R1", `"all":true,"pass2uOrderId":"P9","productSaleId":"S9","pickupType":"order"`)
	w.provider.AnswerLookUp(fakeprovider.Known(providers.FoundIssued))
	w.provider.AnswerBaseline(unshown, fakeprovider.Yes)
	w.Done(w.run(task))
	w.state(order.Failed, "quantity_unknown", 0)
}

func TestAnOrderElsewhereThatIsNotIssuedIsNotRefunded(t *testing.T) {
	for _, c := range []struct {
		found providers.FindingState
		code  string
	}{
		{providers.FoundPending, "order_not_issued_yet"}, {providers.Unclear, "timeout"}, {providers.FoundFailed, "order_failed"},
	} {
		t.Run(string(c.found), func(t *testing.T) {
			w := newWorld(handlertest.Mini(t), handlertest.ECTicket)
			task := w.refundOf("R1", `"all":true`)
			w.provider.AnswerLookUp(fakeprovider.Known(c.found))
			w.Clock.Advance(w.Waits(w.run(task)))
			w.state(order.Queued, c.code, 0)
			w.calls("look_up")
			if c.found == providers.FoundFailed { // a second look says the same
				w.provider.AnswerLookUp(fakeprovider.Known(c.found))
				w.Done(w.run(task))
				w.state(order.Failed, c.code, 0)
			}
		})
	}
}

// A number may be a MerchantTradeNo and a FreeTradeNo, and a campaign and a page may be mistaken.
func TestARefundThatNamesAnotherOrderIsNotSent(t *testing.T) {
	p2u := func(ids string) string {
		return `{"provider":"pass2u","refund_id":"R1","request":{"channelOrderId":"ORDER1","quantity":1,` + ids + `}}`
	}
	for _, c := range []struct{ name, document, field string }{
		{"a gift's number", `{"provider":"ecticket","refund_id":"R1","request":{"FreeTradeNo":"ORDER1","all":true}}`, "FreeTradeNo"},
		{"another campaign", p2u(`"pass2uOrderId":"REF1","productSaleId":"S9","pickupType":"voucher"`), "productSaleId"},
		{"another id", p2u(`"pass2uOrderId":"REF9","productSaleId":"S1","pickupType":"voucher"`), "pass2uOrderId"},
		{"another pickup", p2u(`"pass2uOrderId":"REF1","productSaleId":"S1","pickupType":"order"`), "pickupType"},
		{"the same", p2u(`"pass2uOrderId":"REF1","productSaleId":"S1","pickupType":"voucher"`), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var w *world
			if b := handlertest.Mini(t); strings.Contains(c.document, "ecticket") {
				w = ecticket(b)
			} else {
				w = pass2u(b, "voucher")
			}
			task := w.EnqueueRefund(c.document)
			if c.field == "" {
				w.provider.AnswerBaseline(shows(4, 0), fakeprovider.Yes)
				w.provider.AnswerRefundCount(fakeprovider.Yes)
				w.Done(w.run(task))
				w.state(order.Refunded, "", 1)
				return
			}
			w.Done(w.run(task))
			if rec := w.state(order.Failed, "other_order", 0); !strings.Contains(rec.Reason.Message, c.field) {
				t.Errorf("%q does not name %s", rec.Reason.Message, c.field)
			}
			w.calls("")
		})
	}
}

// What was sent before may have refunded the order's tickets.
func TestARefundInDoubtWhoseOrderIsForgottenNeverFails(t *testing.T) {
	w, task := countInDoubt(handlertest.Mini(t), "voucher", `"quantity":2`, shows(4, 0))
	w.Forget(w.order())
	w.Waits(w.run(task))
	w.Clock.Advance(10 * time.Minute)
	w.Done(w.run(task))
	w.state(order.Review, "order_unknown", 0)
	w.calls("")
}
