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
		"not issued yet": fakeprovider.Known(providers.FoundPending), "absent": fakeprovider.Known(providers.Absent), "timeout": fakeprovider.Known(providers.Unclear),
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
	w.near(w.Waits(w.run()), 30*time.Second)
	unreached.Outcome.RetryAfter = time.Minute
	w.provider.AnswerLookUp(unreached)
	if after := w.Waits(w.run()); after != time.Minute {
		t.Errorf("it waits %s, the answer said a minute", after)
	}
	w.provider.NeedTickets(1)
	w.provider.AnswerLookUp(fakeprovider.Known(providers.FoundIssued))
	w.provider.AnswerTickets(nil, fakeprovider.Unreached)
	w.near(w.Waits(w.run()), 30*time.Second)
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
