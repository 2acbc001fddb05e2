package sim

import (
	"cmp"
	"context"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/hibiken/asynq"

	"issuance/internal/bench/vtime"
	"issuance/internal/queue"
	"issuance/tasks/order"
)

// What was measured of asynq, with the settings of package servers.
const (
	idleLook = 200 * time.Millisecond // an idle server looks after a half to one and a half of it
	forward  = time.Second            // pause after which delayed tasks that are due are moved
	moving   = time.Millisecond       // how long that takes
)

// server is one asynq server with its queue.
type server struct {
	clock   *vtime.Clock
	rand    *rand.Rand
	workers int
	handle  func(context.Context, *asynq.Task) error
	failed  func(error) // is called with errors other than waiting

	pending []*task
	delayed map[string]*task
	busy    int
	resting bool // all workers are busy: the next that ends looks for tasks
}

type task struct {
	id      string
	kind    string
	payload []byte
	due     int64 // whole seconds
}

func (s *server) start() {
	s.delayed = map[string]*task{}
	s.clock.Go(s.look)
	s.clock.Go(func() {
		s.clock.Sleep(time.Duration(s.rand.Int64N(int64(forward))))
		for {
			s.forward()
			s.clock.Sleep(forward + moving)
		}
	})
}

// look takes tasks while workers are free.
func (s *server) look() {
	for {
		for s.busy < s.workers && len(s.pending) > 0 {
			t := s.pending[0]
			s.pending = s.pending[1:]
			s.busy++
			s.clock.Go(func() { s.run(t) })
		}
		if s.busy == s.workers {
			s.resting = true
			return
		}
		s.clock.Sleep(idleLook/2 + time.Duration(s.rand.Int64N(int64(idleLook))))
	}
}

func (s *server) run(t *task) {
	err := s.handle(context.Background(), asynq.NewTask(t.kind, t.payload))
	if err != nil {
		if queue.IsFailure(err) {
			s.failed(err)
		}
		s.delay(t, queue.RetryDelay(0, err, nil))
	}
	s.busy--
	if s.resting {
		s.resting = false
		s.clock.Go(s.look)
	}
}

func (s *server) delay(t *task, d time.Duration) {
	t.due = s.clock.Now().Add(d).Unix()
	s.delayed[t.id] = t
}

func (s *server) forward() {
	var due []*task
	for _, t := range s.delayed {
		if t.due <= s.clock.Now().Unix() {
			due = append(due, t)
		}
	}
	slices.SortFunc(due, func(a, b *task) int {
		return cmp.Or(cmp.Compare(a.due, b.due), cmp.Compare(a.id, b.id))
	})
	for _, t := range due {
		delete(s.delayed, t.id)
	}
	s.pending = append(s.pending, due...)
}

func (s *server) enqueue(t *task, d time.Duration) {
	if d > 0 {
		s.delay(t, d)
		return
	}
	s.pending = append(s.pending, t)
}

// pollQueue implements pollers.Queue on the poll lane's server.
type pollQueue struct {
	*server
	followed map[string]bool
	lost     func(orderID string) bool // reports whether a wake gets lost
}

func (q *pollQueue) Schedule(_ context.Context, r order.Ref, delay time.Duration) error {
	h := queue.PollHome(r)
	if q.followed[h.ID] {
		return nil
	}
	q.followed[h.ID] = true
	q.enqueue(&task{id: h.ID, kind: h.Type, payload: queue.Encode(r, "")}, delay)
	return nil
}

func (q *pollQueue) RunNow(_ context.Context, r order.Ref) error {
	if q.lost != nil && q.lost(r.OrderID) {
		return nil
	}
	id := queue.PollHome(r).ID
	if t := q.delayed[id]; t != nil {
		delete(q.delayed, id)
		q.pending = append(q.pending, t)
	}
	return nil
}
