package refunding_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/hibiken/asynq"

	"issuance/internal/fakeprovider"
	"issuance/internal/handlertest"
	"issuance/providers"
	"issuance/tasks/order"
)

// Right after an order was issued, its list may show none of its tickets, or some.
func TestAListThatShowsFewerTicketsThanWereOrderedIsWaitedFor(t *testing.T) {
	for shown := range 4 {
		for _, wish := range []string{`"all":true`, `"quantity":4`} {
			w := ecticket(handlertest.Mini(t))
			task := w.refundOf("R1", wish)
			w.provider.AnswerTickets(list(unused[:shown]...), fakeprovider.Yes)
			if after := w.Waits(w.run(task)); after != time.Second {
				t.Errorf("with %d of 4 tickets shown it waits %s", shown, after)
			}
			w.state(order.Queued, "list_lags", 0)
			w.free()
			w.calls("tickets")
			w.provider.AnswerTickets(list(unused...), fakeprovider.Yes)
			for range 4 {
				w.provider.AnswerRefundTicket(fakeprovider.Yes)
			}
			w.Done(w.run(task))
			w.state(order.Refunded, "", 4)
		}
	}
}

func TestATicketThatTheListLeavesOutIsAskedForItself(t *testing.T) {
	w := ecticket(handlertest.Mini(t))
	task := w.refundOf("R1", named(1, 3))
	w.provider.AnswerTickets(list(unused[:1]...), fakeprovider.Yes)
	w.provider.AnswerStatus(w.status(providers.Unused, ""), fakeprovider.Yes)
	w.provider.AnswerRefundTicket(fakeprovider.Yes)
	w.provider.AnswerRefundTicket(fakeprovider.Yes)
	w.Done(w.run(task))
	w.state(order.Refunded, "", 2)
	w.calls(sequence("tickets, ticket_status T3, refund_ticket T1, refund_ticket T3, tickets"))
}

// Whether a ticket is the order's is known once the list is whole, or the ticket itself says so.
func TestNoTicketIsCalledAnotherOrdersByAListThatLags(t *testing.T) {
	w := ecticket(handlertest.Mini(t))
	task := w.refundOf("R1", named(1, 9))
	other := w.status(providers.Unused, "")
	other.OrderID = "ORDER9"
	w.provider.AnswerTickets(list(unused[:2]...), fakeprovider.Yes)
	w.provider.AnswerStatus(other, fakeprovider.Yes)
	w.Waits(w.run(task))
	w.state(order.Queued, "list_lags", 0)
	w.provider.AnswerTickets(list(unused...), fakeprovider.Yes)
	w.provider.AnswerRefundTicket(fakeprovider.Yes)
	w.Done(w.run(task))
	w.state(order.PartiallyRefunded, "not_of_this_order", 1)
}

// A query that is 8 s behind generate does not know the order yet. How long ago the refund was asked for does
// not matter: it may have waited for its order.
func TestAnOrderThatTheQueryDoesNotKnowYetIsWaitedFor(t *testing.T) {
	w := pass2u(handlertest.Mini(t), "voucher")
	task := w.countOf("R1", `"quantity":2`)
	w.Clock.Advance(time.Hour)
	issued := w.Clock.Now()
	for w.Clock.Now().Before(issued.Add(8 * time.Second)) {
		w.provider.AnswerBaseline(providers.Baseline{}, fakeprovider.Refused)
		w.Clock.Advance(w.Waits(w.run(task)))
		w.state(order.Queued, "list_lags", 0)
		w.free()
	}
	w.provider.AnswerBaseline(shows(4, 0), fakeprovider.Yes)
	w.provider.AnswerRefundCount(fakeprovider.Yes)
	w.Done(w.run(task))
	w.state(order.Refunded, "", 2)
	if late := w.Clock.Now().Sub(issued.Add(8 * time.Second)); late > 8*time.Second {
		t.Errorf("refunded %s after the order was known", late)
	}
}

