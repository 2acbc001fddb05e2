package ledger

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

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

// View reads a record for the sweeper, or ErrNotFound.
func (l *Ledger) View(ctx context.Context, r Ref) (*View, error) {
	now, err := l.Time(ctx)
	if err != nil {
		return nil, fmt.Errorf("ledger: view %s: %w", r, err)
	}
	f, err := l.rdb.HMGet(ctx, r.record(), "state", "lane", "runner", "until", "fence", "created_at", "updated_at",
		"fp", "shape", "doc").Result()
	if err != nil {
		return nil, fmt.Errorf("ledger: view %s: %w", r, err)
	}
	s := func(i int) string { v, _ := f[i].(string); return v }
	if s(0) == "" {
		return nil, ErrNotFound
	}
	return &View{Now: now, State: State(s(0)), Lane: s(1), Runner: s(2), Until: millis(s(3)), Fence: number(s(4)),
		CreatedAt: millis(s(5)), UpdatedAt: millis(s(6)), Fingerprint: s(7), Shape: json.RawMessage(s(8)), Document: seal.Sealed(s(9))}, nil
}
