package pollers_test

import (
	"strings"
	"testing"
	"time"

	"issuance/internal/fakeprovider"
	"issuance/internal/handlertest"
	"issuance/internal/keys"
	"issuance/pollers"
	"issuance/providers"
	"issuance/tasks/order"
)

func TestAnOverdueOrderNeedsReview(t *testing.T) {
	for name, answer := range map[string]providers.Finding{
		"not issued yet": fakeprovider.Known(providers.FoundPending), "absent": fakeprovider.Known(providers.Absent),
	} {
		t.Run(name, func(t *testing.T) {
			w := accepted(handlertest.Mini(t))
			w.Clock.Advance(24*time.Hour - time.Millisecond)
			w.provider.AnswerLookUp(answer)
			w.Waits(w.run())
			w.Clock.Advance(time.Millisecond)
			w.provider.AnswerLookUp(answer)
			w.Done(w.run())
			rec := w.state(order.Review, "overdue", 2)
			if !strings.Contains(rec.Reason.Message, name) {
				t.Errorf("the reason does not name the last answer: %s", rec.Reason.Message)
			}
			w.Done(w.run())
			w.calls("look_up, look_up")
		})
	}
}

// Only a clear answer gives an order up: the deadline may have passed while the workers were away.
func TestAnOverdueOrderIsAskedForUntilTheAnswerIsClear(t *testing.T) {
	for name, c := range map[string]struct {
		unclear providers.Finding
		waits   []time.Duration
	}{
		"down": {providers.Finding{State: providers.Unclear, Outcome: fakeprovider.Down}, []time.Duration{2 * time.Second, 2 * time.Second, 2 * time.Second}},
		"busy": {fakeprovider.Busy, []time.Duration{30 * time.Second, 30 * time.Second, 30 * time.Second}},
	} {
		t.Run(name, func(t *testing.T) {
			w := accepted(handlertest.Mini(t))
			w.Clock.Advance(72 * time.Hour)
			for _, want := range c.waits {
				w.provider.AnswerLookUp(c.unclear)
				wait := w.Waits(w.run())
				w.near(wait, want)
				w.Clock.Advance(wait)
			}
			w.state(order.Accepted, c.unclear.Outcome.Code, 3)
			w.Clock.Advance(time.Hour)
			w.provider.AnswerLookUp(c.unclear)
			w.near(w.Waits(w.run()), 30*time.Second) // however long there has been no clear answer
			w.provider.AnswerLookUp(fakeprovider.Known(providers.FoundIssued))
			w.Done(w.run())
			w.state(order.Issued, "", 5)
		})
	}
}

// An order has to end: one whose answers are never clear, for another day of asking, needs review.
func TestAnOverdueOrderWithoutAnyClearAnswerNeedsReviewInTheEnd(t *testing.T) {
	w := accepted(handlertest.Mini(t))
	w.Clock.Advance(24 * time.Hour)
	began, asked := w.Clock.Now(), 0
	for w.Record(ref).State == order.Accepted {
		if asked == 1 {
			w.Clock.Advance(72 * time.Hour) // no worker runs, which does not count
		}
		w.provider.AnswerLookUp(providers.Finding{State: providers.Unclear, Outcome: fakeprovider.Down})
		if err := w.run(); err != nil {
			w.Clock.Advance(w.Waits(err))
		}
		asked++
	}
	if took := w.Clock.Now().Sub(began); asked < 100 || took < 24*time.Hour {
		t.Errorf("given up after %d answers in %s", asked, took)
	}
	w.state(order.Review, "overdue", asked)
}

// That an order is issued is a clear answer, and so is that it is unknown where the provider answers about others: the deadline is
// not overrun by looks that can learn no more.
func TestAnOrderThatIsIncompleteOrUnknownEndsAtItsDeadline(t *testing.T) {
	for name, answers := range map[string]func(w *world){
		"no list": func(w *world) {
			w.provider.AnswerLookUp(fakeprovider.Known(providers.FoundIssued))
			w.provider.AnswerTickets(nil, fakeprovider.Garbage)
		},
		"too few": func(w *world) {
			w.provider.AnswerLookUp(fakeprovider.Known(providers.FoundIssued))
			w.provider.AnswerTickets([]providers.Ticket{{TicketNo: "T1"}}, fakeprovider.Yes)
		},
		"unknown": func(w *world) {
			w.provider.AnswerLookUp(fakeprovider.Busy)
			w.provider.AnswerLookUp(fakeprovider.Known(providers.FoundIssued)) // the other order
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := handlertest.Mini(t)
			b.OrderIn(order.Issued, strings.ReplaceAll(document, "ORDER1", "ORDER0"))
			w := accepted(b)
			w.provider.NeedTickets(2)
			w.Clock.Advance(24 * time.Hour)
			answers(w)
			w.Done(w.run())
			if rec := w.Record(ref); rec.State != order.Review || rec.Reason.Code != "overdue" {
				t.Errorf("%s (%s: %s)", rec.State, rec.Reason.Code, rec.Reason.Message)
			}
		})
	}
}

