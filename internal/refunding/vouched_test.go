package refunding_test

import (
	"testing"
	"time"

	"issuance/internal/fakeprovider"
	"issuance/internal/handlertest"
	"issuance/providers"
	"issuance/tasks/order"
)

// unknownTickets is a world with an issued order of four tickets, whose numbers nobody has seen.
func unknownTickets(b *handlertest.Bench) *world {
	w := newWorld(b, handlertest.ECTicket)
	w.OrderIn(order.Issued, ecticketOrder)
	return w
}

// A list may show another order's ticket in place of one of ours. It is never refunded: the ticket's own status names its order.
func TestATicketThatIsChosenFromAListIsAskedForFirst(t *testing.T) {
	handlertest.Each(t, func(b *handlertest.Bench) {
		w := unknownTickets(b)
		task := w.refundOf("R1", `"quantity":2`)
		others := w.status(providers.Unused, "")
		others.OrderID = "OTHER"
		w.provider.AnswerTickets(list(unused...), fakeprovider.Yes)
		w.vouches()
		w.provider.AnswerRefundTicket(fakeprovider.Yes)
		w.provider.AnswerStatus(others, fakeprovider.Yes)
		w.Done(w.run(task))
		w.state(order.PartiallyRefunded, "not_of_this_order", 1)
		w.tickets("refunded", "rejected:not_of_this_order")
		w.calls(sequence("tickets, ticket_status T1, refund_ticket T1, ticket_status T2, tickets"))
	})
}

// What has been asked for is not asked for again, by the same worker.
func TestATicketIsVouchedForOnce(t *testing.T) {
	w := unknownTickets(handlertest.Mini(t))
	worker := w.worker("w")
	task := w.refundOf("R1", `"quantity":1`)
	w.provider.AnswerTickets(list(unused...), fakeprovider.Yes)
	w.vouches()
	w.provider.AnswerRefundTicket(providers.Outcome{Kind: providers.NotSent, Code: "refused"})
	w.Clock.Advance(w.Waits(w.Run(worker, task)))
	w.provider.AnswerRefundTicket(fakeprovider.Yes)
	w.Done(w.Run(worker, task))
	w.state(order.Refunded, "", 1)
	w.calls(sequence("tickets, ticket_status T1, refund_ticket T1, refund_ticket T1, tickets"))
}

// An old list shows tickets as unused that are not any more: no request is made for them.
func TestATicketThatAnOldListShowsAsUnusedIsNotRefunded(t *testing.T) {
	for use, end := range map[providers.UseStatus]string{providers.Refunded: "elsewhere:refunded_elsewhere", providers.Redeemed: "rejected:redeemed"} {
		w := unknownTickets(handlertest.Mini(t))
		task := w.refundOf("R1", `"quantity":1`)
		w.provider.AnswerTickets(list(unused...), fakeprovider.Yes)
		w.provider.AnswerStatus(w.status(use, merchant), fakeprovider.Yes)
		w.Done(w.run(task))
		w.tickets(end)
		w.calls(sequence("tickets, ticket_status T1"))
	}
}

// Known from an earlier look, or named by the document: no call more than before.
func TestAKnownTicketIsNotAskedForFirst(t *testing.T) {
	for _, w := range []*world{ecticket(handlertest.Mini(t)), unknownTickets(handlertest.Mini(t))} {
		wish := `"quantity":1`
		if w.Record(w.order()).Result == "" {
			wish = named(1)
		}
		task := w.refundOf("R1", wish)
		w.provider.AnswerTickets(list(unused...), fakeprovider.Yes)
		w.provider.AnswerRefundTicket(fakeprovider.Yes)
		w.Done(w.run(task))
		w.state(order.Refunded, "", 1)
		w.calls(sequence("tickets, refund_ticket T1, tickets"))
	}
}

// Whose a ticket is may not be answered for a while, and in the end never: nothing was sent.
func TestATicketThatNobodyVouchesForIsNotRefunded(t *testing.T) {
	for name, out := range map[string]providers.Outcome{"no answer": fakeprovider.Lost, "the provider does not know it": fakeprovider.Refused} {
		t.Run(name, func(t *testing.T) {
			w := unknownTickets(handlertest.Mini(t))
			task := w.refundOf("R1", `"quantity":1`)
			w.provider.AnswerTickets(list(unused...), fakeprovider.Yes)
			for range 4000 {
				w.provider.AnswerStatus(providers.TicketStatus{}, out)
				err := w.run(task)
				if err == nil {
					break
				}
				w.Clock.Advance(w.Waits(err))
			}
			w.state(order.Failed, "list_unclear", 0)
			if took := w.Clock.Now().Sub(handlertest.Start); took < 24*time.Hour || took > 25*time.Hour {
				t.Errorf("given up after %s", took)
			}
		})
	}
}
