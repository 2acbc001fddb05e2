package ledger

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/seal"
)

// View is what the sweeper needs of an order's or a refund's record, with the ledger's time.
type View struct {
	Now         time.Time
	State       State
	Lane        string
	Runner      string
	Until       time.Time
	Fence       int
	CreatedAt   time.Time
	UpdatedAt   time.Time
	Fingerprint string
	Shape       json.RawMessage
	Document    seal.Sealed
}

// Live reports whether a runner holds a valid claim.
func (v *View) Live() bool { return v.Runner != "" && v.Until.After(v.Now) }

// Abandoned reports whether a runner died with the claim in its hands.
func (v *View) Abandoned() bool { return v.Runner != "" && !v.Until.After(v.Now) }

// viewed are the fields of a View, those of a Glance first.
var viewed = []string{"state", "lane", "runner", "until", "fence", "created_at", "updated_at", "fp", "shape", "doc"}

// glanced is how many of them a Glance reads.
const glanced = 7

func view(now time.Time, f []any) *View {
	s := func(i int) string {
		if i >= len(f) {
			return ""
		}
		v, _ := f[i].(string)
		return v
	}
	if s(0) == "" {
		return nil
	}
	return &View{Now: now, State: State(s(0)), Lane: s(1), Runner: s(2), Until: millis(s(3)), Fence: number(s(4)),
		CreatedAt: millis(s(5)), UpdatedAt: millis(s(6)), Fingerprint: s(7), Shape: json.RawMessage(s(8)), Document: seal.Sealed(s(9))}
}

// View reads a record for the sweeper, or ErrNotFound.
func (l *Ledger) View(ctx context.Context, r Ref) (*View, error) {
	pipe := l.rdb.Pipeline()
	f, now := pipe.HMGet(ctx, r.record(), viewed...), l.timeIn(ctx, pipe)
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, fmt.Errorf("ledger: view %s: %w", r, err)
	}
	v := view(now(), f.Val())
	if v == nil {
		return nil, ErrNotFound
	}
	return v, nil
}

// Glance reads many records in one round trip, without what they were made of: fingerprint, shape and
// document. A record that does not exist is nil.
func (l *Ledger) Glance(ctx context.Context, refs []Ref) ([]*View, error) {
	pipe := l.rdb.Pipeline()
	now := l.timeIn(ctx, pipe)
	cmds := make([]*redis.SliceCmd, len(refs))
	for i, r := range refs {
		cmds[i] = pipe.HMGet(ctx, r.record(), viewed[:glanced]...)
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, fmt.Errorf("ledger: glance: %w", err)
	}
	views := make([]*View, len(refs))
	for i, c := range cmds {
		views[i] = view(now(), c.Val())
	}
	return views, nil
}
