package providers

import (
	"context"
	"errors"
	"sync/atomic"
	"time"
)

// Prepayable wraps a gate so that a handler can pass it before it writes the intent of a call:
// waiting for the call budget then leaves no intent behind that never became a call. A nil gate
// stays without limit. Safe for concurrent use.
func Prepayable(g Gate) *PrepayableGate { return &PrepayableGate{gate: g} }

// PrepayableGate is a Gate whose passes can be taken ahead of the call.
type PrepayableGate struct{ gate Gate }

type prepaidKey struct{}

// prepayment is one pass that was taken ahead.
type prepayment struct {
	unused  atomic.Bool
	at      time.Time
	leaveBy time.Time // zero: at any time
}

// fresh is how long a prepayment is good for: longer than writing an intent takes, unless Redis or this
// process stood still, in which case others have had their turn meanwhile, or a ban has come.
const fresh = time.Second

// Prepay passes the gate now. The next Pass with the returned context within a second, and only that one,
// is free; where the gate is a Departer it still waits until the call may leave.
func (p *PrepayableGate) Prepay(ctx context.Context) (context.Context, error) {
	if p == nil || p.gate == nil {
		return ctx, nil
	}
	ctx = withSlot(ctx)
	if err := p.gate.Pass(ctx); err != nil {
		return ctx, err
	}
	paid := &prepayment{at: time.Now()}
	paid.unused.Store(true)
	return context.WithValue(ctx, prepaidKey{}, paid), nil
}

// LeaveWithin bounds when the call leaves that a context of Prepay is for: after d, counted from now, its Pass returns a
// *HeldError. It is for whoever may not let it leave later, whatever stood still meanwhile, and has to be called before
// the context is handed on. A context without a prepayment stays without a bound.
func LeaveWithin(ctx context.Context, d time.Duration) {
	if paid, ok := ctx.Value(prepaidKey{}).(*prepayment); ok {
		paid.leaveBy = time.Now().Add(d)
	}
}

// Pass implements Gate. The call leaves when it returns.
func (p *PrepayableGate) Pass(ctx context.Context) error {
	paid, ok := ctx.Value(prepaidKey{}).(*prepayment)
	first := ok && paid.unused.CompareAndSwap(true, false)
	if p.gate == nil {
		return nil
	}
	if err := p.depart(ctx, first && time.Since(paid.at) <= fresh); err != nil {
		return err
	}
	if first && paid.late(time.Now()) {
		return &HeldError{RetryAfter: time.Second, Reason: "the call would have left too late"}
	}
	return nil
}

// mostMissed is how many slots a call may miss until it leaves with the next one, be it late: on a machine that is late with everything
// it would never leave otherwise.
const mostMissed = 3

// depart lets a call leave that has passed, or has to pass first.
func (p *PrepayableGate) depart(ctx context.Context, passed bool) error {
	d, departs := p.gate.(Departer)
	for missed := 0; ; missed++ {
		if !passed {
			if ctx = withSlot(ctx); missed >= mostMissed {
				ctx = withoutSlot(ctx)
			}
			if err := p.gate.Pass(ctx); err != nil {
				return err
			}
		}
		if !departs {
			return nil
		}
		if err := d.Depart(ctx); !errors.Is(err, ErrMissed) {
			return err
		}
		passed = false
	}
}

// late reports whether the call may not leave any more. A machine that was suspended notices it by its wall clock alone.
func (p *prepayment) late(now time.Time) bool {
	return !p.leaveBy.IsZero() && (!now.Before(p.leaveBy) || !now.Round(0).Before(p.leaveBy.Round(0)))
}

// Banned implements BanReporter where the wrapped gate does.
func (p *PrepayableGate) Banned(ctx context.Context, reason string) {
	if b, ok := p.gate.(BanReporter); ok {
		b.Banned(ctx, reason)
	}
}

// Answered implements HealthReporter where the wrapped gate does.
func (p *PrepayableGate) Answered(ctx context.Context, c Condition) {
	if h, ok := p.gate.(HealthReporter); ok {
		h.Answered(ctx, c)
	}
}

// Called implements CallObserver where the wrapped gate does.
func (p *PrepayableGate) Called(ctx context.Context, c Call) {
	if o, ok := p.gate.(CallObserver); ok {
		o.Called(ctx, c)
	}
}
