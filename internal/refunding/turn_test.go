package refunding_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"issuance/internal/fakeprovider"
	"issuance/internal/handlertest"
	"issuance/internal/ledger"
	"issuance/providers"
	"issuance/tasks/order"
)

// Refunds of an order wait for each other only until their tickets are chosen. One that is in doubt holds up
// nothing that its plan does not touch.
func TestASecondRefundOfAnOrderWaitsUntilTheFirstHasChosenAndPicksOtherTickets(t *testing.T) {
	handlertest.Each(t, func(b *handlertest.Bench) {
		w := ecticket(b)
		first, second := w.refundOf("R1", `"quantity":2`), w.refundOf("R2", `"quantity":2`)
		w.provider.AnswerTickets(list(unused...), fakeprovider.Yes, func(context.Context) {
			if after := w.Waits(w.run(second)); after != time.Second {
				w.T.Errorf("waits %s for its turn", after)
			}
		})
		w.provider.AnswerTickets(list(unused...), fakeprovider.Yes) // the list does not show the first one's
		w.provider.AnswerRefundTicket(fakeprovider.Lost, func(context.Context) { w.Done(w.run(second)) })
		for range 3 {
			w.provider.AnswerRefundTicket(fakeprovider.Yes)
		}
		w.Waits(w.run(first))
		w.calls(sequence("tickets, refund_ticket T1, tickets, refund_ticket T3, refund_ticket T4, tickets, refund_ticket T2, tickets"))
		w.stateOf("R2", order.Refunded, "", 2)
		w.tickets("doubt:timeout", "refunded")

		w.provider.AnswerStatus(w.status(providers.Refunded, merchant), fakeprovider.Yes)
		w.provider.AnswerTickets(list(providers.Refunded, providers.Refunded, providers.Refunded, providers.Refunded), fakeprovider.Yes)
		w.Done(w.run(first))
		w.state(order.Refunded, "", 2)
	})
}

// A refund that cannot do without the tickets of one under way waits for its end: they may become free again.
func TestARefundThatNeedsAnotherOnesTicketsWaitsForItsEnd(t *testing.T) {
	for _, wish := range []string{named(1, 3), `"quantity":4`, `"all":true`} {
		w := ecticket(handlertest.Mini(t))
		first, second := w.refundOf("R1", named(1)), w.refundOf("R2", wish)
		w.provider.AnswerTickets(list(unused...), fakeprovider.Yes)
		w.provider.AnswerRefundTicket(fakeprovider.Refused)
		w.provider.AnswerStatus(w.status(providers.Unused, ""), fakeprovider.Yes)
		w.Waits(w.run(first))
		w.provider.AnswerTickets(list(unused...), fakeprovider.Yes)
		w.Waits(w.run(second))
		w.stateOf("R2", order.Queued, "other_refund_in_doubt", 0)
		w.free()

		w.Clock.Advance(30 * time.Second)
		w.provider.AnswerStatus(w.status(providers.Unused, ""), fakeprovider.Yes)
		w.Done(w.run(first))
		w.state(order.Failed, "10200099", 0) // the ticket is free again
		w.provider.AnswerTickets(list(unused...), fakeprovider.Yes)
		n := 4
		if wish == named(1, 3) {
			n = 2
		}
		for range n {
			w.provider.AnswerRefundTicket(fakeprovider.Yes)
		}
		w.Done(w.run(second))
		w.stateOf("R2", order.Refunded, "", n)
	}
}

func TestATicketThatAnotherRefundHasRefundedIsDistinguished(t *testing.T) {
	w := ecticket(handlertest.Mini(t))
	w.provider.AnswerTickets(list(unused...), fakeprovider.Yes)
	w.provider.AnswerRefundTicket(fakeprovider.Yes)
	w.Done(w.run(w.refundOf("R2", named(1))))
	task := w.refundOf("R1", named(1, 2, 3))
	w.provider.AnswerTickets(list(providers.Refunded, providers.Refunded, providers.Unused), fakeprovider.Yes)
	w.provider.AnswerRefundTicket(fakeprovider.Yes)
	w.Done(w.run(task))
	w.state(order.PartiallyRefunded, "refunded_by_R2", 1)
	w.tickets("elsewhere:refunded_by_R2", "elsewhere:refunded_elsewhere", "refunded")
}

