// Package servers runs asynq servers for each provider and lane, so that neither a provider's outage
// nor a bulk load takes another lane's workers, and shows in the queues what the call budget holds. It
// applies the mapping of handlers' results to the queue's vocabulary (package queue) in one place.
//
// An asynq server fetches one task at a time, and each fetch waits until Redis has it on disk (appendfsync always), so that one
// server starts at most one task for each write to disk. A lane's tasks at once are divided among several servers, whose
// fetches are written together.
//
// It imports packages providers, tasks/order, internal/budget, internal/keys and internal/queue.
package servers

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"issuance/internal/keys"
	"issuance/internal/queue"
	"issuance/providers"
)

// Options of a Set.
type Options struct {
	// ShutdownTimeout is how long running tasks may take to end. It must be longer than a task's
	// timeout. Default 70 s.
	ShutdownTimeout time.Duration
	// HealthEvery is how often each server asks whether Redis answers. Default 5 s.
	HealthEvery time.Duration
	// CheckEvery is how soon an empty queue is looked at again. Default 200 ms.
	CheckEvery time.Duration
	Log        *slog.Logger
}

// Set is the servers of one process. Safe for concurrent use.
type Set struct {
	rdb redis.UniversalClient
	opt Options
	log *slog.Logger

	mu     sync.Mutex
	lanes  []*server
	health map[string]error
	up     bool
	ending sync.WaitGroup // servers that were dropped
}

// New makes a server for each lane over rdb, which stays the caller's to close.
func New(rdb redis.UniversalClient, lanes []Lane, opt Options) *Set {
	if opt.ShutdownTimeout <= 0 {
		opt.ShutdownTimeout = 70 * time.Second
	}
	if opt.HealthEvery <= 0 {
		opt.HealthEvery = 5 * time.Second
	}
	if opt.CheckEvery <= 0 {
		opt.CheckEvery = 200 * time.Millisecond
	}
	set := &Set{rdb: rdb, opt: opt, log: opt.Log, health: map[string]error{}}
	for _, l := range lanes {
		set.lanes = append(set.lanes, set.server(l))
	}
	return set
}

func (s *Set) server(l Lane) *server {
	one := &server{Lane: l}
	for i, concurrency := range l.shares() {
		c := asynq.Config{
			Concurrency:     concurrency,
			Queues:          map[string]int{l.Queue(): 1},
			RetryDelayFunc:  queue.RetryDelay,
			IsFailure:       queue.IsFailure,
			ErrorHandler:    asynq.ErrorHandlerFunc(s.unexpected),
			ShutdownTimeout: s.opt.ShutdownTimeout,
			// Measured: asynq's defaults (5 s, 1 s) start a due task 2.7 s late in the median; these, 0.4 s.
			DelayedTaskCheckInterval: time.Second,
			TaskCheckInterval:        s.opt.CheckEvery,
			Logger:                   asynqLog{s.log.With("queue", l.Queue())},
			LogLevel:                 asynq.WarnLevel,
		}
		if i == 0 {
			c.HealthCheckInterval = s.opt.HealthEvery
			c.HealthCheckFunc = func(err error) { s.setHealth(l.Queue(), err) }
		} else {
			c.DelayedTaskCheckInterval, c.JanitorInterval = never, never // the first one looks after the queue
		}
		one.parts = append(one.parts, asynq.NewServerFromRedisClient(s.rdb, c))
	}
	return one
}

// Add serves further lanes, at once where the set runs. Those that did start stay when another does not.
func (s *Set) Add(lanes ...Lane) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range lanes {
		one := s.server(l)
		if s.up {
			if err := one.begin(); err != nil {
				return err
			}
		}
		delete(s.health, l.Queue())
		s.lanes = append(s.lanes, one)
	}
	return nil
}

// Drop serves a provider's lanes no longer. Running tasks end as when the set stops; it does not wait for them.
func (s *Set) Drop(p providers.Name) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lanes = slices.DeleteFunc(s.lanes, func(l *server) bool {
		if l.Provider != p || l.Named != "" {
			return false
		}
		if s.up {
			l.stop()
			s.ending.Go(l.shutdown)
		}
		return true
	})
}

