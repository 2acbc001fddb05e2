package budget

import (
	"slices"
	"sync"

	"issuance/tasks/order"
)

// waiters are this process's calls that ask for a slot, by lane, in the order in which they came. The zero value is ready. Safe
// for concurrent use.
type waiters struct {
	mu   sync.Mutex
	next uint64
	of   map[order.Lane][]uint64
}

// waiter is one call in its line.
type waiter struct {
	*waiters
	lane order.Lane
	n    uint64
}

func (l *waiters) join(lane order.Lane) waiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.of == nil {
		l.of = map[order.Lane][]uint64{}
	}
	l.next++
	l.of[lane] = append(l.of[lane], l.next)
	return waiter{l, lane, l.next}
}

// ahead is how many calls came before it and still wait.
func (w waiter) ahead() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Index(w.of[w.lane], w.n)
}

func (w waiter) leave() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if i := slices.Index(w.of[w.lane], w.n); i >= 0 {
		w.of[w.lane] = slices.Delete(w.of[w.lane], i, i+1)
	}
}
