package refunding_test

import (
	"strings"
	"testing"

	"github.com/hibiken/asynq"

	"issuance/internal/fakeprovider"
	"issuance/internal/handlertest"
	"issuance/providers"
	"issuance/tasks/order"
)

// until runs a task with one worker until it ends, at most so many times.
func (w *world) until(h asynq.Handler, task *asynq.Task, runs int, before func()) {
	w.T.Helper()
	for range runs {
		before()
		err := w.Run(h, task)
		if err == nil {
			return
		}
		w.Clock.Advance(w.Waits(err))
	}
	w.T.Errorf("it has not ended after %d runs", runs)
}

// The account is not allowed to ask for single tickets: the order's list shows what became of them.
func TestRefundsEndWhereTicketsCannotBeAskedFor(t *testing.T) {
	for name, refused := range map[string]providers.Outcome{"a rejection": fakeprovider.Refused,
		"an error of the server": {Kind: providers.Unknown, Code: "http_500", Message: "it failed"}} {
		t.Run(name, func(t *testing.T) {
			w := ecticket(handlertest.Mini(t))
			w.provider.ShowRefunds(list(unused...)...)
			h := w.worker("w")
			task := w.refundOf("R1", named(1))
			// It is rejected, and the ticket stays unused.
			w.provider.AnswerRefundTicket(fakeprovider.Refused)
			asked := 0
			w.until(h, task, 20, func() {
				if asked < 2 {
					w.provider.AnswerStatus(providers.TicketStatus{}, refused)
					asked++
				}
			})
			w.state(order.Failed, fakeprovider.Refused.Code, 0)
			if n := strings.Count(w.provider.Sequence(), "ticket_status"); n != 2 {
				t.Errorf("the calls were %s", w.provider.Sequence())
			}
			// Another refund makes no such call at all.
			w.provider.Forget()
			w.provider.AnswerRefundTicket(fakeprovider.Lost)
			w.provider.AnswerRefundTicket(fakeprovider.Yes)
			w.until(h, w.refundOf("R2", named(2)), 20, func() {}) // it is sent again when the first request would show
			w.stateOf("R2", order.Refunded, "", 1)
			if s := w.provider.Sequence(); strings.Contains(s, "ticket_status") {
				t.Errorf("the calls were %s", s)
			}
		})
	}
}

// A list that does not show the ticket says nothing of it, and the question is put as before.
func TestAListWithoutTheTicketSaysNothingOfIt(t *testing.T) {
	w := ecticket(handlertest.Mini(t))
	w.provider.ShowRefunds(list(unused...)...)
	h := w.worker("w")
	task := w.refundOf("R1", named(1))
	w.provider.AnswerRefundTicket(fakeprovider.Lost)
	w.Clock.Advance(w.Waits(w.Run(h, task)))
	for range 2 {
		w.provider.AnswerStatus(providers.TicketStatus{}, fakeprovider.Refused)
		w.provider.ShowRefunds(list(unused...)[1:]...)
		w.Clock.Advance(w.Waits(w.Run(h, task)))
	}
	w.provider.AnswerStatus(w.status(providers.Refunded, merchant), fakeprovider.Yes)
	w.Done(w.Run(h, task))
	w.state(order.Refunded, "", 1)
}
