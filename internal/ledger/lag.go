package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/keys"
	"issuance/providers"
	"issuance/tasks/order"
)

// Lag is how long after a request an account's provider was ever seen not to show its effect yet; zero
// before that was seen.
func (l *Ledger) Lag(ctx context.Context, a providers.Account) (time.Duration, error) {
	ms, err := l.rdb.Get(ctx, keys.Lag(a)).Int64()
	if err != nil && !errors.Is(err, redis.Nil) {
		return 0, fmt.Errorf("ledger: lag of %s: %w", a, err)
	}
	return time.Duration(ms) * time.Millisecond, nil
}

// SawLag remembers a lag that is longer than any before, for 30 days. Of two at the same moment either may
// stay; the other is seen again.
func (l *Ledger) SawLag(ctx context.Context, a providers.Account, lag time.Duration) error {
	known, err := l.Lag(ctx, a)
	if err != nil || lag <= known {
		return err
	}
	if err := l.rdb.Set(ctx, keys.Lag(a), lag.Milliseconds(), 30*day).Err(); err != nil {
		return fmt.Errorf("ledger: lag of %s: %w", a, err)
	}
	return nil
}

// controls is how many of the latest events are searched for an issued order.
const controls = 200

// LatestIssued is an account's order that was issued last, as far as the latest events say; nil when there
// is none.
func (l *Ledger) LatestIssued(ctx context.Context, a providers.Account) (*Record, error) {
	messages, err := l.rdb.XRevRangeN(ctx, keys.Events, "+", "-", controls).Result()
	if err != nil {
		return nil, fmt.Errorf("ledger: events: %w", err)
	}
	for _, m := range messages {
		e := event(m)
		if e.Account != a || e.IsRefund() || e.State != order.Issued {
			continue
		}
		rec, err := l.Load(ctx, e.Ref)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		return rec, err
	}
	return nil, nil
}