// The list can show a ticket refunded before the refund that did it has seen that: whose it was is not guessed.
func TestATicketThatAnotherRefundMayJustHaveRefundedIsWaitedFor(t *testing.T) {
	w := ecticket(handlertest.Mini(t))
	first, second := w.refundOf("R1", named(1)), w.refundOf("R2", named(1, 3))
	w.provider.AnswerTickets(list(unused...), fakeprovider.Yes)
	w.provider.AnswerRefundTicket(fakeprovider.Lost)
	w.Waits(w.run(first))
	w.Clock.Advance(time.Minute)
	w.provider.AnswerTickets(list(providers.Refunded, providers.Unused, providers.Unused), fakeprovider.Yes)
	w.Waits(w.run(second))
	w.stateOf("R2", order.Queued, "other_refund_in_doubt", 0)

	w.provider.AnswerStatus(w.status(providers.Refunded, merchant), fakeprovider.Yes)
	w.Done(w.run(first))
	w.stateOf("R1", order.Refunded, "", 1)
	w.provider.AnswerTickets(list(providers.Refunded, providers.Unused, providers.Unused), fakeprovider.Yes)
	w.provider.AnswerRefundTicket(fakeprovider.Yes)
	w.provider.AnswerTickets(list(providers.Refunded, providers.Unused, providers.Refunded), fakeprovider.Yes)
	w.Done(w.run(second))
	w.stateOf("R2", order.PartiallyRefunded, "refunded_by_R1", 1)
}

// Of a refund in review nobody knows yet whether the ticket that is refunded was refunded by it.
func TestATicketThatARefundInReviewMayHaveRefundedIsNotSaidToBeAnybodyElses(t *testing.T) {
	w := reviewed(t)
	task := w.refundOf("R1", named(1, 3))
	w.provider.AnswerTickets(list(providers.Refunded, providers.Unused, providers.Unused), fakeprovider.Yes)
	w.provider.AnswerRefundTicket(fakeprovider.Yes)
	w.Done(w.run(task))
	w.state(order.PartiallyRefunded, "in_doubt_of_R2", 1)
	w.tickets("elsewhere:in_doubt_of_R2", "refunded")
}

// reviewed is a refund R2 of tickets 1 and 2 in review, ticket 1 being in doubt
// and ticket 2 never sent.
func reviewed(t *testing.T) *world {
	t.Helper()
	w := ecticket(handlertest.Mini(t))
	task := w.refundOf("R2", named(1, 2))
	w.provider.AnswerTickets(list(unused...), fakeprovider.Yes)
	w.provider.AnswerRefundTicket(providers.Outcome{}, handlertest.Dies)
	for range 6 {
		w.provider.AnswerStatus(providers.TicketStatus{}, fakeprovider.Yes, handlertest.Dies)
	}
	for range 7 {
		if err := w.run(task); !errors.Is(err, handlertest.ErrDied) {
			t.Fatal(err)
		}
		w.Clock.Advance(lease)
	}
	w.Done(w.run(task))
	w.stateOf("R2", order.Review, "crashes_worker", 0)
	w.provider.Forget()
	return w
}

func TestTicketsOfARefundInReviewAreLeftAlone(t *testing.T) {
	w := reviewed(t)
	task := w.refundOf("R1", named(1, 3))
	w.provider.AnswerTickets(list(unused...), fakeprovider.Yes)
	w.provider.AnswerRefundTicket(fakeprovider.Yes)
	w.Done(w.run(task))
	w.state(order.PartiallyRefunded, "in_doubt_of_R2", 1)
	w.tickets("rejected:in_doubt_of_R2", "refunded")

	all := w.refundOf("R3", `"all":true`)
	w.provider.AnswerTickets(list(providers.Unused, providers.Unused, providers.Refunded, providers.Unused), fakeprovider.Yes)
	w.provider.AnswerRefundTicket(fakeprovider.Yes)
	w.provider.Forget()
	w.Done(w.run(all))
	w.stateOf("R3", order.Refunded, "", 1)
	w.calls(sequence("tickets, refund_ticket T4, tickets"))
}

func TestOnceAReviewIsResolvedTheTicketsAreFree(t *testing.T) {
	for _, decision := range []order.State{order.Failed, order.PartiallyRefunded} {
		w := reviewed(t)
		if a, err := w.Ledger.Resolve(t.Context(), w.ref("R2"), ledger.Resolution{State: decision, Who: "op", Reason: "asked"}); err != nil || !a.Applied {
			t.Fatal(a, err)
		}
		task := w.refundOf("R1", named(1, 2))
		w.provider.AnswerTickets(list(unused...), fakeprovider.Yes)
		w.provider.AnswerRefundTicket(fakeprovider.Yes)
		w.provider.AnswerRefundTicket(fakeprovider.Yes)
		w.Done(w.run(task))
		w.state(order.Refunded, "", 2)
	}
}

