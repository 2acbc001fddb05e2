package pollers

import (
	"slices"
	"sync"
	"time"
)

// pendings remember at which moments orders were found not issued yet, which bounds how long an order had been issued
// before that was noticed: the provider issues in the order of acceptance, so an order that was accepted after a pending
// one was pending, too. Safe for concurrent use.
type pendings struct {
	mu   sync.Mutex
	kept []pending // by acceptance and by moment
}

// pending is an order that was found pending.
type pending struct{ accepted, at time.Time }

const mostPendings = 256

// note remembers that an order accepted at a time was pending at a moment.
func (p *pendings) note(accepted, at time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	// What was noted of younger orders, and of this one before, says less.
	p.kept = slices.DeleteFunc(p.kept, func(k pending) bool { return !k.accepted.Before(accepted) && !k.at.After(at) })
	p.kept = append(p.kept, pending{accepted, at})
	slices.SortStableFunc(p.kept, func(a, b pending) int { return a.accepted.Compare(b.accepted) })
	if len(p.kept) > mostPendings {
		p.kept = p.kept[len(p.kept)-mostPendings:]
	}
}

// last is the latest moment at which an order accepted at a time was pending as well; zero where none is known.
func (p *pendings) last(accepted time.Time) (at time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, k := range p.kept {
		if !k.accepted.After(accepted) && k.at.After(at) {
			at = k.at
		}
	}
	return at
}

// pendingAt is the latest moment at which the order of a poll is known to have been pending.
func (p *poll) pendingAt() time.Time {
	at := p.pending.last(p.rec.AcceptedAt)
	if own := p.rec.PolledAt; p.rec.Unclear == 0 && own.After(at) {
		at = own
	}
	return at
}
