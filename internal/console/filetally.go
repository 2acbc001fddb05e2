package console

import (
	"context"
	"slices"
	"sync"
	"time"

	"issuance/internal/ledger"
	"issuance/tasks"
	"issuance/tasks/order"
)

// Bounds of counting the orders of a file.
const (
	tallyEvery  = 5 * time.Second // what has not ended is read again
	tallyReads  = 10_000          // states of orders that one look reads of those that are new to it, and of the others
	tallyFor    = 10 * time.Minute
	mostTallies = 4 // files that are counted at a time
)

// tally is what has become of the orders of a file, kept as long as somebody looks at it. What has ended is read once; a look at
// a large file reads a part of the rest. Safe for concurrent use.
type tally struct {
	mu     sync.Mutex
	states map[order.Ref]order.State
	open   map[order.Ref]bool // those of states that may change
	next   int64              // place in the file's list of the first that was not read
	at     time.Time
	used   time.Time // under the lock of tallies
}

// tallies are those of the files that somebody looks at.
type tallies struct {
	mu sync.Mutex
	of map[string]*tally
}

func (s *tallies) get(id string, now time.Time) *tally {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.of[id]
	if t == nil {
		t = &tally{states: map[order.Ref]order.State{}, open: map[order.Ref]bool{}}
	}
	oldest := ""
	for other, o := range s.of {
		if now.Sub(o.used) > tallyFor {
			delete(s.of, other)
		} else if other != id && (oldest == "" || o.used.Before(s.of[oldest].used)) {
			oldest = other
		}
	}
	if s.of[id] == nil && len(s.of) >= mostTallies {
		delete(s.of, oldest)
	}
	if s.of == nil {
		s.of = map[string]*tally{}
	}
	s.of[id], t.used = t, now
	return t
}

// tally is how the orders of a file stand.
func (s *files) tally(ctx context.Context, id string) (*tally, error) {
	now := s.c.Now()
	t := s.counted.get(id, now)
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.at.IsZero() && now.Sub(t.at) < tallyEvery {
		return t, nil
	}
	if err := t.again(ctx, s.c.Ledger); err != nil {
		return nil, err
	}
	for read := 0; read < tallyReads; read += readAtOnce {
		refs, all, err := s.refs(ctx, id, t.next, readAtOnce)
		if err == nil {
			err = t.look(ctx, s.c.Ledger, refs)
		}
		if err != nil {
			return nil, err
		}
		if t.next = min(t.next+readAtOnce, all); t.next == all {
			break
		}
	}
	t.at = now
	return t, nil
}

// again reads some of those that had not ended.
func (t *tally) again(ctx context.Context, l *ledger.Ledger) error {
	var refs []order.Ref
	for r := range t.open { // in no order, so that all have their turn
		if refs = append(refs, r); len(refs) == tallyReads {
			break
		}
	}
	for some := range slices.Chunk(refs, readAtOnce) {
		if err := t.look(ctx, l, some); err != nil {
			return err
		}
	}
	return nil
}

func (t *tally) look(ctx context.Context, l *ledger.Ledger, refs []order.Ref) error {
	states, err := l.States(ctx, refs)
	for i, s := range states {
		t.set(refs[i], s)
	}
	return err
}

func (t *tally) set(r order.Ref, s order.State) {
	if s == "" {
		s = tasks.Unrecorded
	}
	t.states[r] = s
	if s.Settled() {
		delete(t.open, r)
	} else {
		t.open[r] = true
	}
}

// heard notes an end, and reports whether it is one of an order of the file.
func (t *tally) heard(e ledger.Event) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	before, of := t.states[e.Ref]
	if of && e.Ticket == 0 && !before.Settled() {
		t.set(e.Ref, e.State)
	}
	return of && e.Ticket == 0
}

// stateCount is how many orders are in a state.
type stateCount struct {
	State order.State
	N     int64
}

// counts are the orders by state, how many there are in all, and how many of them may change.
func (t *tally) counts() (list []stateCount, all, open int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	by := map[order.State]int64{}
	for _, s := range t.states {
		by[s]++
	}
	for _, s := range append(order.OrderStates(), tasks.Unrecorded) {
		if by[s] > 0 {
			list = append(list, stateCount{s, by[s]})
		}
	}
	return list, int64(len(t.states)), int64(len(t.open))
}
