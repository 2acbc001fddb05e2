package pollers

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"issuance/internal/ledger"
	"issuance/tasks"
)

// Follower keeps one poll task per accepted order in the queue. Safe for concurrent use.
type Follower struct {
	queue     *asynq.Client
	inspector *asynq.Inspector
	schedule  Schedule
	opt       FollowerOptions
}

// FollowerOptions of a Follower.
type FollowerOptions struct {
	TaskTimeout time.Duration // default tasks.DefaultTimeout; whole seconds
	Retention   time.Duration // default tasks.DefaultRetention
}

// NewFollower makes a follower over rdb, which stays the caller's to close.
func NewFollower(rdb redis.UniversalClient, s Schedule, opt FollowerOptions) *Follower {
	if opt.TaskTimeout <= 0 {
		opt.TaskTimeout = tasks.DefaultTimeout
	}
	if opt.Retention <= 0 {
		opt.Retention = tasks.DefaultRetention
	}
	return &Follower{queue: asynq.NewClientFromRedisClient(rdb), inspector: asynq.NewInspectorFromRedisClient(rdb),
		schedule: s.WithDefaults(), opt: opt}
}

// Follow makes sure that the order is polled, for the first time after delay; a negative delay
// leaves the choice to the schedule. An order that is followed already is left as it is, so doing
// it twice is one follow-up.
func (f *Follower) Follow(ctx context.Context, k ledger.Key, delay time.Duration) error {
	if delay < 0 {
		delay = Jitter(f.schedule.Next(0))
	}
	payload, err := tasks.PollPayload(k, time.Now())
	if err != nil {
		return err
	}
	task := func(delay time.Duration) error {
		_, err := f.queue.EnqueueContext(ctx, asynq.NewTask(tasks.PollType(k.Provider), payload),
			asynq.Queue(tasks.Queue(k.Provider, tasks.Poll)), asynq.TaskID(tasks.PollID(k.Provider, k.OrderID)),
			asynq.MaxRetry(tasks.MaxRetry), asynq.Timeout(f.opt.TaskTimeout), asynq.Retention(f.opt.Retention),
			asynq.ProcessIn(delay))
		return err
	}
	err = task(delay)
	if errors.Is(err, asynq.ErrTaskIDConflict) {
		return f.revive(k, func() error { return task(delay) })
	}
	if err != nil {
		return fmt.Errorf("pollers: follow %s: %w", k, err)
	}
	return nil
}

// revive makes a poll task that is finished or archived while its order is still accepted run again.
func (f *Follower) revive(k ledger.Key, enqueue func() error) error {
	queue, id := tasks.Queue(k.Provider, tasks.Poll), tasks.PollID(k.Provider, k.OrderID)
	info, err := f.inspector.GetTaskInfo(queue, id)
	if err != nil {
		return fmt.Errorf("pollers: follow %s: %w", k, err)
	}
	if info.State != asynq.TaskStateArchived && info.State != asynq.TaskStateCompleted {
		return nil
	}
	if err := f.inspector.DeleteTask(queue, id); err != nil && !errors.Is(err, asynq.ErrTaskNotFound) {
		return fmt.Errorf("pollers: follow %s: %w", k, err)
	}
	if err := enqueue(); err != nil && !errors.Is(err, asynq.ErrTaskIDConflict) {
		return fmt.Errorf("pollers: follow %s: %w", k, err)
	}
	return nil
}
