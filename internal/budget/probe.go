package budget

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/keys"
	"issuance/providers"
	"issuance/tasks/order"
)

// probe is one question whether the provider answers again.
type probe struct {
	idle bool        // nothing was known to be wrong
	over atomic.Bool // it was not answered
	left atomic.Bool // a call of it has left
}

type probeKey struct{}

type accessKey struct{}

// WithAccess says with which credentials and addresses the probes under a context are made: a keyed digest of them, which is the same
// in all workers that have the same, and never the credentials themselves. Default: nobody knows, and no probe is due because of them.
func WithAccess(ctx context.Context, access string) context.Context {
	return context.WithValue(ctx, accessKey{}, access)
}

func accessOf(ctx context.Context) string {
	access, _ := ctx.Value(accessKey{}).(string)
	return access
}

// ClaimProbe lets one worker at a time ask whether an account that is down is answered again: ok is true
// when the next probe is due and this process is the one to make it, now, with calls under the returned
// context. They belong to the polls, are not held by the trouble that they ask about, and end once one of
// them has found nobody there.
func (b *Budget) ClaimProbe(ctx context.Context) (_ context.Context, ok bool, err error) {
	n, err := claimScript.Run(ctx, b.rdb, []string{b.keys.health}, b.worker, b.now(),
		probeEvery.Microseconds(), probeRarely.Microseconds(), goesFirst.Microseconds(), accessOf(ctx)).Int()
	if err != nil {
		return ctx, false, fmt.Errorf("probe %s: %w", b.cfg.Account, err)
	}
	return probing(ctx, false), n == 1, nil
}

// EndProbe ends a probe that was claimed. One of which no call has left, because the call budget was used up, is due again soon.
func (b *Budget) EndProbe(ctx context.Context) error {
	p := probeOf(ctx)
	if p == nil || p.idle || p.left.Load() {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), publishLimit)
	defer cancel()
	if err := unaskedScript.Run(ctx, b.rdb, []string{b.keys.health}, b.worker, b.now(), firstProbe.Microseconds(), accessOf(ctx)).Err(); err != nil && !errors.Is(err, redis.Nil) {
		return fmt.Errorf("probe %s: %w", b.cfg.Account, err)
	}
	return nil
}

// ClaimIdleProbe is ClaimProbe of an account that nobody calls (State.IdleProbeDue). Of all accounts of a provider, one may be asked a
// second; none whose probe has drawn a ban before any was answered, because another one might draw the next.
func (b *Budget) ClaimIdleProbe(ctx context.Context) (_ context.Context, ok bool, err error) {
	if b.fitness().banned {
		return ctx, false, nil
	}
	n, err := idleScript.Run(ctx, b.rdb, []string{keys.IdleProbe(b.cfg.Account.Provider)}, b.now(), idleProbes.Microseconds()).Int()
	if err != nil {
		return ctx, false, fmt.Errorf("probe %s: %w", b.cfg.Account, err)
	}
	return probing(ctx, true), n == 1, nil
}

// idleProbes is the least time between two probes of a provider's idle accounts, so that many accounts cost no more calls than few.
const idleProbes = time.Second

func probing(ctx context.Context, idle bool) context.Context {
	return context.WithValue(WithLane(ctx, order.Poll), probeKey{}, &probe{idle: idle})
}

// fitness is what this process knows of how the provider answers probes. No document says what it answers about an order
// that does not exist: it may be something that no other call is answered with.
type fitness struct {
	proven bool // a probe was answered authentically
	// refused is how many probes of an account that was well were answered as if it were not.
	refused int
	doubted time.Time // since when probes of an account that is down have been answered so
	let     time.Time // when one of these was last taken for the end of the trouble
	banned  bool      // one of an account that was well drew a ban, and none was answered before
}

// judge is what an answer to a probe says of the account; nothing, while the provider may answer so about any order that does
// not exist. Then no probe would end a trouble, so now and then a few calls find out: at once where other calls were answered
// while probes were not.
func (b *Budget) judge(ctx context.Context, p *probe, c providers.Condition) (_ providers.Condition, says bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f, now := &b.own.probes, b.clock()
	switch {
	case c.State == providers.HealthOK:
		f.proven, f.doubted = true, time.Time{}
		return c, true
	case f.proven || ofEveryCall(c):
		return c, true
	case p.idle:
		if f.refused++; f.refused == enoughTroubles {
			b.cfg.Log.WarnContext(ctx, "the provider has no proper answer about an order that does not exist: while nobody calls the account, only that nobody answers is noticed",
				"account", b.cfg.Account.String(), "code", c.Code)
		}
		return c, false
	case f.doubted.IsZero():
		f.doubted = now
	}
	if f.unfit() && !b.own.answered.IsZero() && now.Sub(f.let) >= probeRarely || now.Sub(f.doubted) >= keepTrouble {
		f.let, f.doubted = now, time.Time{}
		return providers.Condition{State: providers.HealthOK, Code: c.Code, Took: c.Took}, true
	}
	return c, true
}

// ofEveryCall reports whether a call would have ended so whatever it had asked: nobody answers, or a gateway in the provider's place.
func ofEveryCall(c providers.Condition) bool {
	return c.State == providers.HealthUnreachable && c.Code != "http_500" && c.Code != "http_501"
}

// unknown says that too few probes were answered to know what the provider answers them; unfit that enough were, and none
// properly.
func (f fitness) unknown() bool { return !f.proven && f.refused < enoughTroubles }
func (f fitness) unfit() bool   { return !f.proven && f.refused >= enoughTroubles }

func (b *Budget) fitness() fitness {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.own.probes
}

func probeOf(ctx context.Context) *probe {
	p, _ := ctx.Value(probeKey{}).(*probe)
	return p
}
