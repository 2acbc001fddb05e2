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

// Of the latest events, so many are searched for an issued order, in pages.
const (
	controls     = 2000
	controlsPage = 200
)

// LatestIssued is the order of an account that was issued last at a host, as far as the latest events say and
// a look-up of it is possible; nil when there is none.
func (l *Ledger) LatestIssued(ctx context.Context, a providers.Account, host string) (*Record, error) {
	until := "+"
	for range controls / controlsPage {
		messages, err := l.rdb.XRevRangeN(ctx, keys.Events, until, "-", controlsPage).Result()
		if err != nil {
			return nil, fmt.Errorf("ledger: events: %w", err)
		}
		for _, m := range messages {
			until = "(" + m.ID
			if rec, err := l.control(ctx, event(m), a, host); rec != nil || err != nil {
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
func (l *Ledger) control(ctx context.Context, e Event, a providers.Account, host string) (*Record, error) {
	if e.Account != a || e.IsRefund() || e.State != order.Issued {
		return nil, nil
	}
	rec, err := l.Load(ctx, e.Ref)
	switch {
	case errors.Is(err, ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, err
	case rec.State != order.Issued || len(rec.Stub) == 0 || rec.ResolvedBy != "" || rec.Host != "" && rec.Host != host:
		return nil, nil // (the host of an old one has expired)
	}
	return rec, nil
}
