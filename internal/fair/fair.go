// Package fair keeps the accounts that share a queue out of each other's way: a task of an account whose calls may not leave
// now is put aside, and gives its worker slot to the next one. It imports packages budget, keys and queue, providers and
// tasks/order.
//
// # Rooms and lines
//
// Each worker process has room for so many tasks of an account in a lane as its allowance can use: Slots of them run, of
// which a few (see Terms.waiting) may be waiting for the call budget. A task that comes when there is no room, or when the
// account's calls are held (ban, pause, no answer), is not run. It is put at the end of the account's line, a zset in Redis
// beside the queue, and waits in the queue's own retry set, so that the web UI shows it and why it waits. One that did run
// and was held back by the call budget is put at the head of the line. Many bulk orders of an account that has a line join it as
// they are enqueued (package tasks), and wait in the queue's scheduled set.
//
// Whenever there is room again, as many tasks of the line are put at the head of the queue: the releaser of each process does
// so for the accounts that it serves, when a task has passed the call budget or has ended, and otherwise every half second; ten
// times a second for a minute after it has found a line that another process has begun. No process leads. So a task costs a
// constant number of commands until it runs, however long that takes: one to be put aside, one to be let go on.
//
// A task that has made a call here and comes back to make another, such as a look-up, has no place in the line: the process
// remembers when it is due, and lets it go on in turns with those of the line, or of the queue (see returns).
//
// A line is a hint: should Redis lose one, or a task's place in it, the queue runs the task by itself later (queue.Behind).
//
// A worker that serves one account of a provider uses no lines but for held calls: its queue is the account's line.
package fair

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"sync"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"issuance/internal/queue"
	"issuance/providers"
	"issuance/tasks/order"
)

// Terms are what an account's room depends on.
type Terms struct {
	Allowance string  // accounts of one allowance share the room to wait for the call budget. Default: the account's own
	PerSecond float64 // calls per second of the allowance
}

// waiting is how many tasks may wait for the call budget: enough for every slot of it to be used although the next task is
// fetched up to 200 ms later, and not so many that one waits in vain for longer than the budget lets it.
func (t Terms) waiting() int {
	rate := min(t.PerSecond, 1e6)
	return min(2+int(math.Ceil(0.3*rate)), 1+int(2.5*rate))
}

// Config of a Lane.
type Config struct {
	Provider providers.Name
	Lane     order.Lane
	// Slots is how many tasks of one account this process runs at once. Default: as many as its calls per second need, see the
	// function Slots.
	Slots int
	// Terms of an account; ok is false for one that this process does not serve.
	Terms func(providers.Account) (t Terms, ok bool)
	// Accounts is how many of the provider's this process serves.
	Accounts func() int
	// Elsewhere reports whether another worker serves an account. Default: none does.
	Elsewhere func(context.Context, providers.Account) bool
	// Expect is how long a task is expected at most after it was let go on, should nobody else have got it. Default 1 s.
	Expect time.Duration
	// Grace is how long nobody may serve an account before an alarm reports it: longer than a change of the accounts takes until
	// all workers know of it. Default 10 s.
	Grace time.Duration
	Log   *slog.Logger
}

// Lane is one queue, shared by accounts. Safe for concurrent use.
type Lane struct {
	Config
	queue string
	rdb   redis.UniversalClient
	kick  chan struct{}

	mu     sync.Mutex
	places map[providers.Account]*place
	groups map[string]*group
	absent map[providers.Account]*absence // of accounts that nobody serves
	// oftenUntil is until when lines are looked for more often.
	oftenUntil time.Time
}

// NewLane makes a lane's.
func NewLane(rdb redis.UniversalClient, c Config) *Lane {
	if c.Elsewhere == nil {
		c.Elsewhere = func(context.Context, providers.Account) bool { return false }
	}
	if c.Expect <= 0 {
		c.Expect = time.Second
	}
	if c.Grace <= 0 {
		c.Grace = 10 * time.Second
	}
	return &Lane{Config: c, queue: queue.Name(c.Provider, c.Lane), rdb: rdb, kick: make(chan struct{}, 1),
		places: map[providers.Account]*place{}, groups: map[string]*group{}, absent: map[providers.Account]*absence{}}
}

// Handler runs a task when its account has room for it, and puts it aside otherwise.
func (l *Lane) Handler(next asynq.Handler) asynq.Handler {
	return asynq.HandlerFunc(func(ctx context.Context, t *asynq.Task) error {
		id, _ := asynq.GetTaskID(ctx)
		r, ok := queue.RefOf(id)
		if !ok {
			return next.ProcessTask(ctx, t) // it is nobody's, as its handler reports
		}
		v, wait := l.enter(ctx, r, id)
		if v == nil {
			return wait
		}
		err := v.run(ctx, next, t)
		var waits *queue.WaitError
		if !errors.As(err, &waits) {
			return err
		}
		switch called, held := v.outcome(); {
		case held != nil:
			return l.aside(ctx, r, id, true, waits)
		case called:
			return l.comesBack(r.Account, id, waits)
		}
		return err
	})
}

// enter lets a task run, or puts it aside.
func (l *Lane) enter(ctx context.Context, r order.Ref, id string) (*visit, error) {
	terms, served := l.Terms(r.Account)
	if !served {
		return nil, l.unserved(ctx, r, id)
	}
	v, why := l.admit(r.Account, terms, id)
	if v != nil {
		return v, nil
	}
	if l.takesTurns(r.Account, id) {
		return nil, &queue.WaitError{After: late, Reason: queue.TurnText}
	}
	wait := l.aside(ctx, r, id, false, why)
	if wait == nil { // it was let go on by another process
		return l.force(r.Account, terms, id), nil
	}
	return nil, wait
}
