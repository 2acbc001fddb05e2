package fair

import (
	"context"
	"time"

	"issuance/internal/queue"
	"issuance/providers"
	"issuance/tasks/order"
)

// unservedAlarm is how often an account that nobody serves is reported.
const unservedAlarm = time.Hour

// absence is of an account that nobody was seen to serve.
type absence struct {
	order    string // that came first
	since    time.Time
	reported bool
}

// unserved puts a task aside whose account this process does not serve: it is never worked on under another one.
func (l *Lane) unserved(ctx context.Context, r order.Ref, id string) error {
	wait := &queue.WaitError{Reason: queue.NowhereText + r.Account.String()}
	if l.Elsewhere(ctx, r.Account) {
		wait.Reason = queue.ElsewhereText + r.Account.String()
	} else {
		l.missed(r)
	}
	return l.aside(ctx, r, id, true, wait)
}

// missed takes note of an order whose account nobody serves.
func (l *Lane) missed(r order.Ref) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if was := l.absent[r.Account]; was == nil || was.reported && time.Since(was.since) >= unservedAlarm {
		l.absent[r.Account] = &absence{order: r.OrderID, since: time.Now()}
	}
}

// report raises an alarm for the accounts that nobody serves after the time of grace either.
func (l *Lane) report(ctx context.Context) {
	for a, orderID := range l.overdue() {
		_, here := l.Terms(a)
		served := here || l.Elsewhere(ctx, a)
		l.settle(a, served)
		if !served {
			l.Log.Error("alarm: no worker serves the account of this order; its orders wait until one does", "account", a.String(), "order", orderID)
		}
	}
}

// overdue are the accounts whose time of grace is over, each with an order that waits.
func (l *Lane) overdue() (orders map[providers.Account]string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for a, was := range l.absent {
		if !was.reported && time.Since(was.since) >= l.Grace {
			if orders == nil {
				orders = map[providers.Account]string{}
			}
			orders[a] = was.order
		}
	}
	return orders
}

// settle ends an account's time of grace: it is served, or is reported now.
func (l *Lane) settle(a providers.Account, served bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if served {
		delete(l.absent, a)
	} else if was := l.absent[a]; was != nil {
		was.reported, was.since = true, time.Now()
	}
}
