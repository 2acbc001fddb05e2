package refunding_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"issuance/internal/fakeprovider"
	"issuance/internal/handlertest"
	"issuance/internal/vault"
	"issuance/providers"
	"issuance/tasks/order"
)

// sequence writes calls with T1 for ticket 1.
func sequence(short string) string {
	for n := range 10 {
		short = strings.ReplaceAll(short, "T"+string(rune('0'+n)), no(n))
	}
	return short
}

// found has refund R0 find that a ticket was refunded by somebody else.
func (w *world) found(n int) {
	w.T.Helper()
	all := slices.Clone(unused)
	all[n-1] = providers.Refunded
	w.provider.AnswerTickets(list(all...), fakeprovider.Yes)
	w.Done(w.run(w.refundOf("R0", named(n))))
	w.stateOf("R0", order.Failed, "refunded_elsewhere", 0)
	w.provider.Forget()
}

func TestTicketsAreRefundedAsWished(t *testing.T) {
	redeemedFirst := []providers.UseStatus{providers.Redeemed, providers.Unused, providers.Unused, providers.Refunded, providers.Unused}
	for _, c := range []struct {
		name, wish string
		list       []providers.UseStatus
		calls      string
		state      order.State
		code       string
		refunded   int
		tickets    []string
	}{
		{"by numbers, in the document's order", named(3, 1), unused, "refund_ticket T3, refund_ticket T1", order.Refunded, "", 2, []string{"refunded", "refunded"}},
		{"by quantity", `"quantity":2`, unused, "refund_ticket T1, refund_ticket T2", order.Refunded, "", 2, []string{"refunded", "refunded"}},
		{"by quantity, of those that can be", `"quantity":2`, redeemedFirst, "refund_ticket T2, refund_ticket T3", order.Refunded, "", 2, []string{"refunded", "refunded"}},
		{"all", `"all":true`, unused, "refund_ticket T1, refund_ticket T2, refund_ticket T3, refund_ticket T4", order.Refunded, "", 4, []string{"refunded", "refunded", "refunded", "refunded"}},
		{"all that can be", `"all":true`, redeemedFirst, "refund_ticket T2, refund_ticket T3, refund_ticket T5", order.Refunded, "", 3, []string{"refunded", "refunded", "refunded"}},
		{"more than can be", `"quantity":4`, redeemedFirst, "", order.Failed, "not_enough_refundable", 0, nil},
		{"all of nothing", `"all":true`, []providers.UseStatus{providers.Redeemed, providers.Refunded, providers.Invalid, providers.Redeemed}, "", order.Failed, "nothing_refundable", 0, nil},
		{"a number of nothing", `"quantity":1`, []providers.UseStatus{providers.Invalid, providers.Invalid, providers.Invalid, providers.Invalid}, "", order.Failed, "nothing_refundable", 0, nil},
		{"one that was redeemed, among others", named(1, 2), redeemedFirst, "refund_ticket T2", order.PartiallyRefunded, "redeemed", 1, []string{"rejected:redeemed", "refunded"}},
		{"one that was refunded before", named(4), redeemedFirst, "", order.Failed, "refunded_elsewhere", 0, []string{"elsewhere:refunded_elsewhere"}},
		{"one of another order", named(9, 2), redeemedFirst, "refund_ticket T2", order.PartiallyRefunded, "not_of_this_order", 1, []string{"rejected:not_of_this_order", "refunded"}},
		{"a gift voucher that has expired", named(1), []providers.UseStatus{providers.Invalid}, "", order.Failed, "invalid", 0, []string{"rejected:invalid"}},
		{"one whose status nobody knows", named(1), []providers.UseStatus{"5 of ming@example.com"}, "", order.Failed, "use_status_unknown", 0, []string{"rejected:use_status_unknown"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := ecticket(handlertest.Mini(t))
			if len(c.list) > 4 {
				w = sold(t, len(c.list))
			}
			if strings.Contains(c.name, "of those that can be") {
				w.found(4)
			}
			task := w.refundOf("R1", c.wish)
			w.provider.AnswerTickets(list(c.list...), fakeprovider.Yes)
			for range strings.Count(c.calls, "refund_ticket") {
				w.provider.AnswerRefundTicket(fakeprovider.Yes)
			}
			w.Done(w.run(task))
			w.state(c.state, c.code, c.refunded)
			w.tickets(c.tickets...)
			if c.calls != "" {
				c.calls = ", " + c.calls + ", tickets" // one list confirms all of them
			}
			w.calls("tickets" + sequence(c.calls))
			w.quiet(task)
		})
	}
}

