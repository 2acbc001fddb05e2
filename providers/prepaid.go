package providers

import (
	"context"
	"sync/atomic"
)

// Prepayable wraps a gate so that a handler can pass it before it writes the intent of a call:
// waiting for the call budget then leaves no intent behind that never became a call. A nil gate
// stays without limit. Safe for concurrent use.
func Prepayable(g Gate) *PrepayableGate { return &PrepayableGate{gate: g} }

// PrepayableGate is a Gate whose passes can be taken ahead of the call.
type PrepayableGate struct{ gate Gate }

type prepaidKey struct{}

// Prepay passes the gate now. The next Pass with the returned context, and only that one, is free.
func (p *PrepayableGate) Prepay(ctx context.Context) (context.Context, error) {
	if p == nil || p.gate == nil {
		return ctx, nil
	}
	if err := p.gate.Pass(ctx); err != nil {
		return ctx, err
	}
	var unused atomic.Bool
	unused.Store(true)
	return context.WithValue(ctx, prepaidKey{}, &unused), nil
}

// Pass implements Gate.
func (p *PrepayableGate) Pass(ctx context.Context) error {
	if unused, ok := ctx.Value(prepaidKey{}).(*atomic.Bool); ok && unused.CompareAndSwap(true, false) {
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
