package chaos

import (
	"context"
	"fmt"
	"sync"
	"time"

	"issuance/internal/ledger"
)

// Intents checks, at the moment a call that may change something arrives at a provider, that the
// ledger holds an intent for it: as many attempts as calls, at least. Safe for concurrent use.
type Intents struct {
	ledger *ledger.Ledger

	mu        sync.Mutex
	issues    map[ledger.Key]int
	refunds   map[ledger.Key]int
	missing   []string
	checked   int
	unchecked int // Redis did not answer in time
}

func newIntents(l *ledger.Ledger) *Intents {
	return &Intents{ledger: l, issues: map[ledger.Key]int{}, refunds: map[ledger.Key]int{}}
}

// intentPatience bounds the look into the ledger: the caller of the simulator waits for it.
const intentPatience = 300 * time.Millisecond

func (in *Intents) witness(c Call) {
	k := ledger.Key{Provider: c.Provider, OrderID: c.OrderID}
	counts, attempts := in.issues, in.issueAttempts
	if c.Refunds() {
		counts, attempts = in.refunds, in.refundAttempts
	}
	in.mu.Lock()
	counts[k]++
	calls := counts[k]
	in.mu.Unlock()

	ctx, cancel := context.WithTimeout(context.Background(), intentPatience)
	defer cancel()
	written, err := attempts(ctx, k)
	in.mu.Lock()
	defer in.mu.Unlock()
	switch {
	case err != nil:
		in.unchecked++
	case written < calls:
		in.checked++
		in.missing = append(in.missing, fmt.Sprintf("%s: call %d of %s arrived, and the ledger holds %d intents", k, calls, c.Op, written))
	default:
		in.checked++
	}
}

// issueAttempts counts the intents to issue an order; none of an unknown order is an answer too.
func (in *Intents) issueAttempts(ctx context.Context, k ledger.Key) (int, error) {
	r, err := in.ledger.Load(ctx, k)
	if err == ledger.ErrNotFound {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return r.Attempts, nil
}

func (in *Intents) refundAttempts(ctx context.Context, k ledger.Key) (n int, err error) {
	list, err := in.ledger.LoadRefunds(ctx, k)
	for _, r := range list {
		n += r.Attempts
	}
	return n, err
}

// calls is how often an order was asked to be issued, and refunded.
func (in *Intents) calls(k ledger.Key) (issues, refunds int) {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.issues[k], in.refunds[k]
}
