package budget

import (
	"context"
	"fmt"
	"sync/atomic"

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
	return context.WithValue(WithLane(ctx, order.Poll), probeKey{}, &probe{}), n == 1, nil
}

func probeOf(ctx context.Context) *probe {
	p, _ := ctx.Value(probeKey{}).(*probe)
	return p
}
