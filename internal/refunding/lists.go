package refunding

import (
	"context"
	"slices"
	"sync"
	"time"

	"issuance/providers"
)

// lists fetches the tickets of orders, once for all refunds of an order that ask at the same time. Safe for
// concurrent use.
type lists struct {
	provider providers.TicketRefunder

	mu     sync.Mutex
	latest map[string]listed  // by order: the last answer, for as long as it is recent
	asking map[string]*flight // by order: the call under way
	calls  map[string]*calls  // by order: refunding calls under way
}

// listed is a list of tickets, and when it was asked for.
type listed struct {
	at      time.Time
	tickets []providers.Ticket
	out     providers.Outcome
}

type flight struct {
	done chan struct{}
	listed
	broken bool // whoever asked was interrupted, which says nothing of the provider
}

type calls struct {
	n    int
	none chan struct{} // closed when there are none
}

// recent is how old a list may be from which tickets are chosen: the ledger knows what was done meanwhile.
const recent = 2 * time.Second

// together is how long a confirmation waits for the order's other calls under way, to share its list.
const together = time.Second

func newLists(p providers.TicketRefunder) *lists {
	return &lists{provider: p, latest: map[string]listed{}, asking: map[string]*flight{}, calls: map[string]*calls{}}
}

// since returns a list that was asked for at the moment or later. The list is the caller's only to read.
func (l *lists) since(ctx context.Context, o providers.Order, moment time.Time) ([]providers.Ticket, providers.Outcome) {
	for {
		l.mu.Lock()
		if v, ok := l.latest[o.ID]; ok && !v.at.Before(moment) {
			l.mu.Unlock()
			return v.tickets, v.out
		}
		f, joined := l.asking[o.ID]
		if !joined {
			f = &flight{done: make(chan struct{}), listed: listed{at: time.Now()}, broken: true}
			l.asking[o.ID] = f
		}
		l.mu.Unlock()
		if !joined {
			l.fly(ctx, o, f)
			return f.tickets, f.out
		}
		select {
		case <-f.done:
		case <-ctx.Done():
			return nil, providers.Outcome{Kind: providers.NotSent, Code: "canceled", Message: "interrupted while another refund asked"}
		}
		// Whoever joins a call that began before the moment asks once more.
		if !f.broken && !f.at.Before(moment) {
			return f.tickets, f.out
		}
	}
}

// fly makes the call for everybody who has joined, however it ends.
func (l *lists) fly(ctx context.Context, o providers.Order, f *flight) {
	defer func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.asking, o.ID)
		for other, old := range l.latest {
			if f.at.Sub(old.at) > recent {
				delete(l.latest, other)
			}
		}
		if !f.broken && f.out.Kind == providers.Done {
			l.latest[o.ID] = f.listed
		}
		close(f.done)
	}()
	f.tickets, f.out = l.provider.Tickets(ctx, o)
	f.tickets = slices.Clip(f.tickets) // whoever appends gets a copy
	f.broken = ctx.Err() != nil
}

// calling counts a refunding call of an order until its answer is recorded, which the returned function says.
func (l *lists) calling(orderID string) (recorded func()) {
	l.mu.Lock()
	c := l.calls[orderID]
	if c == nil {
		c = &calls{none: make(chan struct{})}
		l.calls[orderID] = c
	}
	c.n++
	l.mu.Unlock()
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if c.n--; c.n == 0 {
			delete(l.calls, orderID)
			close(c.none)
		}
	}
}

// gather waits a little for the order's refunding calls under way: one list confirms them all.
func (l *lists) gather(ctx context.Context, orderID string) {
	l.mu.Lock()
	c := l.calls[orderID]
	l.mu.Unlock()
	if c == nil {
		return
	}
	limit := time.NewTimer(together)
	defer limit.Stop()
	select {
	case <-c.none:
	case <-limit.C:
	case <-ctx.Done():
	}
}