func TestThePlanIsWrittenBeforeTheFirstCall(t *testing.T) {
	handlertest.Each(t, func(b *handlertest.Bench) {
		w := ecticket(b)
		task := w.refundOf("R1", `"quantity":3`)
		w.provider.AnswerTickets(list(unused...), fakeprovider.Yes)
		w.provider.AnswerRefundTicket(fakeprovider.Yes, func(context.Context) {
			rec := w.Record(w.ref("R1"))
			numbers, err := vault.OpenPlan(w.Ring, w.ref("R1"), rec.Plan)
			if diff := cmp.Diff([]string{no(1), no(2), no(3)}, numbers); diff != "" || err != nil || rec.Count != 3 || rec.State != order.Submitting {
				w.T.Errorf("the plan is %d tickets in state %s, %v (-want +got):\n%s", rec.Count, rec.State, err, diff)
			}
			w.tickets("sending", "planned", "planned")
		})
		w.provider.AnswerRefundTicket(fakeprovider.Yes, func(context.Context) { w.tickets("doubt:unconfirmed", "sending", "planned") })
		w.provider.AnswerRefundTicket(fakeprovider.Yes, func(context.Context) { w.tickets("doubt:unconfirmed", "doubt:unconfirmed", "sending") })
		w.Done(w.run(task))
		w.state(order.Refunded, "", 3)
	})
}

func TestTheProviderIsGivenWhoRefunds(t *testing.T) {
	for wish, want := range map[string]providers.TicketRefund{
		named(1): {TicketNo: no(1), Operator: "Shop1", StoreID: "TP1001"},
		named(1) + `,"Operator":"Clerk","StoreID":"KH2002"`: {TicketNo: no(1), Operator: "Clerk", StoreID: "KH2002"},
	} {
		w := ecticket(handlertest.Mini(t))
		task := w.refundOf("R1", wish)
		w.provider.AnswerTickets(list(unused...), fakeprovider.Yes)
		w.provider.AnswerRefundTicket(fakeprovider.Yes)
		w.Done(w.run(task))
		if diff := cmp.Diff(want, w.provider.Calls()[1].Ticket); diff != "" {
			t.Errorf("the refund (-want +got):\n%s", diff)
		}
	}
}

func TestARejectedTicketIsAskedFor(t *testing.T) {
	for _, c := range []struct {
		use    providers.UseStatus
		by     string
		ticket string
		state  order.State
		code   string
		n      int
		list   string
	}{
		{providers.Redeemed, "", "rejected:redeemed", order.PartiallyRefunded, "redeemed", 1, "tickets, "}, // which must not show it refunded
		// The request took effect, whatever its answer said (a balancer may have sent it twice).
		{providers.Refunded, merchant, "refunded", order.Refunded, "", 2, ""},
	} {
		w := ecticket(handlertest.Mini(t))
		task := w.refundOf("R1", named(1, 2))
		w.provider.AnswerTickets(list(unused...), fakeprovider.Yes)
		w.provider.AnswerRefundTicket(fakeprovider.Refused)
		w.provider.AnswerStatus(w.status(c.use, c.by), fakeprovider.Yes)
		w.provider.AnswerRefundTicket(fakeprovider.Yes)
		w.Done(w.run(task))
		w.state(c.state, c.code, c.n)
		w.tickets(c.ticket, "refunded")
		w.calls(sequence("tickets, refund_ticket T1, ticket_status T1, " + c.list + "refund_ticket T2, tickets"))
	}
}

// The provider may not show yet what the request has done, so the rejection stands only when the ticket is
// unused 30 s later, too.
func TestARejectionIsLookedAtTwice(t *testing.T) {
	handlertest.Each(t, func(b *handlertest.Bench) {
		w := ecticket(b)
		task := w.refundOf("R1", named(1))
		w.provider.AnswerTickets(list(unused...), fakeprovider.Yes)
		w.provider.AnswerRefundTicket(fakeprovider.Refused)
		w.provider.AnswerStatus(w.status(providers.Unused, ""), fakeprovider.Yes)
		w.Waits(w.run(task))
		w.state(order.Submitting, "list_lags", 0)
		w.Clock.Advance(30*time.Second - time.Millisecond)
		w.provider.AnswerStatus(w.status(providers.Unused, ""), fakeprovider.Yes)
		w.Waits(w.run(task))
		w.Clock.Advance(time.Millisecond)
		w.provider.AnswerStatus(w.status(providers.Unused, ""), fakeprovider.Yes)
		w.Done(w.run(task))
		w.state(order.Failed, "10200099", 0)
		w.tickets("rejected:10200099")
		w.quiet(task)
	})
}

