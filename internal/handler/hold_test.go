package handler_test

import (
	"context"
	"testing"
	"time"

	"issuance/internal/fakeprovider"
	"issuance/internal/handlertest"
	"issuance/internal/ledger"
)

// short is a lease whose thirds pass in a test, and which a slow machine keeps all the same.
const short = 3 * time.Second

// embedded is kinds over miniredis alone: a claim is held by the machine's clock.
func embedded(t *testing.T, run func(w *world)) {
	for _, kind := range []string{"order", "refund"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			w := newWorld(handlertest.Mini(t), kind)
			w.lease = short
			run(w)
		})
	}
}

func TestAClaimIsExtendedWhileACallLasts(t *testing.T) {
	embedded(t, func(w *world) {
		extended := make(chan struct{}, 100)
		w.answer(fakeprovider.Yes, func(context.Context) {
			w.RDB.AddHook(handlertest.Commands{Done: extended})
			w.Clock.Advance(short * 3 / 4)
			for range 2 { // the first one may have begun before
				select {
				case <-extended:
				case <-time.After(10 * time.Second):
					w.T.Error("the claim is not extended")
				}
			}
			w.Clock.Advance(short * 3 / 4) // by now the claim would have run out
			other := ledger.New(w.Redis.Client(), ledger.Options{Now: w.Clock.Now})
			if c, err := other.Claim(w.T.Context(), w.ref, "other", short); err != nil || c.Verdict != ledger.Busy {
				w.T.Errorf("another runner's claim is answered %q, %v", c.Verdict, err)
			}
		})
		w.Done(w.run())
		if rec := w.record(); !rec.State.Settled() || rec.Crashes != 0 {
			w.T.Errorf("the record is %s after %d crashes", rec.State, rec.Crashes)
		}
	})
}

// A runner that was frozen must not go on with its call beside the one that has taken over.
func TestACallEndsWhenItsClaimIsLost(t *testing.T) {
	embedded(t, func(w *world) {
		w.answer(fakeprovider.Lost, func(ctx context.Context) {
			w.Clock.Advance(short)
			if c, err := w.Ledger.Claim(w.T.Context(), w.ref, "other", time.Hour); err != nil || c.Verdict != ledger.MustLookUp {
				w.T.Errorf("the other runner's claim is answered %q, %v", c.Verdict, err)
			}
			select {
			case <-ctx.Done():
			case <-time.After(10 * time.Second):
				w.T.Error("the call goes on")
			}
		})
		w.Waits(w.run())
		if rec := w.record(); rec.Runner != "other" {
			w.T.Errorf("the record is held by %q", rec.Runner)
		}
	})
}
