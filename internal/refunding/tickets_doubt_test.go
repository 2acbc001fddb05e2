package refunding_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/hibiken/asynq"

	"issuance/internal/fakeprovider"
	"issuance/internal/handlertest"
	"issuance/providers"
	"issuance/tasks/order"
)

// inDoubt is a refund of tickets 1 and 2 whose first request got no clear answer, and whose second
// one is done.
func inDoubt(b *handlertest.Bench) (*world, *asynq.Task) {
	b.T.Helper()
	w := ecticket(b)
	task := w.refundOf("R1", named(1, 2))
	w.provider.AnswerTickets(list(unused...), fakeprovider.Yes)
	w.provider.AnswerRefundTicket(fakeprovider.Lost)
	w.provider.AnswerRefundTicket(fakeprovider.Yes)
	if after := w.Waits(w.run(task)); !soon(after) {
		b.T.Fatalf("the ticket is asked for after %s", after)
	}
	w.tickets("doubt:timeout", "refunded")
	w.calls(sequence("tickets, refund_ticket T1, refund_ticket T2, tickets"))
	return w, task
}

// soon reports whether a first doubt is looked at after a second.
func soon(after time.Duration) bool { return after == time.Second }

func TestATicketInDoubtIsAskedForBeforeAnythingIsSent(t *testing.T) {
	for _, c := range []struct {
		name   string
		status func(w *world) providers.TicketStatus
		ticket string
		state  order.State
		code   string
		n      int
	}{
		{"refunded by us", func(w *world) providers.TicketStatus { return w.status(providers.Refunded, merchant) },
			"refunded", order.Refunded, "", 2},
		{"refunded by somebody unnamed", func(w *world) providers.TicketStatus { return w.status(providers.Refunded, "") },
			"refunded", order.Refunded, "", 2},
		{"refunded in a name that may be ours", func(w *world) providers.TicketStatus { return w.status(providers.Refunded, "1111111") },
			"doubt:timeout", order.Review, "in_doubt", 1},
		{"refunded in the name of our platform", func(w *world) providers.TicketStatus {
			s := w.status(providers.Refunded, "3002599")
			s.ByPlatform = true
			return s
		}, "refunded", order.Refunded, "", 2},
		{"refunded long before we asked", func(w *world) providers.TicketStatus {
			s := w.status(providers.Refunded, merchant)
			s.RefundedAt = "20260504 09:49" // our request left at 10:00, and clocks that were not compared differ by up to 10 minutes
			return s
		}, "elsewhere:refunded_elsewhere", order.PartiallyRefunded, "refunded_elsewhere", 1},
		{"refunded just now by a clock that is slow", func(w *world) providers.TicketStatus {
			s := w.status(providers.Refunded, merchant)
			s.RefundedAt = "20260504 09:50"
			return s
		}, "refunded", order.Refunded, "", 2},
		{"redeemed", func(w *world) providers.TicketStatus { return w.status(providers.Redeemed, "") },
			"rejected:redeemed", order.PartiallyRefunded, "redeemed", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, task := inDoubt(handlertest.Mini(t))
			w.Clock.Advance(30 * time.Second)
			status := c.status(w)
			w.provider.AnswerStatus(status, fakeprovider.Yes)
			// The other ticket is refunded, so that a list has to say which one is; and one has to agree that this one is not.
			w.provider.AnswerTickets(list(status.UseStatus, providers.Refunded), fakeprovider.Yes)
			w.Done(w.run(task))
			w.state(c.state, c.code, c.n)
			w.tickets(c.ticket, "refunded")
			w.calls(sequence("ticket_status T1, tickets"))
			w.quiet(task)
		})
	}
}

// The provider may refund a ticket twice, and show a refund late: until it would show the first request's, none is sent again.
func TestAnUnusedTicketInDoubtIsSentAgainWhenItsRefundWouldShow(t *testing.T) {
	handlertest.Each(t, func(b *handlertest.Bench) {
		w, task := inDoubt(b)
		for w.Clock.Now().Before(handlertest.Start.Add(30 * time.Second)) {
			w.provider.AnswerStatus(w.status(providers.Unused, ""), fakeprovider.Yes)
			after := w.Waits(w.run(task))
			if after > 15*time.Second {
				w.T.Fatalf("it is looked at again after %s", after)
			}
			w.calls(sequence("ticket_status T1"))
			w.Clock.Advance(after)
		}
		w.provider.AnswerStatus(w.status(providers.Unused, ""), fakeprovider.Yes)
		w.provider.AnswerRefundTicket(fakeprovider.Yes)
		w.Done(w.run(task))
		w.state(order.Refunded, "", 2)
		w.calls(sequence("ticket_status T1, tickets, refund_ticket T1, tickets")) // the first list agrees that it is unused
	})
}