func TestARejectedTicketThatCannotBeAskedForIsAskedForLater(t *testing.T) {
	w := ecticket(handlertest.Mini(t))
	task := w.refundOf("R1", named(1))
	w.provider.AnswerTickets(list(unused...), fakeprovider.Yes)
	w.provider.AnswerRefundTicket(fakeprovider.Refused)
	w.provider.AnswerStatus(providers.TicketStatus{}, fakeprovider.Lost)
	w.Waits(w.run(task))
	w.tickets("doubt:10200099")
	w.Clock.Advance(30 * time.Second)
	w.provider.AnswerStatus(w.status(providers.Unused, ""), fakeprovider.Yes)
	w.Done(w.run(task))
	w.state(order.Failed, "10200099", 0)
}

func TestWhatNeverLeftIsPlannedAsBefore(t *testing.T) {
	handlertest.Each(t, func(b *handlertest.Bench) {
		w := ecticket(b)
		task := w.refundOf("R1", named(1, 2))
		w.provider.AnswerTickets(list(unused...), fakeprovider.Yes)
		w.provider.AnswerRefundTicket(fakeprovider.Unreached)
		w.provider.AnswerRefundTicket(fakeprovider.Yes)
		w.Waits(w.run(task))
		w.tickets("planned:connect", "refunded")
		w.calls(sequence("tickets, refund_ticket T1, refund_ticket T2, tickets"))
		w.provider.AnswerRefundTicket(fakeprovider.Yes)
		w.Done(w.run(task))
		w.state(order.Refunded, "", 2)
		w.calls(sequence("refund_ticket T1, tickets"))
	})
}

func TestAHeldRefundStopsAtItsFirstTicket(t *testing.T) {
	for name, hold := range map[string]func(w *world){
		"by the call budget": func(w *world) {
			w.gate.Refuse(&providers.HeldError{RetryAfter: 30 * time.Minute, Reason: "banned"})
		},
		"by the provider": func(w *world) {
			w.provider.AnswerRefundTicket(providers.Outcome{Kind: providers.Held, Code: "credentials", Alarm: true, RetryAfter: 30 * time.Minute})
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := ecticket(handlertest.Mini(t))
			task := w.refundOf("R1", named(1, 2, 3))
			w.provider.AnswerTickets(list(unused...), fakeprovider.Yes)
			hold(w)
			if after := w.Waits(w.run(task)); after != 30*time.Minute {
				t.Errorf("waits %s", after)
			}
			for _, ticket := range w.Record(w.ref("R1")).Tickets {
				if ticket.State != order.TicketPlanned || !ticket.DoubtAt.IsZero() {
					t.Errorf("a held ticket is %s", ticket.State)
				}
			}
			w.gate.Refuse(nil)
			for range 3 {
				w.provider.AnswerRefundTicket(fakeprovider.Yes)
			}
			w.Done(w.run(task))
			w.state(order.Refunded, "", 3)
		})
	}
}

func TestAListThatDoesNotComeIsWaitedFor(t *testing.T) {
	w := ecticket(handlertest.Mini(t))
	task := w.refundOf("R1", `"all":true`)
	for _, out := range []providers.Outcome{fakeprovider.Lost, fakeprovider.Unreached, {Kind: providers.Held, RetryAfter: time.Hour}, fakeprovider.Refused} {
		w.provider.AnswerTickets(list(providers.Unused), out) // part of a list is no list
		w.Waits(w.run(task))
	}
	w.Clock.Advance(9 * time.Minute)
	w.provider.AnswerTickets(nil, fakeprovider.Refused)
	w.Waits(w.run(task))
	w.Clock.Advance(time.Minute + time.Millisecond)
	w.provider.AnswerTickets(nil, fakeprovider.Refused)
	w.Done(w.run(task))
	w.state(order.Failed, fakeprovider.Refused.Code, 0)
}

// A list that never comes ends the refund after a day, and holds up no other one of the order.
func TestAListThatNeverComesHoldsUpNobody(t *testing.T) {
	w := ecticket(handlertest.Mini(t))
	task, other := w.refundOf("R1", `"all":true`), w.refundOf("R2", named(1))
	began := w.Clock.Now()
	for w.Clock.Now().Sub(began) <= 24*time.Hour {
		w.provider.AnswerTickets(nil, fakeprovider.Lost)
		w.Clock.Advance(w.Waits(w.run(task)))
	}
	w.provider.AnswerTickets(list(unused...), fakeprovider.Yes)
	w.provider.AnswerRefundTicket(fakeprovider.Yes)
	w.Done(w.run(other))
	w.stateOf("R2", order.Refunded, "", 1)
	w.provider.AnswerTickets(nil, fakeprovider.Lost)
	w.Done(w.run(task))
	w.state(order.Failed, "list_unclear", 0)
}
