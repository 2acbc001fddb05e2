package budget

import (
	"context"
	"slices"
	"sync"
	"time"

	"issuance/tasks/order"
)

// waiters are this process's calls that ask for a slot, by lane, in the order in which they came. The zero value is ready. Safe
// for concurrent use.
type waiters struct {
	mu sync.Mutex
	of map[order.Lane][]*waiter
}

// waiter is one call in its line.
type waiter struct {
	*waiters
	lane order.Lane
	// seen is the next free slot by its last answer (Redis' microseconds), and before is how many calls of its line take one of
	// those from there on before it does.
	seen   int64
	before int
	poke   func() // ends its sleep, because before has changed; nil while it does not sleep
}

func (l *waiters) join(lane order.Lane) *waiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.of == nil {
		l.of = map[order.Lane][]*waiter{}
	}
	w := &waiter{waiters: l, lane: lane}
	l.of[lane] = append(l.of[lane], w)
	return w
}

// refused takes note of an answer that had no slot for it, where seen was the next free one.
func (w *waiter) refused(seen int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen, w.before = seen, max(slices.Index(w.of[w.lane], w), 0)
}

// ahead is how many calls take a slot before it.
func (w *waiter) ahead() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.before
}

// sleep waits for so long, but no longer than until one less takes a slot before it than when it was ahead.
func (w *waiter) sleep(ctx context.Context, ahead int, d time.Duration, sleep func(context.Context, time.Duration) error) error {
	poked, stop := context.WithCancel(ctx)
	defer stop()
	w.mu.Lock()
	if w.before < ahead {
		w.mu.Unlock()
		return nil
	}
	w.poke = stop
	w.mu.Unlock()
	err := sleep(poked, d)
	w.mu.Lock()
	w.poke = nil
	w.mu.Unlock()
	if ctx.Err() == nil {
		return nil
	}
	return err
}

// leave is when it waits no more: it was given a slot, or none (0). Those behind it that count on it to take one, although their
// answers came after it did, or although it does not, need not wait for that one.
func (w *waiter) leave(slot int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	line := w.of[w.lane]
	i := slices.Index(line, w)
	if i < 0 {
		return
	}
	for _, behind := range line[i+1:] {
		if slot < behind.seen && behind.before > 0 {
			if behind.before--; behind.poke != nil {
				behind.poke()
			}
		}
	}
	w.of[w.lane] = slices.Delete(line, i, i+1)
}
