package doctor

import (
	"context"
	"sync"

	"issuance/internal/budget"
	"issuance/internal/redisconn"
	"issuance/providers"
	"issuance/tasks/order"
)

// Gate is an account's call budget, in the lane of the polls, which the workers' calls share. It remembers what a call has
// shown, and keeps that from the workers, whose settings may be others. Safe for concurrent use.
type Gate struct {
	calls providers.Gate // a guest's

	mu       sync.Mutex
	answered providers.Health // what the last call has said of the account, "" for nothing
	failed   error            // why the budget let no call leave, unless it holds the calls
}

// NewGate makes one over a budget.
func NewGate(b *budget.Budget) *Gate { return &Gate{calls: b.Guest(order.Poll)} }

// Pass implements providers.Gate.
func (g *Gate) Pass(ctx context.Context) error {
	err := g.calls.Pass(ctx)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.failed = err
	return err
}

// Banned implements providers.BanReporter.
func (g *Gate) Banned(ctx context.Context, reason string) {
	g.calls.(providers.BanReporter).Banned(ctx, reason)
}

// Answered implements providers.HealthReporter.
func (g *Gate) Answered(_ context.Context, c providers.Condition) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.answered = c.State
}

// authentic reports whether the provider has answered as itself, whatever it said. A nil Gate does not know.
func (g *Gate) authentic() bool {
	if g == nil {
		return false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.answered == providers.HealthOK
}

// notPermitted reports whether Redis did not let its user ask the budget.
func (g *Gate) notPermitted() bool {
	if g == nil {
		return false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return redisconn.RefusalOf(g.failed) == redisconn.NotPermitted
}
