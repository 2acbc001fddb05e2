package tasks

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// road is where a crowd's groups are until they are answered.
type road struct {
	crowd
	t  *testing.T
	wg sync.WaitGroup

	mu   sync.Mutex
	gone []string // groups that have left and are not expected yet
	back map[string]time.Time
	away map[string]chan error
}

func newRoad(t *testing.T) *road {
	r := &road{t: t, back: map[string]time.Time{}, away: map[string]chan error{}}
	r.send = func(ctx context.Context, items []item) ([]made, error) {
		if err := <-r.leaves(items); err != nil {
			return nil, err
		}
		return make([]made, len(items)), ctx.Err()
	}
	return r
}

// leaves notes that a group has left, and returns where its answer comes from.
func (r *road) leaves(items []item) <-chan error {
	var ids []string
	for _, it := range items {
		ids = append(ids, it.intake.OrderID)
	}
	slices.Sort(ids)
	group := strings.Join(ids, " ")
	r.mu.Lock()
	defer r.mu.Unlock()
	r.gone = append(r.gone, group)
	r.away[group] = make(chan error)
	return r.away[group]
}

// answer answers a group.
func (r *road) answer(group string, err error) {
	r.mu.Lock()
	c := r.away[group]
	r.mu.Unlock()
	c <- err
}

// come has documents come, each of which expects an error or none.
func (r *road) come(ctx context.Context, want error, ids ...string) {
	for _, id := range ids {
		r.wg.Go(func() {
			it := item{}
			it.intake.OrderID = id
			if m := r.first(ctx, it); !errors.Is(m.err, want) {
				r.t.Errorf("%s: %v, want %v", id, m.err, want)
			}
			r.mu.Lock()
			r.back[id] = time.Now()
			r.mu.Unlock()
		})
	}
	synctest.Wait()
}

// left expects these groups to have left since the last time.
func (r *road) left(want ...string) {
	r.t.Helper()
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Equal(r.gone, want) {
		r.t.Errorf("%q have left, want %q", r.gone, want)
	}
	r.gone = nil
}

// returned expects a caller to have got its answer at a time.
func (r *road) returned(id string, at time.Time) {
	r.t.Helper()
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.back[id].Equal(at) {
		r.t.Errorf("%s came back at %s, want %s", id, r.back[id], at)
	}
}

// onRoad has a crowd of which as many as may are away: A and those of full. What test leaves unanswered of full is answered.
func onRoad(t *testing.T, test func(t *testing.T, r *road)) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoad(t)
		full := []string{"A"}
		for i := range mostAway - 1 {
			full = append(full, fmt.Sprintf("B%d", i))
		}
		for _, id := range full {
			r.come(t.Context(), nil, id)
		}
		r.left(full...)
		test(t, r)
		for _, id := range full[1:] {
			r.answer(id, nil)
		}
		r.wg.Wait()
	})
}

// Whoever comes alone goes at once; who comes while so many groups are away goes together.
func TestDocumentsThatComeTogetherGoTogether(t *testing.T) {
	onRoad(t, func(t *testing.T, r *road) {
		r.come(t.Context(), nil, "C", "D", "E")
		r.left()
		r.answer("A", nil)
		r.left("C D E")
		r.come(t.Context(), nil, "F")
		r.left()
		r.answer("C D E", nil)
		r.left("F")
		r.answer("F", nil)
		r.come(t.Context(), nil, "G")
		r.left("G")
		r.answer("G", nil)
	})
}

// Groups without an answer hold nobody up for longer than a moment.
func TestNobodyWaitsForGroupsThatGetNoAnswer(t *testing.T) {
	onRoad(t, func(t *testing.T, r *road) {
		time.Sleep(mostWait / 2)
		r.come(t.Context(), nil, "C", "D")
		time.Sleep(mostWait - time.Nanosecond) // those who are away are late
		r.left()
		time.Sleep(time.Nanosecond)
		r.left("C D")
		r.answer("C D", nil)
		r.answer("A", nil)
	})
}

// A group is only so large.
func TestACrowdGoesInParts(t *testing.T) {
	onRoad(t, func(t *testing.T, r *road) {
		for i := range largest + 1 {
			r.come(t.Context(), nil, fmt.Sprintf("C%03d", i))
		}
		r.answer("A", nil)
		synctest.Wait()
		r.mu.Lock()
		gone := slices.Clone(r.gone)
		r.mu.Unlock()
		if len(gone) != 2 || len(strings.Fields(gone[0]+" "+gone[1])) != largest+1 {
			t.Errorf("%q have left", gone)
		}
		for _, group := range gone {
			r.answer(group, nil)
		}
	})
}

// Whoever gives up before the document has left takes it back, and whoever does later gets its answer; nobody else's try ends.
func TestWhoGivesUpEndsNobodyElsesTry(t *testing.T) {
	onRoad(t, func(t *testing.T, r *road) {
		early, giveUpEarly := context.WithCancel(t.Context())
		late, giveUpLate := context.WithCancel(t.Context())
		r.come(late, nil, "C")
		r.come(early, context.Canceled, "D")
		r.come(t.Context(), nil, "E")
		giveUpEarly()
		synctest.Wait()
		r.answer("A", nil)
		r.left("C E")
		giveUpLate()
		synctest.Wait()
		r.answer("C E", nil)
	})
}

// Whose time is over gets an error then, whether it has given up before or not, and though its group has no answer.
func TestNobodyWaitsLongerThanItsTime(t *testing.T) {
	onRoad(t, func(t *testing.T, r *road) {
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		given, giveUp := context.WithTimeout(t.Context(), time.Second)
		began := time.Now()
		r.come(short, context.DeadlineExceeded, "C")
		r.come(given, context.DeadlineExceeded, "D")
		r.come(t.Context(), nil, "E")
		r.answer("A", nil)
		r.left("C D E")
		giveUp()
		time.Sleep(2 * time.Second)
		r.answer("C D E", nil)
		r.returned("C", began.Add(time.Second))
		r.returned("D", began.Add(time.Second))
	})
}

// An error of a group is that of each of its documents.
func TestAGroupsErrorIsEachDocuments(t *testing.T) {
	onRoad(t, func(t *testing.T, r *road) {
		away := errors.New("Redis is away")
		r.come(t.Context(), away, "C", "D")
		r.answer("A", nil)
		r.left("C D")
		r.answer("C D", away)
	})
}

// One document that Redis cannot take is an error of its own caller.
func TestAnErrorInACrowdIsItsOwn(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		const n, wrong = 40, 7
		broken := "issuance:{" + ref(fmt.Sprintf("O%d", wrong)).Account.String() + fmt.Sprintf(":O%d}:order", wrong)
		must(t, b.rdb.Set(b.ctx, broken, "no hash", 0).Err())
		errs := make([]error, n)
		var wg sync.WaitGroup
		for i := range n {
			wg.Go(func() {
				var r Receipt
				if r, errs[i] = b.Enqueue(b.ctx, orderDoc(fmt.Sprintf("O%d", i))); errs[i] == nil && (r.Duplicate || r.OrderID != fmt.Sprintf("O%d", i)) {
					t.Errorf("O%d: %+v", i, r)
				}
			})
		}
		wg.Wait()
		for i, err := range errs {
			if (err != nil) != (i == wrong) {
				t.Errorf("O%d: %v", i, err)
			}
		}
		if got := b.queued(t); len(got) != n-1 {
			t.Errorf("%d are queued, want %d", len(got), n-1)
		}
	})
}
