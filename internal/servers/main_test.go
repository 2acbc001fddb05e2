package engine_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"go.uber.org/goleak"

	"issuance/internal/engine"
	"issuance/internal/testbench"
	"issuance/internal/testredis"
	"issuance/providers"
	"issuance/tasks"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a queue on a Redis of the test's own.
type world struct {
	*testbench.Bench
	server    *testredis.Server
	inspector *asynq.Inspector
	client    *asynq.Client
}

func newWorld(t *testing.T) *world {
	t.Helper()
	t.Parallel() // the engine's own pace is a second
	s := testredis.Start(t)
	b := testbench.New(t, s)
	return &world{Bench: b, server: s, inspector: asynq.NewInspectorFromRedisClient(b.RDB), client: asynq.NewClientFromRedisClient(b.RDB)}
}

// enqueue puts task n into a lane of ECTicket's.
func (w *world) enqueue(l tasks.Lane, n int) string {
	w.T.Helper()
	id := fmt.Sprintf("%s-%d", l, n)
	_, err := w.client.Enqueue(asynq.NewTask("t", []byte(id)), asynq.TaskID(id), asynq.Queue(tasks.Queue(providers.ECTicket, l)),
		asynq.MaxRetry(tasks.MaxRetry), asynq.Timeout(tasks.DefaultTimeout), asynq.Retention(time.Hour))
	if err != nil {
		w.T.Fatal(err)
	}
	return id
}

// handle makes a lane of ECTicket's.
func handle(l tasks.Lane, concurrency int, h asynq.HandlerFunc) engine.Lane {
	return engine.Lane{Provider: providers.ECTicket, Lane: l, Concurrency: concurrency, Handler: h}
}

// start starts an engine, which is stopped with the test.
func (w *world) start(opt engine.Options, lanes ...engine.Lane) *engine.Engine {
	w.T.Helper()
	opt.Log = w.Log
	e := engine.New(w.server.Client(), lanes, opt)
	if err := e.Start(); err != nil {
		w.T.Fatal(err)
	}
	w.T.Cleanup(e.Stop)
	return e
}

// info is what the queue knows of a task.
func (w *world) info(l tasks.Lane, id string) *asynq.TaskInfo {
	w.T.Helper()
	info, err := w.inspector.GetTaskInfo(tasks.Queue(providers.ECTicket, l), id)
	if err != nil {
		w.T.Fatal(err)
	}
	return info
}

// until waits for a condition that the engine brings about.
func (w *world) until(what string, over func() bool) {
	w.T.Helper()
	limit, tick := time.NewTimer(30*time.Second), time.NewTicker(5*time.Millisecond)
	defer limit.Stop()
	defer tick.Stop()
	for !over() {
		select {
		case <-limit.C:
			w.T.Fatalf("waited in vain for %s", what)
		case <-tick.C:
		}
	}
}

// receive waits for a signal of a handler's.
func receive[T any](t testing.TB, what string, c <-chan T) T {
	t.Helper()
	limit := time.NewTimer(30 * time.Second)
	defer limit.Stop()
	select {
	case v := <-c:
		return v
	case <-limit.C:
		t.Fatalf("waited in vain for %s", what)
		panic("unreachable")
	}
}

// gauge counts what is under way.
type gauge struct {
	mu            sync.Mutex
	now, most, in int
}

func (g *gauge) enter() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.now, g.in = g.now+1, g.in+1
	g.most = max(g.most, g.now)
}

func (g *gauge) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.now--
}

func (g *gauge) read() (now, most, in int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.now, g.most, g.in
}

// idle is a handler that has nothing to do.
func idle(context.Context, *asynq.Task) error { return nil }
