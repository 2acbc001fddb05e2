package handler

import (
	"context"
	"sync"
	"time"

	"issuance/internal/ledger"
	"issuance/providers"
	"issuance/tasks/order"
)

// passage is a request of an order that the provider has answered.
type passage struct {
	order string
	sent  time.Time // by the ledger's clock
}

// passages remembers the last two orders of the account whose requests were answered. Safe for concurrent use.
type passages struct {
	mu           sync.Mutex
	last, before passage
}

func (p *passages) add(order string, sent time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.last.order != order {
		p.before = p.last
	}
	p.last = passage{order, sent}
}

// since reports whether a request of another order was sent after a moment, and answered.
func (p *passages) since(order string, moment time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	other := p.last
	if other.order == order {
		other = p.before
	}
	return other.sent.After(moment)
}

// OthersPassed reports whether the provider has answered about another order of the account since a moment, as far as
// this process or the latest events show.
func (r *Run) OthersPassed(ctx context.Context, since time.Time) (bool, error) {
	if r.passed.since(r.Ref.OrderID, since) {
		return true, nil
	}
	return OthersIssued(ctx, r.Ledger, r.Ref, providers.Site(r.Provider), since)
}

// OthersIssued reports whether another order of the account was issued since a moment.
func OthersIssued(ctx context.Context, l *ledger.Ledger, r order.Ref, site string, since time.Time) (bool, error) {
	latest, err := l.LatestIssued(ctx, r.Account, site)
	return latest != nil && latest.OrderID != r.OrderID && latest.FinalAt.After(since), err
}
