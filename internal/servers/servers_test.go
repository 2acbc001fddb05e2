package servers_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"issuance/internal/keys"
	"issuance/internal/queue"
	"issuance/internal/servers"
	"issuance/internal/testredis"
	"issuance/providers"
	"issuance/tasks/order"
)

func TestWaitingUsesUpNoRetryAndIsNoFailure(t *testing.T) {
	w := newWorld(t)
	id := w.enqueue(order.Checkout, 1)
	runs := make(chan int, 10)
	n := 0
	w.start(servers.Options{}, handle(order.Checkout, 1, func(context.Context, *asynq.Task) error {
		n++
		defer func(n int) { runs <- n }(n)
		if n < 3 {
			return queue.Wait(time.Second, "not issued yet")
		}
		return nil
	}))
	receive(t, "the first run", runs)
	w.until("the task to wait", func() bool { return w.info(order.Checkout, id).State == asynq.TaskStateRetry })
	info := w.info(order.Checkout, id)
	if info.Retried != 0 || info.LastErr != "not issued yet; next look in 1s" {
		t.Errorf("%d retries are used up, the web UI shows %q", info.Retried, info.LastErr)
	}
	receive(t, "the second run", runs)
	receive(t, "the third run", runs)
	w.until("the task to be done", func() bool { return w.info(order.Checkout, id).State == asynq.TaskStateCompleted })
	q, err := w.inspector.GetQueueInfo("ecticket-checkout")
	if err != nil || w.info(order.Checkout, id).Retried != 0 || q.FailedTotal != 0 {
		t.Errorf("%d retries, %d failures, %v", w.info(order.Checkout, id).Retried, q.FailedTotal, err)
	}
	if w.logged.contains("task failed") {
		t.Error("a wait was logged as a failure")
	}
}

func TestAnUnexpectedErrorIsLoggedAndRunAgain(t *testing.T) {
	w := newWorld(t)
	id := w.enqueue(order.Checkout, 1)
	runs := make(chan struct{}, 10)
	first := true
	w.start(servers.Options{}, handle(order.Checkout, 1, func(context.Context, *asynq.Task) error {
		defer func() { first = false; runs <- struct{}{} }()
		if first {
			return errors.New("Redis is away")
		}
		return nil
	}))
	receive(t, "the first run", runs)
	w.until("the task to wait", func() bool { return w.info(order.Checkout, id).State == asynq.TaskStateRetry })
	if info := w.info(order.Checkout, id); info.Retried != 1 || info.LastErr != "Redis is away" {
		t.Errorf("retried %d times, last error %q", info.Retried, info.LastErr)
	}
	if !w.logged.contains("task failed and will be run again") || !w.logged.contains(id) {
		t.Error("the failure is not in the log")
	}
	receive(t, "the second run", runs)
}

func TestAPanicIsShownWithoutItsValue(t *testing.T) {
	w := newWorld(t)
	const secret = "canary.customer@example.test"
	id := w.enqueue(order.Checkout, 1)
	w.start(servers.Options{}, handle(order.Checkout, 1, func(context.Context, *asynq.Task) error {
		panicsWith(secret)
		return nil
	}))
	w.until("the task to wait", func() bool { return w.info(order.Checkout, id).State == asynq.TaskStateRetry })
	info := w.info(order.Checkout, id)
	if want := "the handler panicked; the worker's log holds the stack"; info.LastErr != want || info.Retried != 1 {
		t.Errorf("the web UI shows %q after %d retries", info.LastErr, info.Retried)
	}
	if !w.logged.contains("panicsWith") {
		t.Error("the log does not hold the stack")
	}
	if w.logged.contains(secret) {
		t.Error("the panic's value can be read in the log")
	}
	for key, content := range w.server.Dump(t.Context()) {
		if strings.Contains(content, secret) {
			t.Errorf("the panic's value can be read in %s", key)
		}
	}
}

func panicsWith(value string) { panic(fmt.Errorf("about %s", value)) }

