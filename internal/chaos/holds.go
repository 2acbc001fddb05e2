package chaos

import (
	"context"
	"fmt"
	"strings"
	"time"

	"issuance/internal/budget"
	"issuance/internal/queue"
	"issuance/providers"
	"issuance/tasks/order"
)

// A hold is a time for which no call of an account may leave. Disasters make some; most come of single calls' faults: one
// answer with Retry-After, or three without effect in a row, hold the account until a probe is answered, and probes draw
// faults as well.
const (
	holdEvery = 100 * time.Millisecond
	// resumed is how long workers need to notice that a hold is over: they look every 500 ms, and for tasks every 200 ms.
	resumed = time.Second
)

// watchHolds notes when accounts are held, until the context ends.
func (d *Disasters) watchHolds(ctx context.Context) {
	for pause(ctx, holdEvery) {
		states, err := budget.States(ctx, d.rdb)
		if err != nil {
			continue // Redis is away, which is an outage of its own
		}
		d.mu.Lock()
		for _, s := range states {
			d.noteHold(s)
		}
		d.mu.Unlock()
	}
}

// noteHold begins, continues or ends a hold; d.mu is held.
func (d *Disasters) noteHold(s budget.State) {
	held := true
	for _, lane := range order.Lanes() {
		_, is := s.Held(lane)
		held = held && is
	}
	list, now := d.holds[s.Account], time.Now()
	going := len(list) > 0 && list[len(list)-1].to.IsZero()
	switch {
	case held && !going:
		d.holds[s.Account] = append(list, span{from: now})
	case !held && going:
		list[len(list)-1].to = now.Add(resumed)
	}
}

// accountOfQueue is the installation's account whose tasks a queue has.
func accountOfQueue(name string) providers.Account {
	for _, a := range accounts() {
		for _, lane := range order.Lanes() {
			if queue.Name(a.Provider, lane) == name {
				return a
			}
		}
	}
	return providers.Account{}
}

// holdings are how often and for how long each account was held.
func (d *Disasters) holdings() string {
	var parts []string
	for _, a := range accounts() {
		var all, longest time.Duration
		for _, s := range d.holds[a] {
			if !s.to.IsZero() {
				all, longest = all+s.to.Sub(s.from)-resumed, max(longest, s.to.Sub(s.from)-resumed)
			}
		}
		parts = append(parts, fmt.Sprintf("%s %d times, for %s in all and %s at most", a, len(d.holds[a]), all.Round(time.Second), longest.Round(time.Second)))
	}
	return strings.Join(parts, "; ")
}
