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
	for _, wish := range []string{`"quantity":2`, `"all":true`} {
		handlertest.Each(t, func(b *handlertest.Bench) {
			w := unknownTickets(b)
			task := w.refundOf("R1", wish)
			others := w.status(providers.Unused, "")
			others.OrderID = "OTHER"
			w.provider.AnswerTickets(list(unused...), fakeprovider.Yes)
			w.vouches()
			w.provider.AnswerStatus(others, fakeprovider.Yes)
			w.Clock.Advance(w.Waits(w.run(task)))
			w.state(order.Queued, "list_unclear", 0)
			w.calls(sequence("tickets, ticket_status T1, ticket_status T2"))
		})
	}
}

// What has been asked for is not asked for again, by the same worker.
func TestATicketIsVouchedForOnce(t *testing.T) {
	w := unknownTickets(handlertest.Mini(t))
	worker := w.worker("w")
	task := w.refundOf("R1", `"quantity":2`)
	w.provider.AnswerTickets(list(unused...), fakeprovider.Yes)
	w.vouches()
	w.provider.AnswerStatus(providers.TicketStatus{}, fakeprovider.Lost)
	w.Clock.Advance(w.Waits(w.Run(worker, task)))
	w.state(order.Queued, fakeprovider.Lost.Code, 0)
	w.provider.Forget()
	w.vouches()
	w.provider.AnswerRefundTicket(fakeprovider.Yes)
	w.provider.AnswerRefundTicket(fakeprovider.Yes)
	w.provider.AnswerTickets(list(providers.Refunded, providers.Refunded, providers.Unused, providers.Unused), fakeprovider.Yes)
	w.Done(w.Run(worker, task))
	w.state(order.Refunded, "", 2)
}

// An old list shows a ticket as unused that was refunded since: another one is chosen, from a later list.
func TestATicketThatAnOldListShowsAsUnusedIsNotChosen(t *testing.T) {
	w := unknownTickets(handlertest.Mini(t))
	task := w.refundOf("R1", `"quantity":1`)
	w.provider.AnswerTickets(list(unused...), fakeprovider.Yes)
	w.provider.AnswerStatus(w.status(providers.Refunded, merchant), fakeprovider.Yes)
	w.Clock.Advance(w.Waits(w.run(task)))
	w.state(order.Queued, "list_lags", 0)
	w.provider.AnswerTickets(list(providers.Unused, providers.Redeemed, providers.Unused, providers.Unused), fakeprovider.Yes)
	w.vouches()
	w.provider.AnswerRefundTicket(fakeprovider.Yes)
	w.Done(w.run(task))
	w.state(order.Refunded, "", 1)
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

// A provider that never shows a list that its tickets agree with: nothing was sent, and that is the end of it.
func TestAListThatItsTicketsNeverAgreeWithEndsTheRefund(t *testing.T) {
	w := unknownTickets(handlertest.Mini(t))
	task := w.refundOf("R1", `"quantity":1`)
	others := w.status(providers.Unused, "")
	others.OrderID = "OTHER"
	for range 400 {
		w.provider.AnswerTickets(list(unused...), fakeprovider.Yes)
		w.provider.AnswerStatus(others, fakeprovider.Yes)
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
}