func TestARejectionAfterADoubtIsOverruledByTheTicketBeingRefundedByUs(t *testing.T) {
	w, task := inDoubt(handlertest.Mini(t))
	w.Clock.Advance(settleAfter)
	w.provider.AnswerStatus(w.status(providers.Unused, ""), fakeprovider.Yes)
	w.provider.AnswerTickets(list(providers.Unused, providers.Refunded), fakeprovider.Yes)
	w.provider.AnswerRefundTicket(fakeprovider.Refused) // the first request arrived after all
	w.provider.AnswerStatus(w.status(providers.Refunded, merchant), fakeprovider.Yes)
	w.provider.AnswerTickets(list(providers.Refunded, providers.Refunded), fakeprovider.Yes)
	w.Done(w.run(task))
	w.state(order.Refunded, "", 2)
	w.calls(sequence("ticket_status T1, tickets, refund_ticket T1, ticket_status T1, tickets"))
}

func TestAResendThatNeverLeftKeepsTheDoubt(t *testing.T) {
	w, task := inDoubt(handlertest.Mini(t))
	w.Clock.Advance(settleAfter)
	w.provider.AnswerStatus(w.status(providers.Unused, ""), fakeprovider.Yes)
	w.provider.AnswerRefundTicket(fakeprovider.Unreached)
	w.Waits(w.run(task))
	w.tickets("doubt:connect", "refunded")
	w.provider.AnswerStatus(w.status(providers.Refunded, merchant), fakeprovider.Yes)
	w.Done(w.run(task))
	w.state(order.Refunded, "", 2)
}

func TestATicketWhoseDoubtLastsNeedsReview(t *testing.T) {
	w, task := inDoubt(handlertest.Mini(t))
	w.provider.AnswerStatus(providers.TicketStatus{}, fakeprovider.Lost)
	w.Waits(w.run(task))
	w.Clock.Advance(24*time.Hour + time.Second)
	w.provider.AnswerStatus(providers.TicketStatus{}, fakeprovider.Lost)
	w.Done(w.run(task))
	w.state(order.Review, "in_doubt", 1)
	w.quiet(task)

	// A person has it looked at again.
	if a, err := w.Ledger.Reopen(context.Background(), w.ref("R1"), "op", "the provider is back"); err != nil || !a.Applied {
		t.Fatalf("reopen: %+v, %v", a, err)
	}
	w.provider.AnswerStatus(w.status(providers.Refunded, merchant), fakeprovider.Yes)
	rec := w.Record(w.ref("R1"))
	if rec.Tickets[0].SentAt != handlertest.Start {
		t.Errorf("the first request left at %s", rec.Tickets[0].SentAt)
	}
	w.Done(w.run(task))
	w.state(order.Refunded, "", 2)
}

// A status that no document knows may mean that the refund is under way: it is no end of a doubt.
func TestAnUnknownStatusEndsNoDoubt(t *testing.T) {
	w, task := inDoubt(handlertest.Mini(t))
	w.provider.AnswerStatus(w.status("5", ""), fakeprovider.Yes)
	if after := w.Waits(w.run(task)); !soon(after) {
		t.Errorf("waits %s", after)
	}
	w.tickets("doubt:timeout", "refunded")

	// Nor does a rejection with such a status, of a request that followed the one in doubt.
	w.Clock.Advance(settleAfter)
	w.provider.AnswerStatus(w.status(providers.Unused, ""), fakeprovider.Yes)
	w.provider.AnswerRefundTicket(fakeprovider.Refused)
	w.provider.AnswerStatus(w.status("5", ""), fakeprovider.Yes)
	w.Waits(w.run(task))
	w.tickets("doubt:"+fakeprovider.Refused.Code, "refunded")
	w.calls(sequence("ticket_status T1, ticket_status T1, tickets, refund_ticket T1, ticket_status T1"))

	w.Clock.Advance(24 * time.Hour)
	w.provider.AnswerStatus(w.status("5", ""), fakeprovider.Yes)
	w.Done(w.run(task))
	w.state(order.Review, "in_doubt", 1)
	w.quiet(task)
}

