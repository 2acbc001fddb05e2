package handler

import (
	"context"
	"sync"
	"time"

	"issuance/internal/ledger"
	"issuance/tasks/order"
)

// turns are the orders whose turn a refund of this process has and is working on. Refunds of one order follow each other
// by it without asking Redis again and again; those of other processes come back a second later. Safe for concurrent use.
type turns struct {
	mu   sync.Mutex
	over map[order.Ref]chan struct{} // closed when the turn may be free
}

// begin says that a refund has its order's turn. The returned function says that it may be free; calling it again does
// nothing.
func (t *turns) begin(r order.Ref) (free func()) {
	over := make(chan struct{})
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.over == nil {
		t.over = map[order.Ref]chan struct{}{}
	}
	t.over[r.Order()] = over
	return sync.OnceFunc(func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if t.over[r.Order()] == over {
			delete(t.over, r.Order())
		}
		close(over)
	})
}

// of is closed when the turn of a refund's order may be free; nil when nobody in this process has it.
func (t *turns) of(r order.Ref) <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.over[r.Order()]
}

// claimInTurn claims the record. A refund waits a little for its turn while another one of this process has it.
func (r *Run) claimInTurn(ctx context.Context) error {
	limit := time.NewTimer(turnWait)
	defer limit.Stop()
	for {
		over := r.turns.of(r.Ref)
		if err := r.claim(ctx); err != nil || r.Claim.Verdict != ledger.WaitTurn {
			return err
		}
		if over == nil {
			over = r.turns.of(r.Ref) // it has begun meanwhile
		}
		if over == nil {
			return nil
		}
		select {
		case <-over:
		case <-limit.C:
			return nil
		case <-ctx.Done():
			return nil
		}
	}
}

// TurnFree lets the order's other refunds go on: this one has chosen its tickets.
func (r *Run) TurnFree() {
	if r.turnFree != nil {
		r.turnFree()
	}
}
