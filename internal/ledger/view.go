package ledger

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/keys"
	"issuance/tasks/order"
)

// View is what the sweeper needs of a record, with the ledger's time.
type View struct {
	Now    time.Time
	State  order.State
	Lane   order.Lane
	Runner string
	Until  time.Time
	Fence  int
}

// Live reports whether a runner holds a valid claim.
func (v *View) Live() bool { return v.Runner != "" && v.Until.After(v.Now) }

// Abandoned reports whether a runner died with the claim in its hands.
func (v *View) Abandoned() bool { return v.Runner != "" && !v.Until.After(v.Now) }

// Views reads many records in one round trip. A record that does not exist is nil.
func (l *Ledger) Views(ctx context.Context, refs []order.Ref) ([]*View, error) {
	pipe := l.rdb.Pipeline()
	now := l.timeIn(ctx, pipe)
	cmds := make([]*redis.SliceCmd, len(refs))
	for i, r := range refs {
		cmds[i] = pipe.HMGet(ctx, keys.Record(r), "state", "lane", "runner", "until", "fence")
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, fmt.Errorf("ledger: view: %w", err)
	}
	views := make([]*View, len(refs))
	for i, c := range cmds {
		views[i] = view(now(), c.Val())
	}
	return views, nil
}

func view(now time.Time, f []any) *View {
	s := func(i int) string { v, _ := f[i].(string); return v }
	if s(0) == "" {
		return nil
	}
	return &View{Now: now, State: order.State(s(0)), Lane: order.Lane(s(1)), Runner: s(2), Until: millis(s(3)), Fence: number(s(4))}
}