// Register puts the queues on the list of those that exist, as the first task of each would, so that the web UI
// and the metrics answer about them before. It creates nothing else. Repeat it, because the list is gone when
// Redis was emptied; it may run twice.
func (s *Set) Register(ctx context.Context) error {
	queues := s.Queues()
	if len(queues) == 0 {
		return nil
	}
	if err := s.rdb.SAdd(ctx, keys.Queues, queues).Err(); err != nil {
		return fmt.Errorf("servers: register the queues: %w", err)
	}
	return nil
}

// Start starts every server; when one does not start, those before it are stopped again.
func (s *Set) Start() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, l := range s.lanes {
		if err := l.begin(); err != nil {
			for _, started := range s.lanes[:i] {
				started.shutdown()
			}
			return err
		}
	}
	s.up = true
	return nil
}

// Stop takes no new tasks at once, lets running ones end within the shutdown timeout, and gives
// the rest back to the queue.
func (s *Set) Stop() {
	s.mu.Lock()
	wasUp, lanes := s.up, slices.Clone(s.lanes)
	s.up = false
	s.mu.Unlock()
	defer s.ending.Wait()
	if !wasUp {
		return
	}
	atOnce(lanes, (*server).stop)
	atOnce(lanes, (*server).shutdown)
}

// Health reports, for every queue served, why it is not served, or nil.
func (s *Set) Health() map[string]error {
	s.mu.Lock()
	defer s.mu.Unlock()
	report := map[string]error{}
	for _, queue := range s.queues() {
		report[queue] = s.health[queue]
		if !s.up {
			report[queue] = errors.New("its server is not running")
		}
	}
	return report
}

// Queues lists the queues served.
func (s *Set) Queues() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.queues()
}

func (s *Set) queues() []string {
	names := make([]string, len(s.lanes))
	for i, l := range s.lanes {
		names[i] = l.Queue()
	}
	return names
}

func (s *Set) setHealth(queue string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.health[queue] = err
}

// unexpected logs errors that no handler expects; waiting is not one of them.
func (s *Set) unexpected(ctx context.Context, t *asynq.Task, err error) {
	if !queue.IsFailure(err) {
		return
	}
	id, _ := asynq.GetTaskID(ctx)
	retried, _ := asynq.GetRetryCount(ctx)
	log := s.log.With("task", id, "type", t.Type(), "retried", retried)
	var p *PanicError
	if errors.As(err, &p) {
		log = log.With("stack", p.Stack)
	}
	log.Error("task failed and will be run again", "error", err)
}

// PanicError is a panic in a handler. Its text, which the web UI shows, names only the place: the
// value of a panic may hold anything.
type PanicError struct{ Stack string }

func (e *PanicError) Error() string { return "the handler panicked; the worker's log holds the stack" }

// guard turns a panic into an error before asynq can put the panic's value into Redis, and keeps
// every task in the queue until its handler is done with it.
func guard(h asynq.Handler) asynq.Handler {
	return asynq.HandlerFunc(func(ctx context.Context, t *asynq.Task) (err error) {
		defer func() {
			if recover() != nil {
				err = &PanicError{Stack: string(debug.Stack())}
			}
		}()
		err = h.ProcessTask(ctx, t)
		if errors.Is(err, asynq.SkipRetry) || errors.Is(err, asynq.RevokeTask) {
			// The queue would archive or drop the task: nothing may end there.
			err = errors.New(err.Error())
		}
		return err
	})
}

// asynqLog passes asynq's own lines on.
type asynqLog struct{ log *slog.Logger }

func (l asynqLog) Debug(args ...any) { l.log.Debug("asynq: " + fmt.Sprint(args...)) }
func (l asynqLog) Info(args ...any)  { l.log.Info("asynq: " + fmt.Sprint(args...)) }
func (l asynqLog) Warn(args ...any)  { l.log.Warn("asynq: " + fmt.Sprint(args...)) }
func (l asynqLog) Error(args ...any) { l.log.Error("asynq: " + fmt.Sprint(args...)) }
func (l asynqLog) Fatal(args ...any) { l.log.Error("asynq: " + fmt.Sprint(args...)) }
