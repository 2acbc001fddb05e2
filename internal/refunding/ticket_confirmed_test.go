package refunding_test

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/hibiken/asynq"

	"issuance/internal/fakeprovider"
	"issuance/internal/handlertest"
	"issuance/providers"
	"issuance/tasks/order"
)

// book is a provider that answers every request for a ticket by its place among those for it, and shows what a test says.
type book struct {
	*fakeprovider.Provider
	w       *world
	answers func(ticketNo string, nth int) providers.Outcome
	shown   func(ticketNo string) providers.UseStatus
	byList  func(ticketNo string) providers.UseStatus // unless it is as shown
	shops   map[string]string                         // which shop has refunded a ticket, where that is shown
	tickets int
	sent    map[string][]time.Time
}

func (b *book) RefundTicket(_ context.Context, r providers.TicketRefund) providers.Outcome {
	b.sent[r.TicketNo] = append(b.sent[r.TicketNo], b.w.Clock.Now())
	return b.answers(r.TicketNo, len(b.sent[r.TicketNo]))
}

func (b *book) TicketStatus(_ context.Context, ticketNo string) (providers.TicketStatus, providers.Outcome) {
	st := b.w.status(b.shown(ticketNo), merchant)
	if st.UseStatus == providers.Refunded {
		st.RefundStoreID = b.shops[ticketNo]
	}
	return st, fakeprovider.Yes
}

func (b *book) Tickets(context.Context, providers.Order) ([]providers.Ticket, providers.Outcome) {
	shown := b.shown
	if b.byList != nil {
		shown = b.byList
	}
	all := list(make([]providers.UseStatus, b.tickets)...)
	for i := range all {
		all[i].UseStatus = shown(all[i].TicketNo)
	}
	return all, fakeprovider.Yes
}

// booked is an ECTicket order at a book that confirms every request and shows none.
func booked(b *handlertest.Bench) *book { return bookOf(ecticket(b), len(unused)) }

func bookOf(w *world, tickets int) *book {
	never := func(string) providers.UseStatus { return providers.Unused }
	return &book{Provider: w.provider, w: w, tickets: tickets, sent: map[string][]time.Time{}, shown: never,
		answers: func(string, int) providers.Outcome { return fakeprovider.Yes }}
}

// run has a fresh worker run a refund's task.
func (b *book) run(task *asynq.Task) error {
	c := b.w.config("w")
	c.Provider = b
	return b.w.runWith(c, task)
}

// until runs the task until a moment after the start, or its end, which it reports.
func (b *book) until(task *asynq.Task, after time.Duration) (ended bool) {
	b.w.T.Helper()
	for b.w.Clock.Now().Before(handlertest.Start.Add(after)) {
		err := b.run(task)
		if err == nil {
			return true
		}
		b.w.Clock.Advance(b.w.Waits(err))
	}
	return false
}

// ends runs the task to its end, and expects it within a time after the start, and so many requests for ticket 1.
func (b *book) ends(task *asynq.Task, within time.Duration, requests int) {
	b.w.T.Helper()
	if !b.until(task, within) {
		b.w.T.Errorf("it has not ended in %s", within)
	}
	if n := len(b.sent[no(1)]); n != requests {
		b.w.T.Errorf("%d requests for the ticket at %v, want %d", n, b.sent[no(1)], requests)
	}
}

// since shows tickets as refunded from a moment after the start on.
func (b *book) since(after time.Duration) func(string) providers.UseStatus {
	return func(no string) providers.UseStatus {
		if len(b.sent[no]) > 0 && !b.w.Clock.Now().Before(handlertest.Start.Add(after)) {
			return providers.Refunded
		}
		return providers.Unused
	}
}

// The provider confirms, shows the effect later than it was ever seen to, and would refund the ticket twice.
func TestAConfirmedRefundThatShowsLateIsNotSentAgain(t *testing.T) {
	for _, late := range []time.Duration{100 * time.Second, 9*time.Minute + 30*time.Second} {
		handlertest.Each(t, func(bench *handlertest.Bench) {
			b := booked(bench)
			b.shown = b.since(late)
			b.ends(b.w.refundOf("R1", named(1)), late+time.Minute, 1)
			b.w.state(order.Refunded, "", 1)
			if seen, err := b.w.Ledger.LagSeen(t.Context(), b.w.order().Account); err != nil || seen < late-time.Minute || seen > late {
				t.Errorf("it was shown after %s, and %s is remembered, %v", late, seen, err)
			}
		})
	}
}

// Of many tickets, too, none is sent again.
func TestConfirmedRefundsThatShowLateAreNotSentAgain(t *testing.T) {
	const many = 12
	b := bookOf(sold(t, many), many)
	b.shown = b.since(100 * time.Second)
	b.ends(b.w.refundOf("R1", `"all":true`), 3*time.Minute, 1)
	b.w.state(order.Refunded, "", many)
	for _, sent := range b.sent {
		if len(sent) != 1 {
			t.Errorf("sent at %v", sent)
		}
	}
}

