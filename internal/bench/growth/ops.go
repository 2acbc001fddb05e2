package growth

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"issuance/internal/engine"
	"issuance/internal/ledger"
	"issuance/tasks"
)

// op is something that is done to n orders of a site; it returns how long that took. What has to be
// prepared is not part of it.
type op struct {
	name   string
	target bool // every order pays it
	run    func(s *site, ctx context.Context, n int) (time.Duration, error)
}

// ops are measured one after the other. Processing makes up for the accepted orders that polling ends.
var ops = []op{
	{"enqueue", true, (*site).enqueue},
	{"process: queued to accepted", true, (*site).process},
	{"poll: not yet", true, (*site).pollPending},
	{"poll: issued, wakes the next", true, (*site).pollIssued},
	{"status", true, (*site).status},
	{"sweep: a look at an order that waits", false, (*site).sweep},
	{"web UI and metrics: a look at a queue", false, (*site).queueInfo},
}

// enqueue enqueues validated orders, one by one.
func (s *site) enqueue(ctx context.Context, n int) (time.Duration, error) {
	var orders []*tasks.Order
	for _, id := range s.take(n) {
		o, err := order(id)
		if err != nil {
			return 0, err
		}
		orders = append(orders, o)
	}
	began := time.Now()
	for _, o := range orders {
		if _, err := s.client.EnqueueOrder(ctx, o, tasks.InLane(tasks.Bulk)); err != nil {
			return 0, err
		}
	}
	return time.Since(began), nil
}

// process has the engine work off the head of the queue.
func (s *site) process(ctx context.Context, n int) (time.Duration, error) {
	return s.serve(tasks.Bulk, s.issues, "accept", n, func() error { return nil })
}

// pollIssued has the engine poll orders that are issued; each one that is found wakes others.
func (s *site) pollIssued(ctx context.Context, n int) (time.Duration, error) {
	s.provider.pending.Store(false)
	return s.serve(tasks.Poll, s.polls, string(ledger.Issued), n, func() error {
		// As if the sentinel's time had come; its task waits for another hour.
		line := "issuance:{pending:" + string(p) + "}:"
		id, err := s.redis.RDB.HGet(ctx, line+"sentinel", "id").Result()
		if errors.Is(err, redis.Nil) {
			var oldest []string
			if oldest, err = s.redis.RDB.ZRange(ctx, line+"waiting", 0, 0).Result(); err == nil && len(oldest) > 0 {
				id = oldest[0]
			}
		}
		if err != nil {
			return err
		}
		return s.inspector.RunTask(tasks.Queue(p, tasks.Poll), tasks.PollID(p, id))
	})
}

// serveLimit is when a round counts as stuck.
const serveLimit = 2 * time.Minute

// serve runs a lane until an event has happened n times, and tells the time from its first to its last.
func (s *site) serve(lane tasks.Lane, h asynq.Handler, event string, n int, start func() error) (time.Duration, error) {
	var mu sync.Mutex
	var first, last time.Time
	seen, done := 0, make(chan struct{})
	hear := func(c ledger.Change) {
		if c.Event != event {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		switch seen++; seen {
		case 1:
			first = time.Now()
		case n + 1:
			last = time.Now()
			close(done)
		}
	}
	s.listening.Store(&hear)
	defer s.listening.Store(nil)
	e := engine.New(s.redis.RDB, []engine.Lane{{Provider: p, Lane: lane, Concurrency: 4, Handler: h}},
		engine.Options{Log: quiet})
	if err := e.Start(); err != nil {
		return 0, err
	}
	defer e.Stop()
	if err := start(); err != nil {
		return 0, err
	}
	select {
	case <-done:
	case <-time.After(serveLimit):
		mu.Lock()
		defer mu.Unlock()
		return 0, fmt.Errorf("%d of %d %q in %s", seen, n, event, serveLimit)
	}
	mu.Lock()
	defer mu.Unlock()
	return last.Sub(first), nil
}

// pollPending asks for accepted orders that are not issued yet.
func (s *site) pollPending(ctx context.Context, n int) (time.Duration, error) {
	ids, err := s.accepted(ctx, n)
	if err != nil {
		return 0, err
	}
	var list []*asynq.Task
	for _, id := range ids {
		payload, err := tasks.PollPayload(key(id), clock())
		if err != nil {
			return 0, err
		}
		list = append(list, asynq.NewTask(tasks.PollType(p), payload))
	}
	s.provider.pending.Store(true)
	began := time.Now()
	for _, t := range list {
		if err := s.polls.ProcessTask(ctx, t); tasks.IsFailure(err) {
			return 0, err
		}
	}
	return time.Since(began), nil
}

// accepted names orders that are accepted, at random.
func (s *site) accepted(ctx context.Context, n int) ([]string, error) {
	total, err := s.sentinel.Pending(ctx)
	if err != nil {
		return nil, err
	}
	if total == 0 {
		return nil, fmt.Errorf("no order is pending")
	}
	pipe := s.redis.RDB.Pipeline()
	var found []*redis.StringSliceCmd
	for range n {
		at := rand.Int64N(total)
		found = append(found, pipe.ZRange(ctx, queueKey(tasks.Poll)+"scheduled", at, at))
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, err
	}
	var ids []string
	for _, f := range found {
		for _, taskID := range f.Val() {
			ids = append(ids, taskID[len(tasks.PollID(p, "")):])
		}
	}
	if len(ids) == 0 {
		return nil, fmt.Errorf("no order waits for its poll")
	}
	return ids, nil
}

// status asks for the status of orders, half of them queued and half accepted.
func (s *site) status(ctx context.Context, n int) (time.Duration, error) {
	ids, err := s.accepted(ctx, n/2)
	if err != nil {
		return 0, err
	}
	waiting, err := s.redis.RDB.LRange(ctx, queueKey(tasks.Bulk)+"pending", 0, int64(n-len(ids)-1)).Result()
	if err != nil {
		return 0, err
	}
	for _, taskID := range waiting {
		ids = append(ids, taskID[len(tasks.IssueID(p, "")):])
	}
	began := time.Now()
	for _, id := range ids {
		if _, err := s.client.Status(ctx, p, id); err != nil {
			return 0, err
		}
	}
	return time.Since(began) * time.Duration(n) / time.Duration(len(ids)), nil
}

// sweep has the sweeper look at accepted orders that are due. All of them have their tasks.
func (s *site) sweep(ctx context.Context, n int) (time.Duration, error) {
	ids, err := s.accepted(ctx, n)
	if err != nil {
		return 0, err
	}
	due := map[string]bool{}
	pipe := s.redis.RDB.Pipeline()
	for _, id := range ids {
		due[id] = true
		pipe.ZAddXX(ctx, "issuance:{open:"+string(p)+"}", redis.Z{Score: 1, Member: "o:" + id})
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return 0, err
	}
	began := time.Now()
	if err := s.sweeper.Once(ctx); err != nil {
		return 0, err
	}
	return time.Since(began) * time.Duration(n) / time.Duration(len(due)), nil
}

// queueInfo reads what the web UI and the metrics show of a queue.
func (s *site) queueInfo(_ context.Context, n int) (time.Duration, error) {
	began := time.Now()
	for range max(n/10, 1) {
		if _, err := s.inspector.GetQueueInfo(tasks.Queue(p, tasks.Bulk)); err != nil {
			return 0, err
		}
	}
	return time.Since(began) * 10, nil
}
