package issuing_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"issuance/internal/fakeprovider"
	"issuance/internal/handlertest"
	"issuance/internal/ledger"
	"issuance/internal/testredis"
	"issuance/providers"
	"issuance/tasks/order"
)

// dies expects the run of a worker that dies.
func (w *world) dies(err error) {
	w.T.Helper()
	if !errors.Is(err, handlertest.ErrDied) {
		w.T.Fatalf("the worker lives: %v", err)
	}
}

func TestAWorkerThatDiedAfterItsIntentIsFollowedByALookUp(t *testing.T) {
	each(t, func(w *world) {
		w.provider.AnswerIssue(providers.Outcome{}, handlertest.Dies)
		w.dies(w.run())
		w.state(order.Submitting, "")

		// Until its claim has run out it might be alive.
		if after := w.Waits(w.run()); after != lease {
			w.T.Errorf("the next worker waits %s, want the rest of the claim", after)
		}
		w.Clock.Advance(4 * time.Second)
		if after := w.Waits(w.run()); after != lease-4*time.Second {
			w.T.Errorf("the next worker waits %s, want the rest of the claim", after)
		}
		w.calls("issue")

		w.Clock.Advance(lease - 4*time.Second)
		w.provider.AnswerLookUp(fakeprovider.Known(providers.FoundPending), func(context.Context) {
			if rec := w.record(); rec.Abandoned != 1 {
				w.T.Errorf("%d times abandoned", rec.Abandoned)
			}
		})
		w.Done(w.run())
		// Deaths count in a row: the runner that had the order accepted did not die.
		if rec := w.state(order.Accepted, ""); rec.Attempts != 1 || rec.Abandoned != 0 {
			w.T.Errorf("%d attempts, %d times abandoned", rec.Attempts, rec.Abandoned)
		}
		w.calls("issue, look_up")
	})
}

func TestAWorkerThatDiedBeforeItsIntentLeavesNoDoubt(t *testing.T) {
	each(t, func(w *world) {
		c := w.config("w1")
		c.Gate = providers.Prepayable(deadly{})
		w.dies(w.Run(w.configured(c), w.task))
		if rec := w.state(order.Queued, ""); rec.Attempts != 0 {
			w.T.Errorf("%d attempts", rec.Attempts)
		}
		w.Clock.Advance(lease)
		w.provider.AnswerIssue(providers.Outcome{Kind: providers.Accepted})
		w.Done(w.run())
		w.state(order.Accepted, "")
		w.calls("issue")
	})
}

// deadly is a gate at which workers die.
type deadly struct{}

func (deadly) Pass(ctx context.Context) error { handlertest.Dies(ctx); return nil }

func TestTwoRunnersMakeOneCall(t *testing.T) {
	each(t, func(w *world) {
		w.provider.AnswerIssue(providers.Outcome{Kind: providers.Done, Result: result()}, func(context.Context) {
			if after := w.Waits(w.Run(w.worker("second"), w.task)); after != lease {
				w.T.Errorf("the second runner waits %s", after)
			}
		})
		w.Done(w.run())
		w.calls("issue")
		w.state(order.Issued, "")
		w.Done(w.Run(w.worker("second"), w.task))
		w.calls("issue")
	})
}

func TestManyRunnersMakeOneCall(t *testing.T) {
	each(t, func(w *world) {
		w.provider.AnswerIssue(providers.Outcome{Kind: providers.Accepted})
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() { _ = w.Run(w.worker(fmt.Sprintf("w%d", i)), w.task) })
		}
		wg.Wait()
		w.calls("issue")
		w.state(order.Accepted, "")
	})
}

func TestALateAnswerOfARunnerThatWasTakenOverIsNotApplied(t *testing.T) {
	for name, late := range map[string]providers.Outcome{
		"accepted": {Kind: providers.Accepted, Result: &providers.Result{Ref: "LATE"}}, "done": {Kind: providers.Done, Result: &providers.Result{Ref: "LATE"}},
		"rejected": fakeprovider.Refused, "not sent": fakeprovider.Unreached, "unknown": fakeprovider.Lost,
	} {
		t.Run(name, func(t *testing.T) {
			each(t, func(w *world) {
				w.provider.AnswerLookUp(providers.Finding{State: providers.FoundPending, Result: &providers.Result{Ref: "REF1"}, Sight: &providers.Sight{CreatedAt: w.Clock.Now()}})
				w.provider.AnswerIssue(late, func(context.Context) {
					w.Clock.Advance(lease) // the first runner was frozen
					w.Done(w.Run(w.worker("second"), w.task))
				})
				w.Waits(w.run())
				if rec := w.state(order.Accepted, ""); rec.ProviderRef != "REF1" || rec.Attempts != 1 {
					w.T.Errorf("ref %q, %d attempts", rec.ProviderRef, rec.Attempts)
				}
				if !w.Said("a late answer is not applied") {
					w.T.Error("the late answer is not in the log")
				}
				w.calls("issue, look_up")
			})
		})
	}
}

func TestARunnerThatWasTakenOverBeforeItsIntentSendsNothing(t *testing.T) {
	w := mini(t)
	c := w.config("first")
	c.Gate = providers.Prepayable(gateFunc(func() {
		w.Clock.Advance(lease) // it waited for the call budget for too long
		w.provider.AnswerIssue(providers.Outcome{Kind: providers.Accepted})
		w.Done(w.Run(w.worker("second"), w.task))
	}))
	w.Waits(w.Run(w.configured(c), w.task))
	w.calls("issue")
	w.state(order.Accepted, "")
}