func TestNothingIsArchivedOrDroppedWhateverAHandlerReturns(t *testing.T) {
	w := newWorld(t)
	answers := map[string]error{
		"0": fmt.Errorf("never again: %w", asynq.SkipRetry), "1": fmt.Errorf("forget it: %w", asynq.RevokeTask),
		"2": context.Canceled, "3": context.DeadlineExceeded,
	}
	w.start(servers.Options{}, handle(order.Bulk, 4, func(_ context.Context, task *asynq.Task) error {
		return answers[strings.TrimPrefix(string(task.Payload()), "bulk-")]
	}))
	for n := range answers {
		id := w.enqueue(order.Bulk, int(n[0]-'0'))
		w.until("task "+id+" to wait", func() bool { return w.info(order.Bulk, id).State == asynq.TaskStateRetry })
	}
	if q, err := w.inspector.GetQueueInfo("ecticket-bulk"); err != nil || q.Archived != 0 || q.Retry != len(answers) {
		t.Errorf("%d are archived, %d wait, %v", q.Archived, q.Retry, err)
	}
}

func TestEveryLaneHasWorkersOfItsOwn(t *testing.T) {
	w := newWorld(t)
	var busy gauge
	release, started := make(chan struct{}), make(chan struct{}, 10)
	checkout := make(chan struct{}, 10)
	w.start(servers.Options{},
		handle(order.Bulk, 2, func(context.Context, *asynq.Task) error {
			busy.enter()
			defer busy.leave()
			started <- struct{}{}
			<-release
			return nil
		}),
		handle(order.Checkout, 1, func(context.Context, *asynq.Task) error { checkout <- struct{}{}; return nil }))
	for n := range 5 {
		w.enqueue(order.Bulk, n)
	}
	receive(t, "the first of the load", started)
	receive(t, "the second of the load", started)
	for n := range 3 { // the load, which does not move, holds nobody up
		w.enqueue(order.Checkout, n)
		receive(t, "a checkout", checkout)
	}
	if now, _, _ := busy.read(); now != 2 {
		t.Errorf("%d tasks of the load run at a time, want 2", now)
	}
	close(release)
	w.until("the load to end", func() bool { now, _, in := busy.read(); return in == 5 && now == 0 })
	if _, most, _ := busy.read(); most != 2 {
		t.Errorf("up to %d tasks of the load ran at a time, want 2", most)
	}
}

func TestStopLetsARunningTaskEnd(t *testing.T) {
	w := newWorld(t)
	id := w.enqueue(order.Checkout, 1)
	started, release := make(chan struct{}), make(chan struct{})
	set := w.start(servers.Options{}, handle(order.Checkout, 1, func(ctx context.Context, _ *asynq.Task) error {
		close(started)
		<-release
		return ctx.Err() // it was given the time it needed
	}))
	receive(t, "the run", started)
	later := w.enqueue(order.Checkout, 2)
	stopped := make(chan struct{})
	go func() { set.Stop(); close(stopped) }()
	w.until("the servers to stop", func() bool { return set.Health()["ecticket-checkout"] != nil })
	close(release)
	receive(t, "the end", stopped)
	if s := w.info(order.Checkout, id).State; s != asynq.TaskStateCompleted {
		t.Errorf("the task that ran is %s", s)
	}
	if s := w.info(order.Checkout, later).State; s != asynq.TaskStatePending {
		t.Errorf("the task that had not begun is %s", s)
	}
}

func TestStopHandsBackATaskThatDoesNotEnd(t *testing.T) {
	w := newWorld(t)
	id := w.enqueue(order.Checkout, 1)
	started, release := make(chan struct{}), make(chan struct{})
	defer close(release)
	set := w.start(servers.Options{ShutdownTimeout: 100 * time.Millisecond}, handle(order.Checkout, 1, func(context.Context, *asynq.Task) error {
		close(started)
		<-release
		return nil
	}))
	receive(t, "the run", started)
	set.Stop()
	if info := w.info(order.Checkout, id); info.State != asynq.TaskStatePending || info.Retried != 0 {
		t.Errorf("the task is %s after %d retries", info.State, info.Retried)
	}
	// Another worker takes it up at once.
	again := make(chan struct{})
	w.start(servers.Options{}, handle(order.Checkout, 1, func(context.Context, *asynq.Task) error { close(again); return nil }))
	receive(t, "another worker", again)
}

