package budget

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"issuance/internal/keys"
	"issuance/tasks/order"
)

// probe is one question whether the provider answers again.
type probe struct {
	over atomic.Bool // it was not answered
}

type probeKey struct{}

// ClaimProbe lets one worker at a time ask whether an account that is down is answered again: ok is true
// when the next probe is due and this process is the one to make it, now, with calls under the returned
// context. They belong to the polls, are not held by the trouble that they ask about, and end once one of
// them has found nobody there.
func (b *Budget) ClaimProbe(ctx context.Context) (_ context.Context, ok bool, err error) {
	n, err := claimScript.Run(ctx, b.rdb, []string{b.keys.health}, b.worker, b.now(),
		probeEvery.Microseconds(), probeRarely.Microseconds(), goesFirst.Microseconds()).Int()
	if err != nil {
		return ctx, false, fmt.Errorf("probe %s: %w", b.cfg.Account, err)
	}
	return probing(ctx), n == 1, nil
}

// ClaimIdleProbe is ClaimProbe of an account that nobody calls (State.IdleProbeDue). Of all accounts of a provider, one may be asked a
// second.
func (b *Budget) ClaimIdleProbe(ctx context.Context) (_ context.Context, ok bool, err error) {
	n, err := idleScript.Run(ctx, b.rdb, []string{keys.IdleProbe(b.cfg.Account.Provider)}, b.now(), idleProbes.Microseconds()).Int()
	if err != nil {
		return ctx, false, fmt.Errorf("probe %s: %w", b.cfg.Account, err)
	}
	return probing(ctx), n == 1, nil
}

// idleProbes is the least time between two probes of a provider's idle accounts, so that many accounts cost no more calls than few.
const idleProbes = time.Second

func probing(ctx context.Context) context.Context {
	return context.WithValue(WithLane(ctx, order.Poll), probeKey{}, &probe{})
}

func probeOf(ctx context.Context) *probe {
	p, _ := ctx.Value(probeKey{}).(*probe)
	return p
}