func TestARefundIsTakenUpInTheMiddle(t *testing.T) {
	handlertest.Each(t, func(b *handlertest.Bench) {
		w := ecticket(b)
		task := w.refundOf("R1", named(1, 2, 3))
		w.provider.AnswerTickets(list(unused...), fakeprovider.Yes)
		w.provider.AnswerRefundTicket(fakeprovider.Yes)
		w.provider.AnswerRefundTicket(providers.Outcome{}, handlertest.Dies)
		if err := w.run(task); !errors.Is(err, handlertest.ErrDied) {
			w.T.Fatal(err)
		}
		w.tickets("doubt:unconfirmed", "sending", "planned")
		if after := w.Waits(w.run(task)); after != lease {
			w.T.Errorf("waits %s", after)
		}
		w.calls(sequence("tickets, refund_ticket T1, refund_ticket T2"))

		w.Clock.Advance(lease)
		w.provider.AnswerStatus(w.status(providers.Refunded, merchant), fakeprovider.Yes)
		w.provider.AnswerStatus(w.status(providers.Unused, ""), fakeprovider.Yes, func(context.Context) {
			w.tickets("refunded", "doubt:abandoned", "planned")
			// The dead worker's request may have left until its claim ran out.
			if at := w.Record(w.ref("R1")).Tickets[1].DoubtAt; at != handlertest.Start.Add(lease) {
				w.T.Errorf("in doubt since %s", at)
			}
		})
		w.provider.AnswerRefundTicket(fakeprovider.Yes)
		w.Waits(w.run(task))
		w.tickets("refunded", "doubt:abandoned", "refunded")
		w.calls(sequence("ticket_status T1, ticket_status T2, refund_ticket T3, tickets"))

		w.Clock.Advance(30 * time.Second) // a request of the dead worker's would show by now
		w.provider.AnswerStatus(w.status(providers.Unused, ""), fakeprovider.Yes)
		w.provider.AnswerRefundTicket(fakeprovider.Yes)
		w.Done(w.run(task))
		w.state(order.Refunded, "", 3)
		w.calls(sequence("ticket_status T2, tickets, refund_ticket T2, tickets"))
	})
}

func TestAWorkerThatDiedBetweenTwoTicketsLeavesNoDoubt(t *testing.T) {
	handlertest.Each(t, func(b *handlertest.Bench) {
		w := ecticket(b)
		task := w.refundOf("R1", named(1, 2, 3))
		w.provider.AnswerTickets(list(unused...), fakeprovider.Yes)
		w.provider.AnswerRefundTicket(fakeprovider.Yes)
		c := w.config("w1")
		passes := 0
		c.Gate = providers.Prepayable(gateFunc(func(ctx context.Context) {
			if passes++; passes == 2 {
				handlertest.Dies(ctx)
			}
		}))
		if err := w.runWith(c, task); !errors.Is(err, handlertest.ErrDied) {
			w.T.Fatal(err)
		}
		w.Clock.Advance(lease)
		w.provider.AnswerStatus(w.status(providers.Refunded, merchant), fakeprovider.Yes) // it was not confirmed yet
		w.provider.AnswerRefundTicket(fakeprovider.Yes)
		w.provider.AnswerRefundTicket(fakeprovider.Yes)
		w.Done(w.run(task))
		w.state(order.Refunded, "", 3)
		w.calls(sequence("tickets, refund_ticket T1, ticket_status T1, refund_ticket T2, refund_ticket T3, tickets"))
	})
}

// After a weekend without workers everybody asks at once, and the call budget holds most of them.
func TestAHeldQuestionGivesNoTicketUp(t *testing.T) {
	w, task := inDoubt(handlertest.Mini(t))
	w.Clock.Advance(72 * time.Hour)
	for _, out := range []providers.Outcome{{Kind: providers.Held, Code: "held", RetryAfter: time.Second}, fakeprovider.Unreached} {
		w.provider.AnswerStatus(providers.TicketStatus{}, out)
		w.Waits(w.run(task))
	}
	w.provider.AnswerStatus(w.status(providers.Unused, ""), fakeprovider.Yes) // nor does the doubt's age
	w.provider.AnswerRefundTicket(fakeprovider.Yes)
	w.Done(w.run(task))
	w.state(order.Refunded, "", 2)
}

