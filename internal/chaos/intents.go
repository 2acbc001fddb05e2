package chaos

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"issuance/internal/ledger"
	"issuance/tasks/order"
)

// Intents checks, at the moment a call that may change something arrives at a provider, that the
// ledger holds an intent for it: as many attempts as calls, at least. Safe for concurrent use.
type Intents struct {
	ledger *ledger.Ledger

	mu        sync.Mutex
	issues    map[order.Ref]int
	refunds   map[order.Ref]int
	missing   []string
	checked   int
	unchecked int // Redis did not answer in time
}

func newIntents(l *ledger.Ledger) *Intents {
	return &Intents{ledger: l, issues: map[order.Ref]int{}, refunds: map[order.Ref]int{}}
}

// intentPatience bounds the look into the ledger: the caller of the simulator waits for it.
const intentPatience = 300 * time.Millisecond

func (in *Intents) witness(c Call) {
	r := order.Ref{Account: accountOf(c.Provider), OrderID: c.OrderID}
	counts, attempts := in.issues, in.issueAttempts
	if c.Refunds() {
		counts, attempts = in.refunds, in.refundAttempts
	}
	in.mu.Lock()
	counts[r]++
	calls := counts[r]
	in.mu.Unlock()

	ctx, cancel := context.WithTimeout(context.Background(), intentPatience)
	defer cancel()
	written, err := attempts(ctx, r)
	in.mu.Lock()
	defer in.mu.Unlock()
	switch {
	case err != nil:
		in.unchecked++
	case written < calls:
		in.checked++
		in.missing = append(in.missing, fmt.Sprintf("%s: call %d of %s arrived, and the ledger holds %d intents", r, calls, c.Op, written))
	default:
		in.checked++
	}
}

// issueAttempts counts the intents to issue an order; none of an unknown order is an answer, too.
func (in *Intents) issueAttempts(ctx context.Context, r order.Ref) (int, error) {
	rec, err := in.ledger.Load(ctx, r)
	if errors.Is(err, ledger.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return rec.Attempts, nil
}

func (in *Intents) refundAttempts(ctx context.Context, r order.Ref) (n int, err error) {
	list, err := in.ledger.Refunds(ctx, r)
	for _, rec := range list {
		n += rec.Attempts
	}
	return n, err
}

// calls is how often a provider was asked to issue an order, and to refund tickets of it.
func (in *Intents) calls(r order.Ref) (issues, refunds int) {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.issues[r], in.refunds[r]
}
