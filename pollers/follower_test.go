package pollers_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/hibiken/asynq"

	"issuance/internal/handlertest"
	"issuance/internal/keys"
	"issuance/internal/queue"
	"issuance/internal/testredis"
	"issuance/pollers"
	"issuance/providers"
	"issuance/tasks/order"
)

// lane and id are where the order's poll task is.
const lane, id = "ecticket-poll", "poll:ecticket:2000132:ORDER1"

// followed is a follower and the queue it fills.
type followed struct {
	t         *testing.T
	server    *testredis.Server
	follower  *pollers.Follower
	inspector *asynq.Inspector
}

func eachFollower(t *testing.T, run func(f *followed)) {
	t.Helper()
	testredis.Each(t, func(t *testing.T, s *testredis.Server) {
		rdb := s.Client()
		run(&followed{t: t, server: s, follower: pollers.NewFollower(rdb, pollers.Schedule{}, pollers.FollowerOptions{}),
			inspector: asynq.NewInspectorFromRedisClient(rdb)})
	})
}

func (f *followed) follow(delay time.Duration) {
	f.t.Helper()
	if err := f.follower.Follow(f.t.Context(), ref, delay); err != nil {
		f.t.Fatal(err)
	}
}

// task expects the order's only poll task in a state.
func (f *followed) task(want asynq.TaskState) *asynq.TaskInfo {
	f.t.Helper()
	q, err := f.inspector.GetQueueInfo(lane)
	if err != nil {
		f.t.Fatal(err)
	}
	if q.Size != 1 {
		f.t.Errorf("the queue holds %d tasks", q.Size)
	}
	info, err := f.inspector.GetTaskInfo(lane, id)
	if err != nil {
		f.t.Fatal(err)
	}
	if info.State != want {
		f.t.Errorf("the task is %s, want %s", info.State, want)
	}
	return info
}

func TestFollowingTwiceIsOneTask(t *testing.T) {
	eachFollower(t, func(f *followed) {
		before := time.Now()
		f.follow(-1)
		first := f.task(asynq.TaskStateScheduled)
		if in := first.NextProcessAt.Sub(before); in < 53*time.Second || in > 61*time.Second {
			f.t.Errorf("the first poll comes in %s, want a minute less its jitter", in)
		}
		if first.MaxRetry != queue.MaxRetry || first.Timeout != queue.DefaultTimeout || first.Retention != queue.DefaultRetention {
			f.t.Errorf("retries %d, timeout %s, retention %s", first.MaxRetry, first.Timeout, first.Retention)
		}
		if r, _, err := queue.Decode(first.Payload); err != nil || r != ref {
			f.t.Errorf("the payload names %s, %v", r, err)
		}
		f.follow(0)
		if second := f.task(asynq.TaskStateScheduled); second.NextProcessAt != first.NextProcessAt {
			f.t.Error("following again moved the poll")
		}
	})
}

func TestAnOrderToAskForAtOnceIsPending(t *testing.T) {
	eachFollower(t, func(f *followed) {
		f.follow(0)
		f.task(asynq.TaskStatePending)
		f.follow(0)
		f.task(asynq.TaskStatePending)
	})
}

func TestFollowingRevivesAnArchivedPoll(t *testing.T) {
	eachFollower(t, func(f *followed) {
		f.follow(-1)
		if err := f.inspector.ArchiveTask(lane, id); err != nil {
			f.t.Fatal(err)
		}
		f.task(asynq.TaskStateArchived)
		f.follow(0)
		f.task(asynq.TaskStatePending)
	})
}

// The sweeper gives the order a task under another id; the caller's own must not fail for ever.
func TestFollowingLeavesAPollThatCannotBeDeletedToTheSweeper(t *testing.T) {
	eachFollower(t, func(f *followed) {
		f.follow(-1)
		if err := f.inspector.ArchiveTask(lane, id); err != nil {
			f.t.Fatal(err)
		}
		// As asynq trims its archive: the id stays taken.
		if err := f.server.Client().ZRem(f.t.Context(), keys.Queue(lane)+"archived", id).Err(); err != nil {
			f.t.Fatal(err)
		}
		f.follow(0)
	})
}

// serve runs the poll queue with a handler until it has run once.
func (f *followed) serve(handle func(ctx context.Context) error) {
	f.t.Helper()
	ran := make(chan struct{}, 1)
	h := asynq.HandlerFunc(func(ctx context.Context, _ *asynq.Task) error {
		defer func() { ran <- struct{}{} }()
		return handle(ctx)
	})
	server := asynq.NewServerFromRedisClient(f.server.Client(), asynq.Config{Concurrency: 1, Queues: map[string]int{lane: 1},
		TaskCheckInterval: 10 * time.Millisecond, LogLevel: asynq.FatalLevel, RetryDelayFunc: queue.RetryDelay, IsFailure: queue.IsFailure})
	if err := server.Start(h); err != nil {
		f.t.Fatal(err)
	}
	<-ran
	server.Shutdown() // lets the run end
}

func TestFollowingRevivesACompletedPoll(t *testing.T) {
	eachFollower(t, func(f *followed) {
		f.follow(0)
		f.serve(func(context.Context) error { return nil })
		f.task(asynq.TaskStateCompleted)
		f.follow(-1)
		f.task(asynq.TaskStateScheduled)
	})
}

func TestFollowingLeavesAPollThatRunsOrWaitsForAnotherTryAsItIs(t *testing.T) {
	eachFollower(t, func(f *followed) {
		f.follow(0)
		f.serve(func(ctx context.Context) error {
			if err := f.follower.Follow(ctx, ref, 0); err != nil {
				f.t.Error(err)
			}
			f.task(asynq.TaskStateActive)
			return queue.Wait(time.Hour, "not issued yet")
		})
		f.task(asynq.TaskStateRetry)
		f.follow(0)
		if info := f.task(asynq.TaskStateRetry); info.Retried != 0 || time.Until(info.NextProcessAt) < 59*time.Minute {
			f.t.Errorf("%d retries are used up, the next run is at %s", info.Retried, info.NextProcessAt)
		}
	})
}

func TestTwoAccountsOrdersOfOneNumberAreTwoTasks(t *testing.T) {
	eachFollower(t, func(f *followed) {
		f.follow(0)
		f.task(asynq.TaskStatePending)
		for _, other := range []order.Ref{{Account: handlertest.Pass2U, OrderID: "ORDER1"},
			{Account: providers.Account{Provider: providers.ECTicket, Merchant: "3085676"}, OrderID: "ORDER1"}} {
			if err := f.follower.Follow(f.t.Context(), other, 0); err != nil {
				f.t.Fatal(err)
			}
		}
		for queue, other := range map[string]string{"pass2u-poll": "poll:pass2u:main:ORDER1", lane: "poll:ecticket:3085676:ORDER1"} {
			if info, err := f.inspector.GetTaskInfo(queue, other); err != nil || info.State != asynq.TaskStatePending {
				f.t.Errorf("task %s: %+v, %v", other, info, err)
			}
		}
	})
}

func TestAFollowUpThatCannotBeEnqueuedIsAnError(t *testing.T) {
	eachFollower(t, func(f *followed) {
		ctx, cancel := context.WithCancel(f.t.Context())
		cancel()
		if err := f.follower.Follow(ctx, ref, 0); err == nil {
			f.t.Error("a follow-up that was not enqueued is taken for done")
		}
		if _, err := f.inspector.GetTaskInfo(lane, id); !errors.Is(err, asynq.ErrTaskNotFound) && !errors.Is(err, asynq.ErrQueueNotFound) {
			f.t.Error(err)
		}
	})
}
