package providers

import (
	"context"
	"errors"
	"sync"
	"time"
)

// ErrMissed says that a call has missed the moment for which it had passed: it may not leave, but may pass again.
var ErrMissed = errors.New("the call has missed its slot")

// Slot is the moment for which a call has passed a gate, where the gate lets it pass a little ahead of that. Safe for concurrent use.
type Slot struct {
	mu          sync.Mutex
	passed, due time.Time
}

type slotKey struct{}

// withSlot makes room for a gate's slot.
func withSlot(ctx context.Context) context.Context { return context.WithValue(ctx, slotKey{}, &Slot{}) }

// withoutSlot has the call leave whenever it has passed.
func withoutSlot(ctx context.Context) context.Context {
	return context.WithValue(ctx, slotKey{}, (*Slot)(nil))
}

// SlotOf is where a gate puts the slot of the call of a context; nil when the call leaves as soon as it has passed.
func SlotOf(ctx context.Context) *Slot {
	s, _ := ctx.Value(slotKey{}).(*Slot)
	return s
}

// Set is for a gate that is a Departer: the call passed, and is due.
func (s *Slot) Set(passed, due time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.passed, s.due = passed, due
}

// Due is what was set; zero for a call that may leave at any time. A nil slot has none.
func (s *Slot) Due() (passed, due time.Time) {
	if s == nil {
		return passed, due
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.passed, s.due
}