// An answer that may be "busy" is none, where the provider does not find an order that it has either.
func TestAnOverdueOrderIsAskedForWhileTheProviderKnowsNoOrder(t *testing.T) {
	b := handlertest.Mini(t)
	b.OrderIn(order.Issued, strings.ReplaceAll(document, "ORDER1", "ORDER0"))
	w := accepted(b)
	w.Clock.Advance(24 * time.Hour)
	w.provider.AnswerLookUp(fakeprovider.Busy)
	w.provider.AnswerLookUp(fakeprovider.Busy) // the other order
	w.Waits(w.run())
	w.state(order.Accepted, fakeprovider.Busy.Outcome.Code, 1)
}

// A weekend without a worker must not end in a heap of reviews.
func TestAnOrderIsAskedForBeforeItIsGivenUpHoweverLongTheWorkersWereAway(t *testing.T) {
	w := accepted(handlertest.Mini(t))
	w.Clock.Advance(72 * time.Hour)
	w.provider.AnswerLookUp(fakeprovider.Known(providers.FoundIssued))
	w.Done(w.run())
	w.state(order.Issued, "", 1)
}

// Nothing left this machine: the network is down, the call budget's Redis was away, or the worker stops.
func TestAnOverdueOrderThatCouldNotBeAskedIsNotGivenUp(t *testing.T) {
	w := accepted(handlertest.Mini(t))
	w.Clock.Advance(25 * time.Hour)
	unreached := providers.Finding{State: providers.Unclear, Outcome: fakeprovider.Unreached}
	w.provider.AnswerLookUp(unreached)
	w.soon(w.Waits(w.run()))
	unreached.Outcome.RetryAfter = time.Minute
	w.provider.AnswerLookUp(unreached)
	if after := w.Waits(w.run()); after != time.Minute {
		t.Errorf("it waits %s, the answer said a minute", after)
	}
	w.provider.NeedTickets(1)
	w.provider.AnswerLookUp(fakeprovider.Known(providers.FoundIssued))
	w.provider.AnswerTickets(nil, fakeprovider.Unreached)
	w.soon(w.Waits(w.run()))
	w.state(order.Accepted, "", 0)
	w.provider.AnswerLookUp(fakeprovider.Known(providers.FoundPending))
	w.Done(w.run())
	w.state(order.Review, "overdue", 1)
}

// An order that was given up says nothing of the provider's jobs, whichever run takes it out of the sentinel's list.
func TestOnlyTheProvidersAnswersCountAsAJob(t *testing.T) {
	for s, jobs := range map[order.State]string{
		order.Accepted: "", order.Review: "", order.Queued: "", order.Submitting: "", order.Issued: "1", order.Failed: "1",
	} {
		w := newWorld(handlertest.Mini(t), s)
		sentinel := pollers.NewSentinel(w.RDB, ref.Account, pollers.SentinelConfig{Now: w.Clock.Now})
		if _, err := sentinel.Enter(t.Context(), ref.OrderID, w.Clock.Now()); err != nil {
			t.Fatal(err)
		}
		w.Clock.Advance(25 * time.Hour)
		if s == order.Accepted { // and is given up
			w.provider.AnswerLookUp(fakeprovider.Known(providers.FoundPending))
		}
		w.Done(w.Run(pollers.New(pollers.Config{Provider: w.provider, Ledger: w.Ledger, Ring: w.Ring, Log: w.Log,
			Follower: pollers.NewFollower(w.RDB, pollers.Schedule{}, pollers.FollowerOptions{Sentinel: sentinel})}), w.task))
		if got := w.RDB.HGet(t.Context(), keys.Pending(ref.Account)+"sentinel", "hits").Val(); got != jobs {
			t.Errorf("%s: %q orders count as issued, want %q", s, got, jobs)
		}
		if n, err := sentinel.Pending(t.Context()); n != 0 || err != nil {
			t.Errorf("%s: %d orders are still followed, %v", s, n, err)
		}
	}
}

// A poll that draws a ban of the account waits longer than the others do; one that draws the second is set apart, if
// another order was issued between.
func TestAnOrderWhosePollsDrawBansIsSetApartAfterTheSecond(t *testing.T) {
	w := accepted(handlertest.Mini(t))
	out := fakeprovider.Forbidden
	out.Kind = providers.Held
	banned := providers.Finding{State: providers.Unclear, Outcome: out}
	for range 2 { // nobody passes: it is the account that is banned
		w.provider.AnswerLookUp(banned)
		after := w.Waits(w.run())
		if rec := w.Record(ref); after != 32*time.Minute || rec.Bans != 1 {
			t.Errorf("waits %s with %d bans", after, rec.Bans)
		}
		w.Clock.Advance(after)
	}
	w.OrderIn(order.Issued, `{"provider":"ecticket","request":{"MerchantTradeNo":"OTHER1","IssueType":"1","Operator":"Shop2","CustomerEmail":"`+
		handlertest.CustomerEmail+`","TicketInfo":[{"ItemNo":"VNS21400","TicketAmount":8}]}}`)
	w.provider.AnswerLookUp(banned)
	w.Done(w.run())
	if rec := w.Record(ref); rec.State != order.Review || rec.Reason.Code != "draws_ban" {
		t.Errorf("%s (%s)", rec.State, rec.Reason.Code)
	}
}
