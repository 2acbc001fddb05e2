package issuing_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"issuance/internal/fakeprovider"
	"issuance/internal/queue"
	"issuance/providers"
	"issuance/tasks/order"
)

// untouched expects that the gate's refusal has left no trace: no intent, no attempt, no claim.
func (w *world) untouched(code string) {
	w.T.Helper()
	rec := w.state(order.Queued, code)
	if rec.Attempts != 0 || !rec.SentAt.IsZero() || !rec.DoubtAt.IsZero() || rec.Runner != "" {
		w.T.Errorf("%d attempts, sent at %s, in doubt since %s, held by %q", rec.Attempts, rec.SentAt, rec.DoubtAt, rec.Runner)
	}
	w.calls("")
}

func TestAnOrderThatIsHeldLeavesNoIntentAndUsesNoRetry(t *testing.T) {
	each(t, func(w *world) {
		w.gate.Refuse(&providers.HeldError{RetryAfter: 3 * time.Second, Reason: "call budget"})
		for range 3 {
			err := w.run()
			if after := w.Waits(err); after != 3*time.Second {
				w.T.Errorf("waits %s", after)
			}
			if delay := queue.RetryDelay(0, err, w.task); delay != 3*time.Second {
				w.T.Errorf("the queue waits %s", delay)
			}
		}
		w.untouched("")
		// A long hold is in the record, so that a person who asks learns of it.
		w.gate.Refuse(&providers.HeldError{RetryAfter: 30 * time.Minute, Reason: "banned until 14:05:00"})
		if after := w.Waits(w.run()); after != 30*time.Minute {
			w.T.Errorf("waits %s", after)
		}
		w.untouched("held")

		w.gate.Refuse(nil)
		w.provider.AnswerIssue(providers.Outcome{Kind: providers.Accepted})
		w.Done(w.run())
		if rec := w.state(order.Accepted, ""); rec.Attempts != 1 || w.gate.Passed() != 1 {
			w.T.Errorf("%d attempts, passed %d times", rec.Attempts, w.gate.Passed())
		}
	})
}

func TestNothingIsSentWhileTheCallBudgetCannotBeAsked(t *testing.T) {
	each(t, func(w *world) {
		w.gate.Refuse(errors.New("i/o timeout"))
		if after := w.Waits(w.run()); after != time.Second {
			w.T.Errorf("waits %s", after)
		}
		w.untouched("")
	})
}

func TestAHeldResendKeepsItsDoubt(t *testing.T) {
	w := mini(t)
	inDoubt(w)
	w.gate.Refuse(&providers.HeldError{RetryAfter: time.Second, Reason: "call budget"})
	w.provider.AnswerLookUp(fakeprovider.Known(providers.Absent))
	w.Waits(w.run())
	w.gate.Refuse(nil)
	w.provider.AnswerLookUp(fakeprovider.Known(providers.FoundPending))
	w.Done(w.run())
	w.calls("issue, look_up, look_up")
}

// The pass that was paid for before the intent is the one call's: the client's own Pass is free
// once, and a look-up that follows pays for itself.
func TestTheGateIsPassedOncePerCall(t *testing.T) {
	w := mini(t)
	c := w.config("w")
	paid := 0
	client := func(ctx context.Context) { // what a client does first
		if err := c.Gate.Pass(ctx); err != nil {
			t.Error(err)
		}
		paid = w.gate.Passed()
	}
	w.provider.AnswerIssue(providers.Outcome{Kind: providers.Unknown, Exists: true}, client, func(context.Context) {
		if paid != 1 {
			t.Errorf("the call was paid for %d times", paid)
		}
	})
	w.provider.AnswerLookUp(fakeprovider.Known(providers.Unclear), client)
	w.Waits(w.Run(w.configured(c), w.task))
	if paid != 2 {
		t.Errorf("two calls were paid for with %d passes", paid)
	}
}

func TestWithoutAGateNothingIsHeld(t *testing.T) {
	w := mini(t)
	c := w.config("w")
	c.Gate = nil
	w.provider.AnswerIssue(providers.Outcome{Kind: providers.Accepted})
	w.Done(w.Run(w.configured(c), w.task))
	w.state(order.Accepted, "")
}
