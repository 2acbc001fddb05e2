package looks

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"issuance/internal/notices"
)

const (
	// every is the pause between questions whether looks are due.
	every = time.Second
	// fewAccounts are asked about every time. Of more, a part in turn: each at least every asked times.
	fewAccounts = 100
	asked       = 10
	// atOnce is how many accounts are looked at at the same time.
	atOnce = 64
)

// Run makes the looks of many accounts until the context ends. lookers are those of the accounts that this process serves
// now; each has its looks made one after the other.
func Run(ctx context.Context, lookers func() []*Looker, log *slog.Logger) {
	r := runner{lookers: lookers, free: make(chan struct{}, atOnce), until: map[*Looker]time.Time{}}
	defer r.running.Wait()
	failing := false
	for {
		err := r.begin(ctx)
		if err != nil && ctx.Err() == nil && !failing {
			log.Warn("looks at tickets: cannot go on, trying again", "error", err)
		}
		failing = err != nil
		select {
		case <-time.After(every):
		case <-ctx.Done():
			return
		}
	}
}

// runner is what Run knows.
type runner struct {
	lookers func() []*Looker
	free    chan struct{}
	running sync.WaitGroup
	next    int

	mu    sync.Mutex
	until map[*Looker]time.Time // before which an account's looks do not begin again; zero while they are under way
}

// begin begins the looks of the accounts whose turn it is and that have some due.
func (r *runner) begin(ctx context.Context) error {
	list := r.turn(r.lookers())
	stores := make([]*notices.Store, len(list))
	for i, l := range list {
		stores[i] = l.Notices
	}
	due, err := notices.DueAmong(ctx, stores)
	if err != nil {
		return err
	}
	for i, l := range list {
		if due[i] && !r.start(ctx, l) {
			break
		}
	}
	return nil
}

// turn are the lookers to ask about now, those left out whose looks are under way or wait for the call budget.
func (r *runner) turn(all []*Looker) (list []*Looker) {
	n := len(all)
	if n > fewAccounts {
		n = max(fewAccounts, (n+asked-1)/asked)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for l, at := range r.until {
		if l.retired.Load() && !at.IsZero() {
			delete(r.until, l)
		}
	}
	for i := range n {
		l := all[(r.next+i)%len(all)]
		if at, known := r.until[l]; !known || !at.IsZero() && !time.Now().Before(at) {
			delete(r.until, l)
			list = append(list, l)
		}
	}
	if n > 0 {
		r.next = (r.next + n) % len(all)
	}
	return list
}

// start has an account's looks made, beside the others'. It is false when too many are under way.
func (r *runner) start(ctx context.Context, l *Looker) bool {
	select {
	case r.free <- struct{}{}:
	default:
		return false
	}
	r.mu.Lock()
	r.until[l] = time.Time{}
	r.mu.Unlock()
	r.running.Go(func() {
		defer func() { <-r.free }()
		pause, err := l.Due(ctx)
		if err != nil && ctx.Err() == nil {
			l.Log.Debug("looks at tickets: cannot go on, trying again", "account", l.account(), "error", err)
			pause = every
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		if pause > 0 && !l.retired.Load() {
			r.until[l] = time.Now().Add(pause)
			return
		}
		delete(r.until, l)
	})
	return true
}
