package sweeper_test

import (
	"context"
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/hibiken/asynq"

	"issuance/internal/keys"
	"issuance/internal/ledger"
	"issuance/internal/sweeper"
	"issuance/internal/testredis"
	"issuance/tasks/order"
)

const pollID = "poll:ecticket:2000132:A1"

// running is a queue whose only task is in a worker's hands. The worker is a real one, so that the
// names and types of asynq's keys are put to the test.
func running(t *testing.T, srv *testredis.Server) (at func(time.Duration) *sweeper.Sweeper, state func() string, release func()) {
	rdb := srv.Client()
	client, inspector := asynq.NewClientFromRedisClient(rdb), asynq.NewInspectorFromRedisClient(rdb)
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
	if _, err := client.Enqueue(asynq.NewTask("poll:ecticket", nil), asynq.Queue("ecticket-poll"), asynq.TaskID(pollID),
		asynq.Retention(time.Hour)); err != nil {
		t.Fatal(err)
	}
	<-begun
	at = func(later time.Duration) *sweeper.Sweeper {
		l := ledger.New(rdb, ledger.Options{Now: func() time.Time { return time.Now().Add(later) }})
		return sweeper.New(rdb, sweeper.Config{Ledger: l, Accounts: sweeper.Always(shop), Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	}
	state = func() string {
		info, err := inspector.GetTaskInfo("ecticket-poll", pollID)
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
		leases, err := rdb.ZCard(t.Context(), keys.Queue("ecticket-poll")+"lease").Result()
		if err != nil || leases != 0 {
			t.Errorf("%d leases are left, %v", leases, err)
		}
		active, err := rdb.LLen(t.Context(), keys.Queue("ecticket-poll")+"active").Result()
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

// The order was begun before those that wait, so it goes on first.
func TestATaskThatIsTakenBackIsTheNextToRun(t *testing.T) {
	each(t, func(t *testing.T, s *scene) {
		s.given(order.Queued)
		s.enqueue(ref, 0)
		s.handOut("ecticket-bulk", true)
		for _, id := range []string{"B1", "B2"} {
			r := order.Ref{Account: shop, OrderID: id}
			s.record(r, order.Bulk)
			s.enqueue(r, 0)
		}
		s.sweepAfter(17 * time.Second)
		first := make(chan string, 3)
		server := asynq.NewServerFromRedisClient(s.rdb, asynq.Config{Concurrency: 1, Queues: map[string]int{"ecticket-bulk": 1},
			TaskCheckInterval: 10 * time.Millisecond, LogLevel: asynq.FatalLevel})
		s.must(server.Start(asynq.HandlerFunc(func(ctx context.Context, _ *asynq.Task) error {
			id, _ := asynq.GetTaskID(ctx)
			first <- id
			return nil
		})))
		defer server.Shutdown()
		if id := <-first; id != issueID {
			t.Errorf("%s runs first", id)
		}
	})
}

// asynq hands out the id of a task that was deleted, and finds nothing there; that must not go on for ever.
func TestWhatIsLeftOfADeletedTaskIsRemoved(t *testing.T) {
	each(t, func(t *testing.T, s *scene) {
		s.given(order.Queued)
		h := s.enqueue(ref, 0)
		s.must(s.rdb.Del(s.ctx, keys.Task(h.Queue, h.ID)).Err())
		s.handOut(h.Queue, true)
		s.sweepAfter(3 * time.Second)
		for _, key := range []string{keys.Queue(h.Queue) + "pending", keys.Queue(h.Queue) + "active", keys.Queue(h.Queue) + "lease", keys.Task(h.Queue, h.ID)} {
			if s.rdb.Exists(s.ctx, key).Val() != 0 {
				t.Errorf("%s still holds something", key)
			}
		}
	})
}
