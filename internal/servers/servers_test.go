package engine_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hibiken/asynq"

	"issuance/internal/engine"
	"issuance/internal/testbench"
	"issuance/providers"
	"issuance/tasks"
)

func TestWaitingUsesUpNoRetryAndIsNoFailure(t *testing.T) {
	w := newWorld(t)
	id := w.enqueue(tasks.Checkout, 1)
	runs := make(chan int, 10)
	n := 0
	w.start(engine.Options{}, handle(tasks.Checkout, 1, func(context.Context, *asynq.Task) error {
		n++
		defer func(n int) { runs <- n }(n)
		if n < 3 {
			return tasks.Wait(time.Second, "not issued yet")
		}
		return nil
	}))
	receive(t, "the first run", runs)
	w.until("the task to wait", func() bool { return w.info(tasks.Checkout, id).State == asynq.TaskStateRetry })
	info := w.info(tasks.Checkout, id)
	if info.Retried != 0 || info.LastErr != "not issued yet; next look in 1s" {
		t.Errorf("%d retries are used up, the web UI shows %q", info.Retried, info.LastErr)
	}
	receive(t, "the second run", runs)
	receive(t, "the third run", runs)
	w.until("the task to be done", func() bool { return w.info(tasks.Checkout, id).State == asynq.TaskStateCompleted })
	q, err := w.inspector.GetQueueInfo("ecticket-checkout")
	if err != nil || w.info(tasks.Checkout, id).Retried != 0 || q.FailedTotal != 0 {
		t.Errorf("%d retries, %d failures, %v", w.info(tasks.Checkout, id).Retried, q.FailedTotal, err)
	}
	if w.Said("task failed") {
		t.Error("a wait was logged as a failure")
	}
}

func TestAnUnexpectedErrorIsLoggedAndRunAgain(t *testing.T) {
	w := newWorld(t)
	id := w.enqueue(tasks.Checkout, 1)
	runs := make(chan struct{}, 10)
	first := true
	w.start(engine.Options{}, handle(tasks.Checkout, 1, func(context.Context, *asynq.Task) error {
		defer func() { first = false; runs <- struct{}{} }()
		if first {
			return errors.New("Redis is away")
		}
		return nil
	}))
	receive(t, "the first run", runs)
	w.until("the task to wait", func() bool { return w.info(tasks.Checkout, id).State == asynq.TaskStateRetry })
	if info := w.info(tasks.Checkout, id); info.Retried != 1 || info.LastErr != "Redis is away" {
		t.Errorf("retried %d times, last error %q", info.Retried, info.LastErr)
	}
	if !w.Said("task failed and will be run again") || !w.Said(id) {
		t.Error("the failure is not in the log")
	}
	receive(t, "the second run", runs)
}

func TestAPanicIsShownWithoutItsValue(t *testing.T) {
	w := newWorld(t)
	id := w.enqueue(tasks.Checkout, 1)
	w.start(engine.Options{}, handle(tasks.Checkout, 1, func(context.Context, *asynq.Task) error {
		panicsWith(testbench.CustomerEmail)
		return nil
	}))
	w.until("the task to wait", func() bool { return w.info(tasks.Checkout, id).State == asynq.TaskStateRetry })
	info := w.info(tasks.Checkout, id)
	if want := "the handler panicked; the worker's log holds the stack"; info.LastErr != want || info.Retried != 1 {
		t.Errorf("the web UI shows %q after %d retries", info.LastErr, info.Retried)
	}
	if !w.Said("panicsWith") {
		t.Error("the log does not hold the stack")
	}
	if leaks := w.Leaks(); len(leaks) != 0 {
		t.Errorf("the panic's value can be read in %v", leaks)
	}
}

func panicsWith(value string) { panic(fmt.Errorf("about %s", value)) }

