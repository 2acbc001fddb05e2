package sweeper_test

import (
	"context"
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/hibiken/asynq"

	"issuance/internal/ledger"
	"issuance/internal/testredis"
	"issuance/providers"
	"issuance/tasks/sweep"
)

// running is a queue whose only task is in a worker's hands. The worker is a real one, so that the
// names and types of asynq's keys are put to the test.
func running(t *testing.T, srv *testredis.Server) (at func(time.Duration) *sweep.Sweeper, state func() string, release func()) {
	rdb := srv.Client()
	queue, inspector := asynq.NewClientFromRedisClient(rdb), asynq.NewInspectorFromRedisClient(rdb)
	begun, released := make(chan struct{}, 2), make(chan struct{})
	server := asynq.NewServerFromRedisClient(rdb, asynq.Config{Concurrency: 1, Queues: map[string]int{"ecticket-poll": 1},
		TaskCheckInterval: 10 * time.Millisecond, LogLevel: asynq.FatalLevel, ShutdownTimeout: time.Second})
	if err := server.Start(asynq.HandlerFunc(func(context.Context, *asynq.Task) error {
		begun <- struct{}{}
		<-released
		return nil
	})); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Shutdown)
	if _, err := queue.Enqueue(asynq.NewTask("poll:ecticket", nil), asynq.Queue("ecticket-poll"), asynq.TaskID("poll:ecticket:A1"),
		asynq.Retention(time.Hour)); err != nil {
		t.Fatal(err)
	}
	<-begun
	at = func(later time.Duration) *sweep.Sweeper {
		l := ledger.New(rdb, ledger.Options{Now: func() time.Time { return time.Now().Add(later) }})
		return sweep.New(rdb, sweep.Config{Ledger: l, Providers: providers.All(), Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	}
	state = func() string {
		info, err := inspector.GetTaskInfo("ecticket-poll", "poll:ecticket:A1")
		if err != nil {
			t.Fatal(err)
		}
		return info.State.String()
	}
	return at, state, func() { close(released) }
}

func TestATaskOfAWorkerThatFellSilentIsTakenBack(t *testing.T) {
	testredis.Each(t, func(t *testing.T, srv *testredis.Server) {
		at, state, release := running(t, srv)
		defer release()
		// The worker extends the lease of 30 s every 5 s. Looked at from 17 s later, it is still.
		if err := at(17 * time.Second).Once(t.Context()); err != nil {
			t.Fatal(err)
		}
		if s := state(); s != "pending" {
			t.Errorf("the task is %s, not pending", s)
		}
		rdb := srv.Client()
		leases, err := rdb.ZCard(t.Context(), "asynq:{ecticket-poll}:lease").Result()
		if err != nil || leases != 0 {
			t.Errorf("%d leases are left, %v", leases, err)
		}
		active, err := rdb.LLen(t.Context(), "asynq:{ecticket-poll}:active").Result()
		if err != nil || active != 0 {
			t.Errorf("%d tasks are active, %v", active, err)
		}
	})
}

func TestATaskOfALivingWorkerIsLeftAlone(t *testing.T) {
	testredis.Each(t, func(t *testing.T, srv *testredis.Server) {
		at, state, release := running(t, srv)
		defer release()
		if err := at(10 * time.Second).Once(t.Context()); err != nil { // two beats missed at most
			t.Fatal(err)
		}
		if s := state(); s != "active" {
			t.Errorf("the task is %s, not active", s)
		}
	})
}
