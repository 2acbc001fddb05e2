package refunding_test

import (
	"testing"
	"time"

	"github.com/hibiken/asynq"

	"issuance/internal/fakeprovider"
	"issuance/internal/handlertest"
	"issuance/providers"
	"issuance/tasks/order"
)

// unclearRefund is a refund of ticket 1 whose request got the answer 30 s ago.
func unclearRefund(t *testing.T, answer providers.Outcome) (*world, *asynq.Task) {
	t.Helper()
	w := ecticket(handlertest.Mini(t))
	task := w.refundOf("R1", named(1))
	w.provider.AnswerTickets(list(unused...), fakeprovider.Yes)
	w.provider.AnswerRefundTicket(answer)
	if answer.Kind == providers.Rejected {
		w.provider.AnswerStatus(w.status(providers.Unused, ""), fakeprovider.Yes)
	}
	w.Waits(w.run(task))
	w.provider.Forget()
	w.Clock.Advance(30 * time.Second)
	return w, task
}

// The ticket's own status is behind, for good, and the list of its order shows the refund: nothing is sent again.
func TestARefundThatOnlyTheListShowsIsDone(t *testing.T) {
	for name, use := range map[string]providers.UseStatus{"unused": providers.Unused, "redeemed": providers.Redeemed, "invalid": providers.Invalid} {
		for answer, out := range map[string]providers.Outcome{"lost": fakeprovider.Lost, "rejected": fakeprovider.Refused} {
			t.Run(name+", "+answer, func(t *testing.T) {
				w, task := unclearRefund(t, out)
				w.provider.AnswerStatus(w.status(use, ""), fakeprovider.Yes)
				w.provider.AnswerTickets(list(providers.Refunded), fakeprovider.Yes)
				w.Done(w.run(task))
				w.state(order.Refunded, "", 1)
				w.calls(sequence("ticket_status T1, tickets"))
			})
		}
	}
}

// A list that does not come is no list that agrees: before one has, a rejected refund has not failed and a lost one is not sent
// again.
func TestATicketInDoubtWaitsForTheListBeforeItEnds(t *testing.T) {
	for answer, out := range map[string]providers.Outcome{"lost": fakeprovider.Lost, "rejected": fakeprovider.Refused} {
		t.Run(answer, func(t *testing.T) {
			w, task := unclearRefund(t, out)
			w.provider.AnswerStatus(w.status(providers.Unused, ""), fakeprovider.Yes)
			w.provider.AnswerTickets(nil, fakeprovider.Garbage)
			w.Waits(w.run(task))
			w.provider.Forget()
			w.Clock.Advance(25 * time.Hour)
			w.provider.AnswerStatus(w.status(providers.Unused, ""), fakeprovider.Yes)
			w.provider.AnswerTickets(nil, fakeprovider.Garbage)
			w.Done(w.run(task))
			w.state(order.Review, string(order.CodeInDoubt), 0)
			w.calls(sequence("ticket_status T1, tickets"))
		})
	}
}

// onceShown is a refund of ticket 1, whose request got the answer, that showed once; ticket 2 is refunded as well, so that an
// answer which names no ticket may be about that.
func onceShown(t *testing.T, answer providers.Outcome, byList bool) (w *world, look func() error) {
	t.Helper()
	w = ecticket(handlertest.Mini(t))
	task := w.refundOf("R1", named(1, 2))
	w.provider.AnswerTickets(list(unused...), fakeprovider.Yes)
	w.provider.AnswerRefundTicket(answer)
	if answer.Kind == providers.Rejected {
		w.provider.AnswerStatus(w.status(providers.Unused, ""), fakeprovider.Yes)
	}
	w.provider.AnswerRefundTicket(fakeprovider.Yes)
	w.provider.AnswerTickets(list(providers.Unused, providers.Refunded), fakeprovider.Yes)
	w.Waits(w.run(task))
	w.Clock.Advance(5 * time.Second)
	shown := w.status(providers.Refunded, merchant)
	if byList {
		shown = w.status(providers.Refunded, "1111111") // whose it is does not show yet
	}
	w.provider.AnswerStatus(shown, fakeprovider.Yes)
	if byList {
		w.provider.AnswerTickets(list(providers.Refunded, providers.Refunded), fakeprovider.Yes)
	} else {
		w.provider.AnswerTickets(list(providers.Unused, providers.Refunded), fakeprovider.Yes)
	}
	w.Waits(w.run(task))
	w.provider.Forget()
	return w, func() error {
		w.provider.AnswerStatus(w.status(providers.Unused, ""), fakeprovider.Yes)
		if w.Clock.Now().Sub(handlertest.Start) >= 30*time.Second {
			w.provider.AnswerTickets(list(providers.Unused, providers.Refunded), fakeprovider.Yes)
		}
		return w.run(task)
	}
}

// Older answers follow the one that showed the refund, for longer than the provider was ever seen to be behind.
func TestARefundThatWasShownOnceIsNotSentAgainWhileItIsHidden(t *testing.T) {
	for name, answer := range map[string]providers.Outcome{"lost": fakeprovider.Lost, "rejected": fakeprovider.Refused} {
		t.Run(name, func(t *testing.T) {
			w, look := onceShown(t, answer, false)
			for w.Clock.Now().Before(handlertest.Start.Add(9 * time.Minute)) {
				w.Clock.Advance(w.Waits(look()))
			}
			w.state(order.Submitting, string(order.CodeListLags), 0)
			w.provider.AnswerStatus(w.status(providers.Refunded, merchant), fakeprovider.Yes)
			w.provider.AnswerTickets(list(providers.Refunded, providers.Refunded), fakeprovider.Yes)
			w.Done(w.run(w.Task(w.ref("R1"))))
			w.state(order.Refunded, "", 2)
		})
	}
}

// What showed named no ticket, so it may have been another one's. Of a refund that was rejected as well nobody but the provider
// knows.
func TestARejectedRefundThatWasShownOnceHasNotFailed(t *testing.T) {
	w, look := onceShown(t, fakeprovider.Refused, false)
	for w.Clock.Now().Before(handlertest.Start.Add(10*time.Minute + 5*time.Second)) {
		w.Clock.Advance(w.Waits(look()))
	}
	w.Done(look())
	w.state(order.Review, string(order.CodeInDoubt), 1)
}

// What a list has shown is this ticket's: it is never sent again, and has not failed, however long it is hidden.
func TestARefundThatTheListHasShownStaysDone(t *testing.T) {
	for name, answer := range map[string]providers.Outcome{"lost": fakeprovider.Lost, "rejected": fakeprovider.Refused} {
		t.Run(name, func(t *testing.T) {
			w, look := onceShown(t, answer, true)
			for w.Clock.Now().Before(handlertest.Start.Add(24 * time.Hour)) {
				w.Clock.Advance(w.Waits(look()))
			}
			w.Clock.Advance(time.Minute)
			w.Done(look())
			w.state(order.Review, string(order.CodeInDoubt), 1)
		})
	}
}