func TestHealthReportsWhichQueueIsNotServed(t *testing.T) {
	w := newWorld(t)
	lanes := []servers.Lane{handle(order.Checkout, 1, idle), handle(order.Poll, 1, idle)}
	set := servers.New(w.server.Client(), lanes, servers.Options{Log: w.Log, HealthEvery: 50 * time.Millisecond})
	expect := func(when string, served bool) {
		t.Helper()
		if h := set.Health(); len(h) != 2 || (h["ecticket-checkout"] == nil) != served || (h["ecticket-poll"] == nil) != served {
			t.Errorf("%s its health is %v", when, h)
		}
	}
	if q := set.Queues(); len(q) != 2 || q[0] != "ecticket-checkout" || q[1] != "ecticket-poll" {
		t.Errorf("it serves %v", q)
	}
	set.Stop() // nothing to stop: no harm
	expect("before its start", false)
	if err := set.Start(); err != nil {
		t.Fatal(err)
	}
	expect("after its start", true)
	if err := set.Start(); err == nil {
		t.Error("it was started twice")
	}
	w.server.Kill()
	w.until("the dead Redis to be noticed", func() bool {
		h := set.Health()
		return h["ecticket-checkout"] != nil && h["ecticket-poll"] != nil
	})
	w.server.Restart()
	w.until("the new Redis to be noticed", func() bool {
		h := set.Health()
		return h["ecticket-checkout"] == nil && h["ecticket-poll"] == nil
	})
	set.Stop()
	set.Stop()
	expect("after its end", false)
}

func TestASetThatDoesNotStartStopsWhatHadBegun(t *testing.T) {
	w := newWorld(t)
	ran := make(chan struct{}, 1)
	lanes := []servers.Lane{handle(order.Checkout, 1, func(context.Context, *asynq.Task) error { ran <- struct{}{}; return nil }),
		{Provider: providers.ECTicket, Lane: order.Poll, Concurrency: 1}} // without a handler
	set := servers.New(w.server.Client(), lanes, servers.Options{Log: w.Log})
	if err := set.Start(); err == nil || !strings.Contains(err.Error(), "ecticket-poll") {
		set.Stop()
		t.Fatalf("it started without a handler: %v", err)
	}
	id := w.enqueue(order.Checkout, 1)
	if s := w.info(order.Checkout, id).State; s != asynq.TaskStatePending {
		t.Errorf("the task is %s", s)
	}
	select {
	case <-ran:
		t.Error("a server still runs")
	default:
	}
}

// Tasks whose hash is missing or cannot be read, in whatever list, are an asynq bug's or a person's
// work. They stop neither the queue's other tasks nor its health.
func TestDanglingIDsBreakNeitherTheQueueNorItsHealth(t *testing.T) {
	w := newWorld(t)
	ctx, q := t.Context(), queueOf(order.Checkout)
	w.enqueue(order.Checkout, 0) // makes the queue known
	past := float64(time.Now().Add(-time.Hour).Unix())
	for i, set := range []string{"scheduled", "retry", "archived", "completed", "lease"} {
		for n, hash := range []map[string]any{nil, {"state": "pending"}, {"msg": "\xff", "state": "pending"}} {
			id := fmt.Sprintf("dangling-%d-%d", i, n)
			w.must(w.rdb.ZAdd(ctx, keys.Queue(q)+set, redis.Z{Score: past, Member: id}).Err())
			if set == "lease" {
				w.must(w.rdb.LPush(ctx, keys.Queue(q)+"active", id).Err())
			}
			w.must(w.rdb.RPush(ctx, keys.Queue(q)+"pending", "next-"+id).Err()) // the first to be taken
			if hash != nil {
				w.must(w.rdb.HSet(ctx, keys.Task(q, id), hash).Err())
				w.must(w.rdb.HSet(ctx, keys.Task(q, "next-"+id), hash).Err())
			}
		}
	}
	pings := &pings{}
	rdb := w.server.Client()
	rdb.AddHook(pings)
	ran := make(chan string, 10)
	set := w.startOn(rdb, servers.Options{HealthEvery: 20 * time.Millisecond}, handle(order.Checkout, 1, func(_ context.Context, task *asynq.Task) error {
		ran <- string(task.Payload())
		return nil
	}))
	for n := range 3 {
		if got := receive(t, "a sound task", ran); got != fmt.Sprintf("checkout-%d", n) {
			t.Errorf("%q ran", got)
		}
		before := pings.n.Load()
		w.until("its health to be looked at", func() bool { return pings.n.Load() > before+1 })
		if err := set.Health()[q]; err != nil {
			t.Error(err)
		}
		if n < 2 {
			w.enqueue(order.Checkout, n+1)
		}
	}
}

// pings counts how often servers look at their health.
type pings struct {
	testredis.Hook
	n atomic.Int64
}

func (p *pings) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if cmd.Name() == "ping" {
			p.n.Add(1)
		}
		return next(ctx, cmd)
	}
}

func (w *world) must(err error) {
	w.T.Helper()
	if err != nil {
		w.T.Fatal(err)
	}
}