func TestARefundIsOursByTheProvidersOwnClock(t *testing.T) {
	for _, c := range []struct {
		ahead, refunded time.Duration // of the provider's clock; by the provider's clock
		state           order.State
	}{
		{5 * time.Minute, 5 * time.Minute, order.Refunded},
		{5 * time.Minute, 3 * time.Minute, order.Review},  // two minutes before we asked, unless another machine's clock did it
		{5 * time.Minute, -7 * time.Minute, order.Review}, // longer before we saw it unused than a list may be behind
		{-5 * time.Minute, -5 * time.Minute, order.Refunded},
		{-5 * time.Minute, -7 * time.Minute, order.Review},
		{-5 * time.Minute, -17 * time.Minute, order.Review},
	} {
		w := ecticket(handlertest.Mini(t))
		w.provider.SetSkew(c.ahead)
		task := w.refundOf("R1", named(1))
		w.provider.AnswerTickets(list(unused...), fakeprovider.Yes)
		w.provider.AnswerRefundTicket(fakeprovider.Lost)
		w.Waits(w.run(task))
		s := w.status(providers.Refunded, merchant)
		s.RefundedAt = handlertest.Start.Add(c.refunded).In(providers.Taiwan).Format("20060102 15:04")
		w.provider.AnswerStatus(s, fakeprovider.Yes)
		w.Done(w.run(task))
		if rec := w.Record(w.ref("R1")); rec.State != c.state {
			t.Errorf("clock %s ahead, refunded at %s: %s (%s), want %s", c.ahead, c.refunded, rec.State, rec.Reason.Code, c.state)
		}
	}
}

// The rejection is the second copy's; the first one took effect, which shows at once or a little later.
func TestARefundByNumberThatTookEffectAndWasRejectedIsRefunded(t *testing.T) {
	for _, lag := range []time.Duration{0, 8 * time.Second} {
		handlertest.Each(t, func(b *handlertest.Bench) {
			w := pass2u(b, "voucher")
			w.earlier(1)
			task := w.countOf("R1", `"quantity":2`)
			w.provider.AnswerBaseline(shows(4, 1), fakeprovider.Yes)
			w.provider.AnswerRefundCount(exhausted)
			for w.Clock.Now().Before(handlertest.Start.Add(lag)) {
				w.provider.AnswerBaseline(shows(4, 1), fakeprovider.Yes)
				w.Clock.Advance(w.Waits(w.run(task)))
				w.state(order.Submitting, "in_doubt", 0)
			}
			w.provider.AnswerBaseline(shows(4, 3), fakeprovider.Yes)
			w.Done(w.run(task))
			w.state(order.Refunded, "", 2)
		})
	}
}

// An authentic confirmation that is an old one, repeated by something on the way: nothing was refunded.
func TestAConfirmationThatNoListShowsIsNoRefund(t *testing.T) {
	handlertest.Each(t, func(b *handlertest.Bench) {
		w := ecticket(b)
		task := w.refundOf("R1", named(1))
		w.provider.AnswerTickets(list(unused...), fakeprovider.Yes)
		w.provider.AnswerRefundTicket(fakeprovider.Yes)
		w.provider.AnswerTickets(list(unused...), fakeprovider.Yes)
		w.Waits(w.run(task))
		w.state(order.Submitting, "list_lags", 0)
		w.tickets("doubt:unconfirmed")
		w.calls(sequence("tickets, refund_ticket T1, tickets"))

		w.Clock.Advance(time.Second)
		w.provider.AnswerStatus(w.status(providers.Unused, ""), fakeprovider.Yes)
		w.Waits(w.run(task)) // the provider may only be behind itself
		w.calls(sequence("ticket_status T1"))

		for w.Clock.Now().Before(handlertest.Start.Add(10 * time.Minute)) { // for as long as a provider is behind
			w.provider.Forget()
			w.provider.AnswerStatus(w.status(providers.Unused, ""), fakeprovider.Yes)
			if !w.Clock.Now().Before(handlertest.Start.Add(30 * time.Second)) {
				w.provider.AnswerTickets(list(unused...), fakeprovider.Yes)
			}
			w.Clock.Advance(w.Waits(w.run(task)))
		}
		w.provider.Forget()
		w.provider.AnswerStatus(w.status(providers.Unused, ""), fakeprovider.Yes)
		w.provider.AnswerTickets(list(unused...), fakeprovider.Yes)
		w.provider.AnswerRefundTicket(fakeprovider.Yes)
		w.provider.AnswerTickets(list(providers.Refunded), fakeprovider.Yes)
		w.Done(w.run(task))
		w.state(order.Refunded, "", 1)
		w.calls(sequence("ticket_status T1, tickets, refund_ticket T1, tickets"))
	})
}