func TestNothingIsArchivedOrDroppedWhateverAHandlerReturns(t *testing.T) {
	w := newWorld(t)
	answers := map[string]error{
		"0": fmt.Errorf("never again: %w", asynq.SkipRetry), "1": fmt.Errorf("forget it: %w", asynq.RevokeTask),
		"2": context.Canceled, "3": context.DeadlineExceeded,
	}
	w.start(engine.Options{}, handle(tasks.Bulk, 4, func(_ context.Context, task *asynq.Task) error {
		return answers[strings.TrimPrefix(string(task.Payload()), "bulk-")]
	}))
	for n := range answers {
		id := w.enqueue(tasks.Bulk, int(n[0]-'0'))
		w.until("task "+id+" to wait", func() bool { return w.info(tasks.Bulk, id).State == asynq.TaskStateRetry })
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
	w.start(engine.Options{},
		handle(tasks.Bulk, 2, func(context.Context, *asynq.Task) error {
			busy.enter()
			defer busy.leave()
			started <- struct{}{}
			<-release
			return nil
		}),
		handle(tasks.Checkout, 1, func(context.Context, *asynq.Task) error { checkout <- struct{}{}; return nil }))
	for n := range 5 {
		w.enqueue(tasks.Bulk, n)
	}
	receive(t, "the first of the load", started)
	receive(t, "the second of the load", started)
	for n := range 3 { // the load, which does not move, holds nobody up
		w.enqueue(tasks.Checkout, n)
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
	id := w.enqueue(tasks.Checkout, 1)
	started, release := make(chan struct{}), make(chan struct{})
	e := w.start(engine.Options{}, handle(tasks.Checkout, 1, func(ctx context.Context, _ *asynq.Task) error {
		close(started)
		<-release
		return ctx.Err() // it was given the time it needed
	}))
	receive(t, "the run", started)
	later := w.enqueue(tasks.Checkout, 2)
	stopped := make(chan struct{})
	go func() { e.Stop(); close(stopped) }()
	w.until("the engine to stop", func() bool { return e.Health()["ecticket-checkout"] != nil })
	close(release)
	receive(t, "the end", stopped)
	if s := w.info(tasks.Checkout, id).State; s != asynq.TaskStateCompleted {
		t.Errorf("the task that ran is %s", s)
	}
	if s := w.info(tasks.Checkout, later).State; s != asynq.TaskStatePending {
		t.Errorf("the task that had not begun is %s", s)
	}
}

func TestStopHandsBackATaskThatDoesNotEnd(t *testing.T) {
	w := newWorld(t)
	id := w.enqueue(tasks.Checkout, 1)
	started, release := make(chan struct{}), make(chan struct{})
	defer close(release)
	e := w.start(engine.Options{ShutdownTimeout: 100 * time.Millisecond}, handle(tasks.Checkout, 1, func(context.Context, *asynq.Task) error {
		close(started)
		<-release
		return nil
	}))
	receive(t, "the run", started)
	e.Stop()
	if info := w.info(tasks.Checkout, id); info.State != asynq.TaskStatePending || info.Retried != 0 {
		t.Errorf("the task is %s after %d retries", info.State, info.Retried)
	}
	// Another worker takes it up at once.
	again := make(chan struct{})
	w.start(engine.Options{}, handle(tasks.Checkout, 1, func(context.Context, *asynq.Task) error { close(again); return nil }))
	receive(t, "another worker", again)
}

func TestHealthTellsWhichQueueIsNotServed(t *testing.T) {
	w := newWorld(t)
	lanes := []engine.Lane{handle(tasks.Checkout, 1, idle), handle(tasks.Poll, 1, idle)}
	e := engine.New(w.server.Client(), lanes, engine.Options{Log: w.Log, HealthEvery: 50 * time.Millisecond})
	expect := func(when string, served bool) {
		t.Helper()
		if h := e.Health(); len(h) != 2 || (h["ecticket-checkout"] == nil) != served || (h["ecticket-poll"] == nil) != served {
			t.Errorf("%s its health is %v", when, h)
		}
	}
	if q := e.Queues(); len(q) != 2 || q[0] != "ecticket-checkout" || q[1] != "ecticket-poll" {
		t.Errorf("it serves %v", q)
	}
	e.Stop() // nothing to stop: no harm
	expect("before its start", false)
	if err := e.Start(); err != nil {
		t.Fatal(err)
	}
	expect("after its start", true)
	if err := e.Start(); err == nil {
		t.Error("it was started twice")
	}
	w.server.Kill()
	w.until("the dead Redis to be noticed", func() bool {
		h := e.Health()
		return h["ecticket-checkout"] != nil && h["ecticket-poll"] != nil
	})
	w.server.Restart()
	w.until("the new Redis to be noticed", func() bool {
		h := e.Health()
		return h["ecticket-checkout"] == nil && h["ecticket-poll"] == nil
	})
	e.Stop()
	e.Stop()
	expect("after its end", false)
}

func TestAnEngineThatDoesNotStartStopsWhatHadBegun(t *testing.T) {
	w := newWorld(t)
	ran := make(chan struct{}, 1)
	lanes := []engine.Lane{handle(tasks.Checkout, 1, func(context.Context, *asynq.Task) error { ran <- struct{}{}; return nil }),
		{Provider: providers.ECTicket, Lane: tasks.Poll, Concurrency: 1}} // without a handler
	e := engine.New(w.server.Client(), lanes, engine.Options{Log: w.Log})
	if err := e.Start(); err == nil || !strings.Contains(err.Error(), "ecticket-poll") {
		e.Stop()
		t.Fatalf("it started without a handler: %v", err)
	}
	id := w.enqueue(tasks.Checkout, 1)
	if s := w.info(tasks.Checkout, id).State; s != asynq.TaskStatePending {
		t.Errorf("the task is %s", s)
	}
	select {
	case <-ran:
		t.Error("a server still runs")
	default:
	}
}
