package budget

import (
	"context"
	"time"

	"issuance/tasks/order"
)

type laneKey struct{}

// WithLane makes the calls under a context belong to lane.
func WithLane(ctx context.Context, lane order.Lane) context.Context {
	return context.WithValue(ctx, laneKey{}, lane)
}

// LaneOf is the lane of the calls under a context, or another one where it says none.
func LaneOf(ctx context.Context, otherwise order.Lane) order.Lane {
	if l, ok := ctx.Value(laneKey{}).(order.Lane); ok {
		return l
	}
	return otherwise
}

// policy is a lane's line of the table in the package comment.
type policy struct {
	ahead     time.Duration // how far ahead of now a slot may be taken
	patience  time.Duration // refused for so long, it may take one slot as far ahead as impatient says; 0 = never
	impatient time.Duration
}

func (b *Budget) policy(l order.Lane) (policy, bool) {
	t := b.spacing
	// Checkouts fill the line up to MaxWait + T; one impatient slot of each lower lane has to
	// find its place behind them.
	impatient := b.cfg.MaxWait + 3*t
	switch l {
	case order.Checkout:
		return policy{ahead: b.cfg.MaxWait}, true
	case order.Poll:
		return policy{ahead: t / 2, patience: 8 * t, impatient: impatient}, true
	case order.Bulk:
		return policy{patience: 20 * t, impatient: impatient}, true
	}
	return policy{}, false
}
