package budget

import (
	"cmp"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/keys"
	"issuance/providers"
)

// Terms are what all workers that serve an account have to agree in: of two that do not, each would make all the calls that
// the provider allows. Those announced last are in force.
type Terms struct {
	Allowance string // never empty
	PerSecond float64
}

// Terms are the account's as this budget keeps them.
func (b *Budget) Terms() Terms { return Terms{b.cfg.Allowance, b.cfg.PerSecond} }

// TermsOf are those of a setting, in which an allowance of the account's own may be left out.
func TermsOf(a providers.Account, allowance string, perSecond float64) Terms {
	return Terms{cmp.Or(allowance, a.String()), perSecond}
}

// NewTerms reads the terms in force of accounts when any worker has announced others since, and returns what to ask with the next
// time; "" has them read in any case. It asks Redis once while nothing has changed. Accounts that nobody has announced are left out.
func NewTerms(ctx context.Context, rdb redis.UniversalClient, since string, accounts []providers.Account) (in map[providers.Account]Terms, next string, err error) {
	next, err = rdb.Get(ctx, keys.Terms).Result()
	if errors.Is(err, redis.Nil) {
		next, err = "0", nil
	}
	if err != nil || next == since {
		return nil, since, err
	}
	in = map[providers.Account]Terms{}
	for some := range slices.Chunk(accounts, atOnce) {
		names := make([]string, len(some))
		for i, a := range some {
			names[i] = a.String()
		}
		entries, err := rdb.HMGet(ctx, keys.Accounts, names...).Result()
		if err != nil {
			return nil, since, fmt.Errorf("announced accounts: %w", err)
		}
		for i, entry := range entries {
			text, ok := entry.(string)
			if !ok {
				continue
			}
			a, err := readAnnouncement(names[i], text)
			if err != nil {
				return nil, since, err
			}
			in[some[i]] = Terms{a.Allowance, a.PerSecond}
		}
	}
	return in, next, nil
}

// settle is for how long nobody calls under the allowance that an account has come to while another worker may go on with the one
// before: until that has seen the change (2 s), and the calls that waited for a slot of it have left.
const settle = 2*time.Second + defaultMaxWait

//go:embed move.lua
var moveSource string

var moveScript = redis.NewScript(moveSource)

// TakeOver has the account's allowance keep a ban of the one that it had before.
func (b *Budget) TakeOver(ctx context.Context, before Terms) error {
	return b.takeOver(ctx, before.Allowance, 0)
}

func (b *Budget) takeOver(ctx context.Context, allowance string, wait time.Duration) error {
	if allowance == b.cfg.Allowance {
		return nil
	}
	ban, err := b.rdb.HMGet(ctx, keysOf(allowance, b.cfg.Account).ban, "until", "since", "reason").Result()
	if err != nil {
		return err
	}
	until, _ := ban[0].(string)
	since, _ := ban[1].(string)
	reason, _ := ban[2].(string)
	return moveScript.Run(ctx, b.rdb, []string{b.keys.tat, b.keys.ban}, cmp.Or(until, "0"), since, reason,
		b.cfg.Ramp.Microseconds(), wait.Microseconds(), b.now()).Err()
}

// After has the budget know of a ban that the one which it replaces could not write to Redis yet.
func (b *Budget) After(before *Budget) {
	before.mu.Lock()
	refused := before.unpublished
	before.mu.Unlock()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.unpublished == nil && refused != nil {
		b.unpublished = &refusal{reason: refused.reason, at: refused.at, logged: refused.logged}
	}
}
