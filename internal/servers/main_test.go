package servers_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"issuance/internal/servers"
	"issuance/internal/testredis"
	"issuance/providers"
	"issuance/tasks/order"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a queue on a Redis of the test's own.
type world struct {
	T         *testing.T
	Log       *slog.Logger
	logged    *lines
	server    *testredis.Server
	rdb       *redis.Client
	inspector *asynq.Inspector
	client    *asynq.Client
}

func newWorld(t *testing.T) *world {
	t.Helper()
	t.Parallel() // asynq's own pace is a second
	s := testredis.Start(t)
	rdb, logged := s.Client(), &lines{}
	return &world{T: t, Log: slog.New(slog.NewJSONHandler(logged, nil)), logged: logged, server: s, rdb: rdb,
		inspector: asynq.NewInspectorFromRedisClient(rdb), client: asynq.NewClientFromRedisClient(rdb)}
}

// lines is a log that can be read. Safe for concurrent use.
type lines struct {
	mu  sync.Mutex
	all strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.Write(p)
}

func (l *lines) contains(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.all.String(), text)
}

// enqueue puts task n into a lane of ECTicket's.
func (w *world) enqueue(l order.Lane, n int) string {
	w.T.Helper()
	id := fmt.Sprintf("%s-%d", l, n)
	_, err := w.client.Enqueue(asynq.NewTask("t", []byte(id)), asynq.TaskID(id), asynq.Queue(queueOf(l)),
		asynq.MaxRetry(1_000_000), asynq.Timeout(time.Minute), asynq.Retention(time.Hour))
	if err != nil {
		w.T.Fatal(err)
	}
	return id
}

// queueOf is a lane's queue of ECTicket's.
func queueOf(l order.Lane) string { return handle(l, 1, nil).Queue() }

// handle makes a lane of ECTicket's.
func handle(l order.Lane, concurrency int, h asynq.HandlerFunc) servers.Lane {
	return servers.Lane{Provider: providers.ECTicket, Lane: l, Concurrency: concurrency, Handler: h}
}

// start starts a set, which is stopped with the test.
func (w *world) start(opt servers.Options, lanes ...servers.Lane) *servers.Set {
	w.T.Helper()
	return w.startOn(w.server.Client(), opt, lanes...)
}

func (w *world) startOn(rdb redis.UniversalClient, opt servers.Options, lanes ...servers.Lane) *servers.Set {
	w.T.Helper()
	opt.Log = w.Log
	set := servers.New(rdb, lanes, opt)
	if err := set.Start(); err != nil {
		w.T.Fatal(err)
	}
	w.T.Cleanup(set.Stop)
	return set
}

// info is what the queue knows of a task.
func (w *world) info(l order.Lane, id string) *asynq.TaskInfo {
	w.T.Helper()
	info, err := w.inspector.GetTaskInfo(queueOf(l), id)
	if err != nil {
		w.T.Fatal(err)
	}
	return info
}

// until waits for a condition that the servers bring about.
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
