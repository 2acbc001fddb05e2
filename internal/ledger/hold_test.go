package ledger

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A claim is extended every third of its lease for as long as it is held, and no longer.
func TestAHeldClaimIsExtended(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n atomic.Int32
		ctx, stop := Hold(t.Context(), 9*time.Second, func(context.Context) error { n.Add(1); return nil })
		<-time.After(31 * time.Second)
		if n.Load() != 10 || ctx.Err() != nil {
			t.Errorf("%d times in 31 s, %v", n.Load(), ctx.Err())
		}
		stop()
		<-time.After(time.Minute)
		if n.Load() != 10 || !errors.Is(context.Cause(ctx), context.Canceled) {
			t.Errorf("%d times, %v", n.Load(), context.Cause(ctx))
		}
	})
}

// A claim that another runner has taken over is let go at once.
func TestALostClaimIsLetGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := Hold(t.Context(), 9*time.Second, func(context.Context) error { return ErrFenced })
		defer stop()
		began := time.Now()
		<-ctx.Done()
		if took := time.Since(began); took != 3*time.Second || !errors.Is(context.Cause(ctx), ErrFenced) {
			t.Errorf("after %s: %v", took, context.Cause(ctx))
		}
	})
}

// A claim that cannot be extended, because Redis refuses or hangs, is let go before it runs out;
// one error alone does not end it.
func TestAClaimIsLetGoBeforeItRunsOut(t *testing.T) {
	for name, extend := range map[string]func(ctx context.Context) error{
		"refused": func(context.Context) error { return errors.New("connection refused") },
		"hangs":   func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, stop := Hold(t.Context(), 9*time.Second, extend)
			defer stop()
			began := time.Now()
			<-ctx.Done()
			if took := time.Since(began); took > 9*time.Second || took < 6*time.Second || !errors.Is(context.Cause(ctx), ErrFenced) {
				t.Errorf("%s: after %s: %v", name, took, context.Cause(ctx))
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		n := 0
		ctx, stop := Hold(t.Context(), 9*time.Second, func(context.Context) error {
			if n++; n == 1 {
				return errors.New("connection reset")
			}
			return nil
		})
		defer stop()
		<-time.After(time.Minute)
		if ctx.Err() != nil {
			t.Errorf("one error ended the claim: %v", context.Cause(ctx))
		}
	})
}

// The end of the task ends the claim's context, and stop returns when nothing is extended any more.
func TestAHeldClaimEndsWithItsTask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		task, cancel := context.WithCancel(t.Context())
		ctx, stop := Hold(task, 9*time.Second, func(context.Context) error { return nil })
		cancel()
		<-ctx.Done()
		stop()
		stop() // twice is harmless
	})
}
