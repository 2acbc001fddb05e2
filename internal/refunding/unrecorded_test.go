package refunding_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/hibiken/asynq"

	"issuance/internal/fakeprovider"
	"issuance/internal/handlertest"
	"issuance/providers"
	"issuance/tasks/order"
)

// by is a provider's way of refunding by quantity, for promises that hold for both.
type by struct {
	name    string
	new     func(b *handlertest.Bench) *world
	refund  func(w *world, id string, quantity string) (run func(h asynq.Handler) error)
	shows   func(w *world, refunded int, during ...fakeprovider.During) // the next list, of four tickets
	confirm func(w *world)                                              // of one ticket
	sends   string
}

var quantities = []by{
	{"pass2u", func(b *handlertest.Bench) *world { return pass2u(b, "voucher") },
		func(w *world, id, quantity string) func(asynq.Handler) error {
			task := w.countOf(id, quantity)
			return func(h asynq.Handler) error { return w.Run(h, task) }
		},
		func(w *world, refunded int, during ...fakeprovider.During) {
			w.provider.AnswerBaseline(shows(4, refunded), fakeprovider.Yes, during...)
		},
		func(w *world) { w.provider.AnswerRefundCount(fakeprovider.Yes) }, "refund_count 1"},
	{"ecticket", ecticket,
		func(w *world, id, quantity string) func(asynq.Handler) error {
			task := w.refundOf(id, quantity)
			return func(h asynq.Handler) error { return w.Run(h, task) }
		},
		func(w *world, refunded int, during ...fakeprovider.During) {
			all := slices.Clone(unused)
			for i := range refunded {
				all[i] = providers.Refunded
			}
			w.provider.AnswerTickets(list(all...), fakeprovider.Yes, during...)
		},
		func(w *world) { w.provider.AnswerRefundTicket(fakeprovider.Yes) }, "refund_ticket"},
}

// eachQuantity runs a promise for both ways of refunding by quantity, over both kinds of Redis.
func eachQuantity(t *testing.T, run func(w *world, q by)) {
	t.Helper()
	for _, q := range quantities {
		t.Run(q.name, func(t *testing.T) {
			handlertest.Each(t, func(b *handlertest.Bench) { run(q.new(b), q) })
		})
	}
}

// one refunds one ticket, of which the provider shows so many refunded before.
func (w *world) one(q by, id string, refunded int) {
	w.T.Helper()
	run := q.refund(w, id, `"quantity":1`)
	q.shows(w, refunded)
	q.confirm(w)
	w.Done(run(w.worker("w")))
	w.stateOf(id, order.Refunded, "", 1)
	w.provider.Forget()
}

// inReview expects that the refund sent nothing because of refunds that no record explains.
func (w *world) inReview(id string) {
	w.T.Helper()
	w.stateOf(id, order.Review, "unrecorded_refunds", 0)
	if calls := w.provider.Sequence(); strings.Contains(calls, "refund_") {
		w.T.Errorf("the calls were %s", calls)
	}
	w.free()
}

// Redis loses the record of a refund that was done, and the shop's outbox enqueues it again.
func TestARefundByQuantityWhoseRecordWasLostIsNotDoneAgain(t *testing.T) {
	eachQuantity(t, func(w *world, q by) {
		w.one(q, "R1", 0)
		w.Forget(w.ref("R1"))
		run := q.refund(w, "R1", `"quantity":1`)
		q.shows(w, 1)
		w.Done(run(w.worker("w")))
		w.inReview("R1")
		w.resolve("R1", order.Refunded) // a person has found out

		w.one(q, "R2", 1) // and another refund of the order goes on
	})
}

// retried has refund R1 of one ticket go on by a person's decision, when so many tickets are shown as refunded.
func (w *world) retried(q by, refunded int) {
	w.T.Helper()
	run := q.refund(w, "R1", `"quantity":1`)
	q.shows(w, refunded)
	w.Done(run(w.worker("w")))
	w.inReview("R1")
	w.reopen("R1")
	q.shows(w, refunded)
	q.confirm(w)
	w.Done(run(w.worker("w")))
	w.state(order.Refunded, "", 1)
	w.provider.Forget()
}

// The tickets were somebody else's: a person looks, has the refund go on, and it does not ask twice.
func TestARefundThatAPersonHasGoOnGoesOn(t *testing.T) {
	eachQuantity(t, func(w *world, q by) {
		w.retried(q, 2)
		w.one(q, "R2", 3) // what R1 was planned with is known now
	})
}

// What a person decided is about the tickets that were refunded then, and about no more.
func TestADecisionExplainsNoLaterRefunds(t *testing.T) {
	eachQuantity(t, func(w *world, q by) {
		w.retried(q, 1)
		run := q.refund(w, "R2", `"quantity":1`)
		q.shows(w, 3)
		w.Done(run(w.worker("w")))
		w.inReview("R2")
	})
}

// What the order's own refunds explain is no reason to ask a person.
func TestKnownRefundsHoldNoRefundUp(t *testing.T) {
	t.Run("those of the order", func(t *testing.T) {
		eachQuantity(t, func(w *world, q by) {
			for n, id := range []string{"R1", "R2", "R3"} {
				w.one(q, id, n)
			}
		})
	})
	t.Run("one in doubt", func(t *testing.T) {
		w := ecticket(handlertest.Mini(t))
		first := w.refundOf("R1", `"quantity":1`)
		w.provider.AnswerTickets(list(unused...), fakeprovider.Yes)
		w.provider.AnswerRefundTicket(fakeprovider.Lost) // and takes effect
		w.Waits(w.run(first))
		w.one(quantities[1], "R2", 1)
	})
	t.Run("one in review that may have been sent", func(t *testing.T) {
		w := crashed(t)
		w.Clock.Advance(settleAfter)
		w.one(quantities[0], "R2", 1)
	})
	t.Run("others' that a refund has found", func(t *testing.T) {
		w := ecticket(handlertest.Mini(t))
		w.found(1)
		w.one(quantities[1], "R1", 1)
	})
	t.Run("those whose plans have expired", func(t *testing.T) {
		for how, lose := range gone {
			if how == "erased" {
				continue // the test's order would be erased as well
			}
			w := ecticket(handlertest.Mini(t))
			w.one(quantities[1], "R1", 0)
			w.set(w.order(), "stub", `{"MerchantTradeNo":"ORDER1","IssueType":"1","Operator":"Shop1","TicketInfo":[{"TicketAmount":4}]}`)
			lose(w, w.ref("R1"))
			w.vouches() // the numbers have expired as well
			w.one(quantities[1], "R2", 1)
		}
	})
}

// Named tickets, and all that are left, are refunded once whatever is repeated: they ask nobody.
func TestRefundsThatRepeatNothingAskNobody(t *testing.T) {
	for _, wish := range []string{named(2), `"all":true`} {
		w := ecticket(handlertest.Mini(t))
		task := w.refundOf("R1", wish)
		w.provider.AnswerTickets(list(providers.Refunded, providers.Unused, providers.Redeemed, providers.Redeemed), fakeprovider.Yes)
		w.provider.AnswerRefundTicket(fakeprovider.Yes)
		w.Done(w.run(task))
		w.state(order.Refunded, "", 1)
	}
	w := pass2u(handlertest.Mini(t), "voucher")
	task := w.countOf("R1", `"all":true`)
	w.provider.AnswerBaseline(shows(4, 3), fakeprovider.Yes)
	w.provider.AnswerRefundCount(fakeprovider.Yes)
	w.Done(w.run(task))
	w.state(order.Refunded, "", 1)
}
