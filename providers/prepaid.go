package providers

import (
	"context"
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
	unused atomic.Bool
	at     time.Time
}

// fresh is how long a prepayment is good for: longer than writing an intent takes, unless Redis or this
// process stood still, in which case others have had their turn meanwhile, or a ban has come.
const fresh = time.Second

// Prepay passes the gate now. The next Pass with the returned context within a second, and only that one,
// is free.
func (p *PrepayableGate) Prepay(ctx context.Context) (context.Context, error) {
	if p == nil || p.gate == nil {
		return ctx, nil
	}
	if err := p.gate.Pass(ctx); err != nil {
		return ctx, err
	}
	paid := &prepayment{at: time.Now()}
	paid.unused.Store(true)
	return context.WithValue(ctx, prepaidKey{}, paid), nil
}

// Pass implements Gate.
func (p *PrepayableGate) Pass(ctx context.Context) error {
	paid, ok := ctx.Value(prepaidKey{}).(*prepayment)
	if ok && paid.unused.CompareAndSwap(true, false) && time.Since(paid.at) <= fresh {
		return nil
	}
	if p.gate == nil {
		return nil
	}
	return p.gate.Pass(ctx)
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
