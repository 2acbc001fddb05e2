package refunding

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"issuance/providers"
)

// lists fetches the tickets of orders, once for all refunds of an order that ask at the same time. Safe for
// concurrent use.
type lists struct {
	provider providers.TicketRefunder
	flights  singleflight.Group

	mu     sync.Mutex
	latest map[string]listed // by order
}

// listed is a list of tickets, and when it was asked for.
type listed struct {
	at      time.Time
	tickets []providers.Ticket
	out     providers.Outcome
}

// recent is how old a list may be from which tickets are chosen: the ledger knows what was done meanwhile.
const recent = 2 * time.Second

func newLists(p providers.TicketRefunder) *lists {
	return &lists{provider: p, latest: map[string]listed{}}
}

// since returns a list that was asked for at the moment or later.
func (l *lists) since(ctx context.Context, o providers.Order, moment time.Time) ([]providers.Ticket, providers.Outcome) {
	for {
		if have, ok := l.have(o.ID, moment); ok {
			return have.tickets, have.out
		}
		// Whoever joins a flight that began before the moment asks once more.
		v, _, shared := l.flights.Do(o.ID, func() (any, error) {
			now := listed{at: time.Now()}
			now.tickets, now.out = l.provider.Tickets(ctx, o)
			l.keep(o.ID, now)
			return now, nil
		})
		if got := v.(listed); !shared || !got.at.Before(moment) && got.out.Kind == providers.Done {
			return got.tickets, got.out
		}
		if ctx.Err() != nil {
			return nil, providers.Outcome{Kind: providers.NotSent, Code: "canceled", Message: "interrupted while another refund asked"}
		}
	}
}

func (l *lists) have(id string, moment time.Time) (listed, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	v, ok := l.latest[id]
	return v, ok && !v.at.Before(moment)
}

// keep remembers an answer that others may use, and forgets old ones.
func (l *lists) keep(id string, v listed) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for other, old := range l.latest {
		if v.at.Sub(old.at) > recent {
			delete(l.latest, other)
		}
	}
	if v.out.Kind == providers.Done {
		l.latest[id] = v
	}
}
