package budget

import (
	"context"
	"time"
)

// Lane is a class of calls that share one account's allowance.
type Lane string

const (
	Checkout Lane = "checkout" // somebody waits for the answer
	Poll     Lane = "poll"     // follow-ups; many wait for their result
	Bulk     Lane = "bulk"     // everything that may take its time
)

// Lanes lists every lane, first come first.
var Lanes = []Lane{Checkout, Poll, Bulk}

type laneKey struct{}

// WithLane makes the calls under a context belong to lane.
func WithLane(ctx context.Context, lane Lane) context.Context {
	return context.WithValue(ctx, laneKey{}, lane)
}

func laneOf(ctx context.Context, otherwise Lane) Lane {
	if l, ok := ctx.Value(laneKey{}).(Lane); ok {
		return l
	}
	return otherwise
}

// policy is a lane's line of the table in the package comment.
type policy struct {
	tolerance time.Duration // how far before its base a slot may lie
	ahead     time.Duration // how far ahead of now a slot may be taken
	patience  time.Duration // refused for so long, it may take one slot as far ahead as impatient says; 0 = never
	impatient time.Duration
}

func (b *Budget) policy(l Lane) (policy, bool) {
	t := b.spacing
	// Checkouts fill the line up to MaxWait + 2·T; one impatient slot of each lower lane has to
	// find its place behind them.
	impatient := b.cfg.MaxWait + 3*t
	switch l {
	case Checkout:
		return policy{tolerance: time.Duration(b.cfg.Reserve-1) * t, ahead: b.cfg.MaxWait}, true
	case Poll:
		return policy{ahead: t / 2, patience: 8 * t, impatient: impatient}, true
	case Bulk:
		return policy{patience: 20 * t, impatient: impatient}, true
	}
	return policy{}, false
}