// A job of the provider's refunds two minutes later, and a repeated request is rejected: that contradicts no confirmation.
func TestARejectionAfterAConfirmationIsNoFailure(t *testing.T) {
	rejects := func(_ string, nth int) providers.Outcome {
		if nth == 1 {
			return fakeprovider.Yes
		}
		return fakeprovider.Refused
	}
	t.Run("shown after 2 min", func(t *testing.T) {
		b := booked(handlertest.Mini(t))
		b.answers, b.shown = rejects, b.since(2*time.Minute)
		b.ends(b.w.refundOf("R1", named(1)), 3*time.Minute, 1)
		b.w.state(order.Refunded, "", 1)
	})
	t.Run("shown after an hour", func(t *testing.T) {
		b := booked(handlertest.Mini(t))
		b.answers, b.shown = rejects, b.since(time.Hour)
		b.ends(b.w.refundOf("R1", named(1)), 80*time.Minute, 2)
		b.w.state(order.Refunded, "", 1)
	})
	for use, requests := range map[providers.UseStatus]int{providers.Unused: 2, providers.Redeemed: 1, providers.Invalid: 1} {
		t.Run("never shown, "+string(use), func(t *testing.T) {
			b := booked(handlertest.Mini(t))
			b.answers = rejects
			task := b.w.refundOf("R1", named(1))
			b.w.Waits(b.run(task))
			b.shown = func(string) providers.UseStatus { return use }
			if b.until(task, 24*time.Hour) {
				t.Error("it has ended within a day")
			}
			b.ends(task, 25*time.Hour, requests)
			b.w.state(order.Review, string(order.CodeInDoubt), 0)
			b.w.tickets("doubt:" + map[int]string{1: string(order.CodeUnconfirmed), 2: fakeprovider.Refused.Code}[requests])
		})
	}
}

// What is never shown may be an old confirmation, so a second request follows when the provider was never so far behind; a third
// one does not, unless a person asks for it.
func TestAConfirmedRefundIsSentAgainOnceAndAfterTheLongestLag(t *testing.T) {
	b := booked(handlertest.Mini(t))
	task := b.w.refundOf("R1", named(1))
	b.ends(task, 25*time.Hour, 2)
	b.w.state(order.Review, string(order.CodeInDoubt), 0)
	if sent := b.sent[no(1)]; sent[1].Sub(sent[0]) < 10*time.Minute || sent[1].Sub(sent[0]) > 11*time.Minute {
		t.Errorf("sent at %v", sent)
	}
	b.w.reopen("R1")
	if b.until(task, 48*time.Hour) {
		t.Error("another try that a person asked for has less time")
	}
	if n := len(b.sent[no(1)]); n != 3 {
		t.Errorf("%d requests", n)
	}
}

// The office undoes the refund, which has shown, and neither its status nor the list is any proof at the time.
func TestAConfirmedRefundThatWasSeenAndIsUndoneIsNeverSentAgain(t *testing.T) {
	b := booked(handlertest.Mini(t))
	task := b.w.refundOf("R1", named(1))
	b.w.Waits(b.run(task))
	b.w.set(b.w.ref("R1"), "v:0", strconv.FormatInt(b.w.Clock.Now().UnixMilli(), 10)) // seen, in an answer that may have been about another ticket
	b.ends(task, 25*time.Hour, 1)
	b.w.state(order.Review, string(order.CodeInDoubt), 0)
}

// The ticket's own status is behind for good.
func TestAConfirmedRefundThatOnlyTheListShowsIsRefunded(t *testing.T) {
	b := booked(handlertest.Mini(t))
	b.byList = b.since(45 * time.Second)
	b.ends(b.w.refundOf("R1", named(1)), 90*time.Second, 1)
	b.w.state(order.Refunded, "", 1)
}

// One ticket needs a person, who should not have to find out about its siblings as well.
func TestConfirmedTicketsAreProvenBeforeAnotherOneNeedsReview(t *testing.T) {
	for _, c := range []struct {
		late     time.Duration
		refunded int
	}{{40 * time.Second, 2}, {11 * time.Minute, 0}} {
		b := booked(handlertest.Mini(t))
		b.answers = func(ticketNo string, _ int) providers.Outcome {
			if ticketNo == no(1) {
				return fakeprovider.Refused
			}
			return fakeprovider.Yes
		}
		late := b.since(c.late)
		b.shown = func(ticketNo string) providers.UseStatus {
			if ticketNo == no(1) && len(b.sent[ticketNo]) > 0 {
				return providers.Refunded
			}
			return late(ticketNo)
		}
		b.shops = map[string]string{no(1): "KH2002"} // another one than this refund's
		b.ends(b.w.refundOf("R1", named(2, 3, 1)), 12*time.Minute, 1)
		b.w.state(order.Review, string(order.CodeInDoubt), c.refunded)
	}
}
