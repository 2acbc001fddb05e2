package ledger

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/keys"
	"issuance/providers"
	"issuance/tasks/order"
)

// LongestLag is the most that a provider is behind itself: what is seen later than that may be a request that arrived late.
const LongestLag = 10 * time.Minute

// Lag is how long after a request an account's provider does not show its effect yet: the longest that was ever seen, or
// the age of an order that it has accepted and does not know at present, if that is longer. Zero before anything was seen.
func (l *Ledger) Lag(ctx context.Context, a providers.Account) (time.Duration, error) {
	seen, err := l.LagSeen(ctx, a)
	if err != nil {
		return 0, err
	}
	now, err := l.Time(ctx)
	if err != nil {
		return 0, fmt.Errorf("ledger: lag of %s: %w", a, err)
	}
	oldest, err := l.rdb.ZRangeArgsWithScores(ctx, redis.ZRangeArgs{Key: keys.Absent(a), ByScore: true,
		Start: now.Add(-LongestLag).UnixMilli(), Stop: "+inf", Count: 1}).Result()
	if err != nil {
		return 0, fmt.Errorf("ledger: lag of %s: %w", a, err)
	}
	if len(oldest) > 0 {
		seen = max(seen, now.Sub(time.UnixMilli(int64(oldest[0].Score))))
	}
	return seen, nil
}

// NotShown remembers that an account's provider does not know an order that it has accepted, which it was sent at a
// time. It counts for Lag until Shown, or until it is no lag any more.
func (l *Ledger) NotShown(ctx context.Context, r order.Ref, sent time.Time) error {
	now, err := l.Time(ctx)
	if err != nil || now.Sub(sent) > LongestLag {
		return err
	}
	key, before := keys.Absent(r.Account), strconv.FormatInt(now.Add(-LongestLag).UnixMilli(), 10)
	pipe := l.rdb.Pipeline()
	pipe.ZRemRangeByScore(ctx, key, "-inf", "("+before)
	pipe.ZAdd(ctx, key, redis.Z{Score: float64(sent.UnixMilli()), Member: r.OrderID})
	pipe.PExpire(ctx, key, LongestLag)
	if _, err := pipe.Exec(ctx); err != nil {
		return fmt.Errorf("ledger: lag of %s: %w", r.Account, err)
	}
	return nil
}

// Shown ends NotShown.
func (l *Ledger) Shown(ctx context.Context, r order.Ref) error {
	if err := l.rdb.ZRem(ctx, keys.Absent(r.Account), r.OrderID).Err(); err != nil {
		return fmt.Errorf("ledger: lag of %s: %w", r.Account, err)
	}
	return nil
}

// LagSeen is how long after a request an account's provider was ever seen not to show its effect yet; zero
// before that was seen.
func (l *Ledger) LagSeen(ctx context.Context, a providers.Account) (time.Duration, error) {
	ms, err := l.rdb.Get(ctx, keys.Lag(a)).Int64()
	if err != nil && !errors.Is(err, redis.Nil) {
		return 0, fmt.Errorf("ledger: lag of %s: %w", a, err)
	}
	return time.Duration(ms) * time.Millisecond, nil
}

// SawLag remembers a lag that is longer than any before, for 30 days. Of two at the same moment either may
// stay; the other is seen again.
func (l *Ledger) SawLag(ctx context.Context, a providers.Account, lag time.Duration) error {
	known, err := l.LagSeen(ctx, a)
	if err != nil || lag <= known {
		return err
	}
	if err := l.rdb.Set(ctx, keys.Lag(a), lag.Milliseconds(), 30*day).Err(); err != nil {
		return fmt.Errorf("ledger: lag of %s: %w", a, err)
	}
	return nil
}

// Of the latest events, so many are searched for an issued order, in pages.
const (
	controls     = 2000
	controlsPage = 200
)

// LatestIssued is the order of an account that was issued last at a site (providers.Site), as far as the latest events say and
// a look-up of it is possible; nil when there is none.
func (l *Ledger) LatestIssued(ctx context.Context, a providers.Account, site string) (*Record, error) {
	until := "+"
	for range controls / controlsPage {
		messages, err := l.rdb.XRevRangeN(ctx, keys.Events, until, "-", controlsPage).Result()
		if err != nil {
			return nil, fmt.Errorf("ledger: events: %w", err)
		}
		for _, m := range messages {
			until = "(" + m.ID
			if rec, err := l.control(ctx, event(m), a, site); rec != nil || err != nil {
				return rec, err
			}
		}
		if len(messages) < controlsPage {
			break
		}
	}
	return nil, nil
}

// control is the record of an event, if it is an order that the provider certainly has. A person's decision does
// not make it one.
func (l *Ledger) control(ctx context.Context, e Event, a providers.Account, site string) (*Record, error) {
	if e.Account != a || e.IsRefund() || e.State != order.Issued {
		return nil, nil
	}
	rec, err := l.Load(ctx, e.Ref)
	switch {
	case errors.Is(err, ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, err
	case rec.State != order.Issued || len(rec.Stub) == 0 || rec.ResolvedBy != "" || rec.Host != "" && rec.Host != site:
		return nil, nil // (the host of an old one has expired)
	}
	return rec, nil
}