func TestASecondRefundByNumberWaitsUntilTheFirstIsProven(t *testing.T) {
	handlertest.Each(t, func(b *handlertest.Bench) {
		w := pass2u(b, "voucher")
		first, second := w.countOf("R1", `"quantity":2`), w.countOf("R2", `"all":true`)
		w.provider.AnswerBaseline(shows(4, 0), fakeprovider.Yes, func(context.Context) { w.Waits(w.run(second)) })
		w.provider.AnswerRefundCount(fakeprovider.Lost, func(context.Context) { w.Waits(w.run(second)) })
		w.Waits(w.run(first))
		w.Waits(w.run(second))
		w.calls("baseline, refund_count 2")
		w.provider.AnswerBaseline(shows(4, 2), fakeprovider.Yes)
		w.Done(w.run(first))
		w.state(order.Refunded, "", 2)
		w.calls("baseline")

		w.provider.AnswerBaseline(shows(4, 2), fakeprovider.Yes)
		w.provider.AnswerRefundCount(fakeprovider.Yes)
		w.Done(w.run(second))
		w.stateOf("R2", order.Refunded, "", 2)
		w.calls("baseline, refund_count 2, baseline")
	})
}

// unshownAfter is an order of four tickets the provider does not show, of which R2 has refunded, or
// may have refunded, two.
func unshownAfter(t *testing.T, out providers.Outcome) *world {
	t.Helper()
	w := pass2u(handlertest.Mini(t), "order")
	task := w.countOf("R2", `"quantity":2`)
	w.provider.AnswerBaseline(unshown, fakeprovider.Yes)
	w.provider.AnswerRefundCount(out)
	if out.Kind == providers.Done {
		w.Done(w.run(task))
		w.stateOf("R2", order.Refunded, "", 2)
	} else {
		w.Waits(w.run(task))
		w.Clock.Advance(settleAfter)
		w.Done(w.run(task))
		w.stateOf("R2", order.Review, "unprovable", 0)
	}
	w.provider.Forget()
	return w
}

func TestTheRestOfWhatIsNotShownIsWhatOthersHaveLeft(t *testing.T) {
	w := unshownAfter(t, fakeprovider.Yes)
	task := w.countOf("R1", `"all":true`)
	w.lose(task, unshown)
	w.provider.AnswerRefundCount(fakeprovider.Yes)
	w.Done(w.run(task))
	w.state(order.Refunded, "", 2)
	w.calls("refund_count 2")
}

// With another refund of the order in doubt nobody knows what all of the rest is.
func TestTheRestOfWhatIsNotShownIsUnknownWhileAnotherRefundIsInDoubt(t *testing.T) {
	w := unshownAfter(t, fakeprovider.Lost)
	task := w.countOf("R1", `"all":true`)
	w.lose(task, unshown)
	w.Clock.Advance(settleAfter)
	w.Done(w.run(task))
	w.state(order.Review, "unprovable", 0)
	w.calls("")
}

func TestWhatAReviewFoundRefundedCounts(t *testing.T) {
	w := unshownAfter(t, fakeprovider.Lost)
	if a, err := w.Ledger.Resolve(t.Context(), w.ref("R2"), ledger.Resolution{State: order.Refunded, Who: "op", Reason: "asked"}); err != nil || !a.Applied {
		t.Fatal(a, err)
	}
	w.provider.AnswerBaseline(unshown, fakeprovider.Yes)
	w.provider.AnswerRefundCount(fakeprovider.Yes)
	w.Done(w.run(w.countOf("R1", `"all":true`)))
	w.state(order.Refunded, "", 2)
	if diff := cmp.Diff("baseline, refund_count 2", w.provider.Sequence()); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

// Refunds of one order that a worker has at the same time choose their tickets one right after the other.
func TestARefundFollowsAnotherOneOfItsWorkerAtOnce(t *testing.T) {
	eachQuantity(t, func(w *world, q by) {
		w.provider.ShowRefunds(list(unused...)...)
		h := w.worker("w")
		first, second := q.refund(w, "R1", `"quantity":1`), q.refund(w, "R2", `"quantity":1`)
		ended := make(chan error, 1)
		q.shows(w, 0, func(context.Context) { // while the first one chooses
			asked := make(chan struct{}, 100)
			w.RDB.AddHook(handlertest.Commands{Done: asked})
			go func() { ended <- second(h) }()
			<-asked // for its turn
		})
		q.confirm(w)
		q.confirm(w)
		if q.name == "pass2u" { // what the provider shows is asked for before and after the second one, too
			q.shows(w, 1)
			q.shows(w, 1)
		}
		w.Done(first(h))
		w.Done(<-ended)
		for _, id := range []string{"R1", "R2"} {
			w.stateOf(id, order.Refunded, "", 1)
		}
	})
}
