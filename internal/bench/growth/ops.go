package growth

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"issuance/internal/keys"
	"issuance/internal/ledger"
	"issuance/internal/queue"
	"issuance/internal/servers"
	"issuance/tasks"
	"issuance/tasks/order"
)

// op is something that is done to n orders of a site; it returns how long that took. What has to be
// prepared is not part of it.
type op struct {
	name   string
	target bool                                     // every order pays it
	before func(s *site, ctx context.Context) error // nil for nothing
	run    func(s *site, ctx context.Context, n int) (time.Duration, error)
}

// ops are measured one after the other. Processing makes up for the accepted orders that polling ends.
var ops = []op{
	{"enqueue", true, nil, (*site).enqueueOneByOne},
	{"process: queued to accepted", true, nil, (*site).process},
	{"poll: not yet", true, nil, (*site).pollPending},
	{"poll: issued, wakes the next", true, nil, (*site).pollIssued},
	{"status", true, nil, (*site).status},
	{"sweep: a look at an order that waits", false, (*site).sweepDue, (*site).sweep},
	{"sweep: counting the tasks, each sweep", false, nil, (*site).recount},
	{"web UI and metrics: a look at a queue", false, nil, (*site).queueInfo},
}

// enqueueOneByOne enqueues validated orders, one by one.
func (s *site) enqueueOneByOne(ctx context.Context, n int) (time.Duration, error) {
	var orders []*tasks.Order
	for _, id := range s.take(n) {
		o, err := parsed(id)
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

// process has the servers work off the head of the queue.
func (s *site) process(ctx context.Context, n int) (time.Duration, error) {
	return s.serve(order.Bulk, s.issues, "accept", n, func() error { return nil })
}

// pollIssued has the servers poll orders that are issued; each one that is found wakes others.
func (s *site) pollIssued(ctx context.Context, n int) (time.Duration, error) {
	s.provider.pending.Store(false)
	return s.serve(order.Poll, s.polls, string(order.Issued), n, func() error {
		// As if the sentinel's time had come; its task waits for another hour.
		line := keys.Pending(account)
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
		return queue.NewClient(s.redis.RDB, queue.Options{}).Run(ctx, queue.PollHome(ref(id))) // it may be running already
	})
}

// serveLimit is when a round counts as stuck.
const serveLimit = 2 * time.Minute

// serve runs a lane until an event has happened n+1 times, and returns the time from its first to its last.
func (s *site) serve(lane order.Lane, h asynq.Handler, event string, n int, start func() error) (time.Duration, error) {
	var mu sync.Mutex
	var first, last time.Time
	seen, done := 0, make(chan struct{})
	observe := func(c ledger.Change) {
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
	s.listening.Store(&observe)
	defer s.listening.Store(nil)
	e := s.server(lane, h)
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

// pollPending has the servers poll orders, at random, that are not issued yet: a poll that learns nothing.
func (s *site) pollPending(ctx context.Context, n int) (time.Duration, error) {
	s.provider.pending.Store(true)
	polled := make(chan struct{}, n+1)
	counted := asynq.HandlerFunc(func(ctx context.Context, t *asynq.Task) error {
		err := s.polls.ProcessTask(ctx, t)
		if !queue.IsFailure(err) {
			select {
			case polled <- struct{}{}:
			default: // a sentinel whose time has come on its own
			}
		}
		return err
	})
	ids, err := s.accepted(ctx, n+1)
	if err != nil || len(ids) < 2 {
		return 0, errors.Join(err, fmt.Errorf("%d orders wait for their poll", len(ids)))
	}
	q := queue.NewClient(s.redis.RDB, queue.Options{})
	for _, id := range ids {
		if err := q.Run(ctx, queue.PollHome(ref(id))); err != nil {
			return 0, err
		}
	}
	e := s.server(order.Poll, counted)
	if err := e.Start(); err != nil {
		return 0, err
	}
	defer e.Stop()
	var first time.Time
	for i := range ids {
		select {
		case <-polled:
		case <-time.After(serveLimit):
			return 0, fmt.Errorf("%d of %d polls in %s", i, len(ids), serveLimit)
		}
		if i == 0 {
			first = time.Now()
		}
	}
	return time.Since(first) * time.Duration(n) / time.Duration(len(ids)-1), nil
}

// server serves one lane with one handler.
func (s *site) server(lane order.Lane, h asynq.Handler) *servers.Set {
	return servers.New(s.redis.RDB, []servers.Lane{{Provider: account.Provider, Lane: lane, Concurrency: 4, Handler: h}},
		servers.Options{Log: quiet})
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
		found = append(found, pipe.ZRange(ctx, keys.Queue(pollQueue)+"scheduled", at, at))
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, err
	}
	var ids []string
	for _, f := range found {
		ids = append(ids, idsOf(queue.PollHome, f.Val())...)
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
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
	waiting, err := s.redis.RDB.LRange(ctx, keys.Queue(bulkQueue)+"pending", 0, int64(n-len(ids)-1)).Result()
	if err != nil {
		return 0, err
	}
	ids = append(ids, idsOf(issueHome, waiting)...)
	began := time.Now()
	for _, id := range ids {
		if _, err := s.client.Status(ctx, account, id); err != nil {
			return 0, err
		}
	}
	return time.Since(began) * time.Duration(n) / time.Duration(len(ids)), nil
}

// sweepDue has the sweeper look at what is due by itself.
func (s *site) sweepDue(ctx context.Context) error { return s.sweeper.Once(ctx) }

// recount has the sweeper compare the numbers of open records and tasks.
func (s *site) recount(ctx context.Context, n int) (time.Duration, error) {
	began := time.Now()
	for range n {
		if err := s.sweeper.Recount(ctx); err != nil {
			return 0, err
		}
	}
	return time.Since(began), nil
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
		pipe.ZAddXX(ctx, keys.Open(account), redis.Z{Score: 1, Member: keys.Member(ref(id))})
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
		if _, err := s.inspector.GetQueueInfo(bulkQueue); err != nil {
			return 0, err
		}
	}
	return time.Since(began) * 10, nil
}

// searchAll has the sweeper search the keyspace, as it does when a worker starts and every six hours.
func (s *site) searchAll(ctx context.Context, _ int) (time.Duration, error) {
	began := time.Now()
	err := s.sweeper.Adopt(ctx)
	return time.Since(began), err
}

// bringBack deletes all tasks, as a person may in the web UI, and has the sweeper bring them back. The pauses
// between its sweeps do not count.
func (s *site) bringBack(ctx context.Context, n int) (time.Duration, error) {
	deleted := 0
	for _, q := range []string{bulkQueue, pollQueue} {
		for _, deleteAll := range []func(string) (int, error){s.inspector.DeleteAllPendingTasks, s.inspector.DeleteAllScheduledTasks, s.inspector.DeleteAllRetryTasks} {
			some, err := deleteAll(q)
			if err != nil {
				return 0, err
			}
			deleted += some
		}
	}
	began := time.Now()
	for back := 0; back < deleted; {
		if err := s.sweeper.Recount(ctx); err != nil {
			return 0, err
		}
		if time.Since(began) > serveLimit {
			return 0, fmt.Errorf("%d of %d tasks are back after %s", back, deleted, serveLimit)
		}
		back = 0
		for _, q := range []string{bulkQueue, pollQueue} {
			pending, err := s.redis.RDB.LLen(ctx, keys.Queue(q)+"pending").Result()
			if err != nil {
				return 0, err
			}
			back += int(pending)
		}
	}
	return time.Since(began) * time.Duration(n) / time.Duration(deleted), nil
}