// A worker died, or the list did not come, between the confirmations and the list that proves them: one list does,
// not a question for each ticket.
func TestUnconfirmedTicketsOfAnEarlierRunAreConfirmedByOneList(t *testing.T) {
	const many = 8
	w, task := unconfirmed(t, many)
	some := slices.Repeat([]providers.UseStatus{providers.Unused}, many)
	some[0], some[1] = providers.Refunded, providers.Refunded
	w.provider.AnswerTickets(list(some...), fakeprovider.Yes)
	w.Waits(w.run(task)) // the others lag
	if got := w.Record(w.ref("R1")).Tickets; got[1].State != order.TicketRefunded || got[2].State != order.TicketDoubt || got[2].Code != "unconfirmed" {
		t.Errorf("tickets: %+v", got[:3])
	}
	w.calls("tickets")
	w.Done(w.run(task))
	w.state(order.Refunded, "", many)
	w.calls("tickets")
}

// A few tickets that the list does not show as refunded cost less to ask for than the list again and again.
func TestAFewTicketsThatTheListIsBehindAboutAreAskedForThemselves(t *testing.T) {
	w, task := unconfirmed(t, 2)
	w.provider.AnswerTickets(list(providers.Unused, providers.Unused), fakeprovider.Yes)
	w.provider.AnswerStatus(w.status(providers.Refunded, merchant), fakeprovider.Yes)
	w.provider.AnswerStatus(w.status(providers.Refunded, merchant), fakeprovider.Yes)
	w.Done(w.run(task))
	w.state(order.Refunded, "", 2)
	w.calls(sequence("tickets, ticket_status T1, ticket_status T2"))
}

// unconfirmed is a refund of all of an order's tickets whose confirmations no list has shown yet.
func unconfirmed(t *testing.T, n int) (*world, *asynq.Task) {
	t.Helper()
	w := sold(t, n)
	task := w.refundOf("R1", `"all":true`)
	w.provider.AnswerTickets(list(slices.Repeat([]providers.UseStatus{providers.Unused}, n)...), fakeprovider.Yes)
	for range n {
		w.provider.AnswerRefundTicket(fakeprovider.Yes)
	}
	w.provider.AnswerTickets(nil, fakeprovider.Lost)
	w.Waits(w.run(task))
	w.provider.Forget()
	return w, task
}

// sold is a world with an issued ECTicket order of n tickets.
func sold(t *testing.T, n int) *world {
	t.Helper()
	w := newWorld(handlertest.Mini(t), handlertest.ECTicket)
	w.stored(fmt.Sprintf(`{"provider":"ecticket","request":{"MerchantTradeNo":"ORDER1","IssueType":"4","Operator":"Shop1",
		"CustomerEmail":"`+handlertest.CustomerEmail+`","TicketInfo":[{"ItemName":"SPA課程體驗券","TicketPrice":320,"TicketAmount":%d}]}}`, n), n)
	return w
}

// Sixty refunds of one order: all requests are under way at the same time, and they share their lists.
func TestManyRefundsOfAnOrderGoOnTogetherAndShareTheirLists(t *testing.T) {
	const n = 60
	w := sold(t, n)
	all := make([]providers.UseStatus, n)
	for i := range all {
		all[i] = providers.Unused
	}
	w.provider.ShowRefunds(list(all...)...)
	var met sync.WaitGroup
	met.Add(n)
	chosen := make(chan struct{})
	for range n {
		w.provider.AnswerRefundTicket(fakeprovider.Yes, func(context.Context) {
			chosen <- struct{}{}
			met.Done()
			met.Wait() // for ever, if one of them waits for another
		})
	}
	h := w.worker("w")
	var wg sync.WaitGroup
	for i := range n {
		task := w.refundOf(fmt.Sprintf("R%d", i+1), `"quantity":1`)
		wg.Go(func() {
			if err := w.Run(h, task); err != nil {
				t.Error(err)
			}
		})
		<-chosen // until then it is its turn
	}
	wg.Wait()
	seen, choosing, confirming := map[string]bool{}, 0, 0
	for _, c := range w.provider.Calls() {
		switch {
		case c.Op == fakeprovider.RefundTicket:
			seen[c.Ticket.TicketNo] = true
		case len(seen) == n:
			confirming++
		default:
			choosing++
		}
	}
	if len(seen) != n || choosing > n/2 || confirming > 5 {
		t.Errorf("%d tickets refunded; %d lists to choose them, %d to confirm", len(seen), choosing, confirming)
	}
	for i := range n {
		w.stateOf(fmt.Sprintf("R%d", i+1), order.Refunded, "", 1)
	}
}