func TestAnAnswerAboutAnotherOrdersTicketProvesNothing(t *testing.T) {
	w, task := inDoubt(handlertest.Mini(t))
	otherOrders := func(s providers.UseStatus) {
		st := w.status(s, merchant)
		st.OrderID = "ORDER2"
		w.provider.AnswerStatus(st, fakeprovider.Yes)
	}
	otherOrders(providers.Refunded)
	w.Waits(w.run(task))
	w.tickets("doubt:timeout", "refunded")
	w.Clock.Advance(settleAfter)
	w.provider.AnswerStatus(w.status(providers.Unused, ""), fakeprovider.Yes)
	w.provider.AnswerRefundTicket(fakeprovider.Refused)
	otherOrders(providers.Refunded)
	w.Waits(w.run(task))
	w.tickets("doubt:"+fakeprovider.Refused.Code, "refunded")
	w.calls(sequence("ticket_status T1, ticket_status T1, tickets, refund_ticket T1, ticket_status T1"))
}

func TestATicketWhoseAnswersAreAllLostNeedsReviewAndGetsTheSameTimeAgain(t *testing.T) {
	w, task := inDoubt(handlertest.Mini(t))
	lose := func() time.Duration {
		w.Clock.Advance(settleAfter)
		w.provider.AnswerStatus(w.status(providers.Unused, ""), fakeprovider.Yes)
		w.provider.AnswerRefundTicket(fakeprovider.Lost)
		return w.Waits(w.run(task))
	}
	if first, second, third := lose(), lose(), lose(); second <= first || third <= second || third < 3*time.Second {
		t.Errorf("it waits %s, %s and %s", first, second, third)
	}
	w.Clock.Advance(24 * time.Hour)
	w.provider.AnswerStatus(w.status(providers.Unused, ""), fakeprovider.Yes)
	w.Done(w.run(task))
	w.state(order.Review, "in_doubt", 1)
	w.reopen("R1")
	lose()
	w.tickets("doubt:timeout", "refunded")
}

func TestATicketThatIsRejectedAndNeverShownNeedsReview(t *testing.T) {
	w := ecticket(handlertest.Mini(t))
	task := w.refundOf("R1", named(1))
	w.provider.AnswerTickets(list(unused...), fakeprovider.Yes)
	w.provider.AnswerRefundTicket(fakeprovider.Refused)
	for range 2 {
		w.provider.AnswerStatus(providers.TicketStatus{}, fakeprovider.Lost)
		w.Waits(w.run(task))
		w.Clock.Advance(12*time.Hour + time.Second)
	}
	w.provider.AnswerStatus(providers.TicketStatus{}, fakeprovider.Lost)
	w.Done(w.run(task))
	w.state(order.Review, "in_doubt", 0)
	w.calls(sequence("tickets, refund_ticket T1, ticket_status T1, ticket_status T1, ticket_status T1"))
}

// A call that the end of the task's time cuts off would be a doubt, and a retry used up.
func TestALongRefundStopsBetweenTicketsBeforeItsTimeIsUp(t *testing.T) {
	w := ecticket(handlertest.Mini(t))
	task := w.refundOf("R1", named(1, 2))
	w.provider.AnswerTickets(list(unused...), fakeprovider.Yes)
	for range 2 { // every run gets on by one ticket at least
		w.provider.AnswerRefundTicket(fakeprovider.Yes)
		ctx, cancel := context.WithTimeout(context.Background(), 24*time.Second)
		err := w.RunContext(ctx, w.worker("w"), task)
		cancel()
		if w.Record(w.ref("R1")).State.Final() {
			w.Done(err)
		} else if after := w.Waits(err); after != time.Second {
			t.Errorf("waits %s", after)
		}
	}
	w.state(order.Refunded, "", 2)
	w.calls(sequence("tickets, refund_ticket T1, tickets, refund_ticket T2, tickets"))
}
