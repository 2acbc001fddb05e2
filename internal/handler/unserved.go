package handler

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"issuance/internal/queue"
	"issuance/providers"
	"issuance/tasks/order"
)

// Unserved decides how long tasks wait that came to a worker which does not serve their account. A wait costs the queue a
// constant number of commands. It grows each time that the same task comes here again; and the tasks of one account come
// back at no more than unservedRate, however many there are. Nothing of it is stored. The zero value is ready. Safe for
// concurrent use.
type Unserved struct {
	// Elsewhere reports whether another worker serves an account. Default: none does.
	Elsewhere func(context.Context, providers.Account) bool
	// Now is the clock. Default time.Now.
	Now func() time.Time

	mu       sync.Mutex
	accounts map[providers.Account]*waiting
	tries    map[order.Ref]int // how often a task came here
}

// waiting is what is known of an account that is not served here.
type waiting struct {
	line   time.Time // up to when its tasks came faster than unservedRate; those that come now wait so much longer
	raised time.Time // when there was an alarm of it; zero while another worker serves it
}

const (
	// unservedRate is how many of an account's tasks come back in a second.
	unservedRate = 50
	// An account that another worker serves: it takes the task as soon as one of its slots is free.
	elsewhereFirst, elsewhereMost = time.Second, 4 * time.Second
	// An account that nobody serves: a worker that gets it wakes what waits.
	nowhereFirst, nowhereMost = 30 * time.Second, 8 * time.Minute
	// unservedMost is the longest wait, where very many tasks wait.
	unservedMost = 10 * time.Minute
	// mostTries is how many tasks are known; the map is emptied then, and their waits begin anew.
	mostTries = 10_000
	// unservedAlarm is how often an account that nobody serves is reported.
	unservedAlarm = time.Hour
)

func (u *Unserved) wait(ctx context.Context, log *slog.Logger, r order.Ref) error {
	elsewhere := u.Elsewhere != nil && u.Elsewhere(ctx, r.Account)
	after, alarm := u.next(r, elsewhere)
	switch {
	case alarm:
		log.Error("alarm: no worker serves the account of this order; its orders wait until one does")
	case elsewhere:
		log.Debug("another worker serves the account of this order", "after", after.String())
	}
	if elsewhere {
		return queue.Wait(after, "another worker serves account "+r.Account.String())
	}
	return queue.Wait(after, "no worker serves account "+r.Account.String())
}

// next is how long a task waits, and whether to raise an alarm.
func (u *Unserved) next(r order.Ref, elsewhere bool) (after time.Duration, alarm bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	now := time.Now
	if u.Now != nil {
		now = u.Now
	}
	at := now()
	if u.accounts == nil || len(u.tries) >= mostTries {
		u.tries = map[order.Ref]int{}
	}
	if u.accounts == nil {
		u.accounts = map[providers.Account]*waiting{}
	}
	w := u.accounts[r.Account]
	if w == nil {
		w = &waiting{}
		u.accounts[r.Account] = w
	}
	first, most := nowhereFirst, nowhereMost
	if elsewhere {
		first, most, w.raised = elsewhereFirst, elsewhereMost, time.Time{}
	} else if w.raised.IsZero() || at.Sub(w.raised) >= unservedAlarm {
		w.raised, alarm = at, true
	}
	after = min(first<<min(u.tries[r], 10), most)
	u.tries[r]++
	if w.line.Before(at) {
		w.line = at
	}
	after = min(after+w.line.Sub(at), unservedMost)
	w.line = w.line.Add(time.Second / unservedRate)
	return after, alarm
}

// Served forgets what is known of an account, because this worker serves it now.
func (u *Unserved) Served(a providers.Account) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.accounts, a)
	for r := range u.tries {
		if r.Account == a {
			delete(u.tries, r)
		}
	}
}