type gateFunc func()

func (f gateFunc) Pass(context.Context) error { f(); return nil }

// Twice it may have been anybody's doing; after that it is worked on alone, and five more deaths are its own.
func TestAnOrderThatKeepsTakingWorkersDownNeedsReview(t *testing.T) {
	w := mini(t)
	w.provider.AnswerIssue(providers.Outcome{}, handlertest.Dies)
	w.dies(w.run())
	for range 6 {
		w.Clock.Advance(lease)
		w.provider.AnswerLookUp(providers.Finding{}, handlertest.Dies)
		w.dies(w.run())
	}
	w.Clock.Advance(lease)
	w.Done(w.run())
	if rec := w.state(order.Review, "crashes_worker"); rec.Abandoned != 2 || rec.Crashes != 5 {
		t.Errorf("abandoned %d times, %d crashes", rec.Abandoned, rec.Crashes)
	}
	w.quiet()
}

func TestAFailingHandlerIsNoCrash(t *testing.T) {
	w := mini(t)
	w.follower.err = errors.New("Redis is away")
	w.provider.AnswerIssue(providers.Outcome{Kind: providers.Accepted})
	// Redis refuses the intent, as with REDIS_WAIT_REPLICAS and too few replicas: nothing is sent,
	// and the claim is given back, so that the next run need not wait for it to run out.
	l := w.Ledger
	w.Ledger = ledger.New(w.RDB, ledger.Options{Now: w.Clock.Now, WaitReplicas: 1})
	for range 6 {
		if err := w.run(); err == nil || w.record().Runner != "" {
			t.Fatalf("the run ended with %v, the claim is held by %q", err, w.record().Runner)
		}
	}
	w.calls("")
	w.Ledger = l
	if rec := w.record(); rec.Crashes != 0 || !rec.DoubtAt.IsZero() || rec.State != order.Queued {
		t.Errorf("%d crashes, in doubt since %s, %s", rec.Crashes, rec.DoubtAt, rec.State)
	}
	if err := w.run(); err == nil {
		t.Error("the follower's error was lost")
	}
	w.calls("issue")
	w.state(order.Accepted, "")
}

func TestATaskThatIsCancelledInTheMiddleOfItsCallLosesNoAnswer(t *testing.T) {
	for name, c := range map[string]struct {
		out   providers.Outcome
		state order.State
		code  string
	}{
		"accepted": {providers.Outcome{Kind: providers.Accepted}, order.Accepted, ""},
		"done":     {providers.Outcome{Kind: providers.Done, Result: result()}, order.Issued, ""},
		"rejected": {fakeprovider.Refused, order.Failed, fakeprovider.Refused.Code},
		"unknown":  {fakeprovider.Lost, order.Submitting, fakeprovider.Lost.Code},
		"not sent": {fakeprovider.Unreached, order.Queued, fakeprovider.Unreached.Code},
	} {
		t.Run(name, func(t *testing.T) {
			each(t, func(w *world) {
				ctx, cancel := context.WithCancel(context.Background())
				w.provider.AnswerIssue(c.out, func(inCall context.Context) {
					cancel()
					<-inCall.Done() // the call has to end
				})
				_ = w.RunContext(ctx, w.worker("w"), w.task)
				if rec := w.state(c.state, c.code); rec.Runner != "" {
					w.T.Errorf("the claim is still held by %s", rec.Runner)
				}
			})
		})
	}
}

func TestATaskThatIsCancelledBeforeItsCallSendsNothing(t *testing.T) {
	each(t, func(w *world) {
		ctx, cancel := context.WithCancel(context.Background())
		c := w.config("w")
		c.Gate = providers.Prepayable(gateFunc(cancel))
		if err := w.RunContext(ctx, w.configured(c), w.task); err == nil {
			w.T.Error("a cancelled run claims to have come to its end")
		}
		w.calls("")
		if rec := w.state(order.Queued, ""); rec.Runner != "" || rec.Crashes != 0 || !rec.DoubtAt.IsZero() {
			w.T.Errorf("the claim is still held by %q, in doubt since %s", rec.Runner, rec.DoubtAt)
		}
		w.provider.AnswerIssue(providers.Outcome{Kind: providers.Accepted})
		w.Done(w.run())
		w.state(order.Accepted, "")
		w.calls("issue")
	})
}

func TestAnAnswerThatCannotBeRecordedIsADoubt(t *testing.T) {
	s := testredis.StartDurable(t)
	w := newWorld(handlertest.New(t, s))
	w.provider.AnswerIssue(providers.Outcome{Kind: providers.Accepted}, func(context.Context) { s.Kill() })
	if err := w.run(); err == nil {
		t.Fatal("an answer that was not recorded is taken for recorded")
	}
	s.Restart()
	w.state(order.Submitting, "")
	w.Clock.Advance(lease)
	w.provider.AnswerLookUp(fakeprovider.Known(providers.FoundPending))
	w.Done(w.run())
	w.state(order.Accepted, "")
	w.calls("issue, look_up")
}
