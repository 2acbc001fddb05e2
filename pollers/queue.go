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

// Queue holds one poll task per order. The product's is asynq; simulations have their own.
type Queue interface {
	// Schedule enqueues the order's poll task to run after delay. A task that waits already is
	// left as it is.
	Schedule(ctx context.Context, k ledger.Key, delay time.Duration) error
	// RunNow makes the order's waiting poll task run at once. A task that is not waiting is left
	// as it is.
	RunNow(ctx context.Context, k ledger.Key) error
}

// asynqQueue implements Queue. Safe for concurrent use.
type asynqQueue struct {
	client    *asynq.Client
	inspector *asynq.Inspector
	opt       FollowerOptions
}

func newAsynqQueue(rdb redis.UniversalClient, opt FollowerOptions) *asynqQueue {
	return &asynqQueue{client: asynq.NewClientFromRedisClient(rdb), inspector: asynq.NewInspectorFromRedisClient(rdb), opt: opt}
}

func (q *asynqQueue) Schedule(ctx context.Context, k ledger.Key, delay time.Duration) error {
	err := q.enqueue(ctx, k, delay)
	if errors.Is(err, asynq.ErrTaskIDConflict) {
		err = q.revive(ctx, k, delay)
	}
	if err != nil {
		return fmt.Errorf("pollers: follow %s: %w", k, err)
	}
	return nil
}

func (q *asynqQueue) enqueue(ctx context.Context, k ledger.Key, delay time.Duration) error {
	payload, err := tasks.PollPayload(k, time.Now())
	if err != nil {
		return err
	}
	_, err = q.client.EnqueueContext(ctx, asynq.NewTask(tasks.PollType(k.Provider), payload),
		asynq.Queue(tasks.Queue(k.Provider, tasks.Poll)), asynq.TaskID(tasks.PollID(k.Provider, k.OrderID)),
		asynq.MaxRetry(tasks.MaxRetry), asynq.Timeout(q.opt.TaskTimeout), asynq.Retention(q.opt.Retention),
		asynq.ProcessIn(delay))
	return err
}

// revive makes a poll task that is finished or archived while its order is still accepted run again.
func (q *asynqQueue) revive(ctx context.Context, k ledger.Key, delay time.Duration) error {
	ended, err := q.ended(k)
	if err != nil {
		return err
	}
	if ended {
		deleteErr := q.inspector.DeleteTask(tasks.Queue(k.Provider, tasks.Poll), tasks.PollID(k.Provider, k.OrderID))
		if deleteErr != nil && !errors.Is(deleteErr, asynq.ErrTaskNotFound) {
			// asynq trims its archive without letting go of the ids. The sweeper finds the accepted
			// order without a task that will run within seconds, and gives it one under another id;
			// failing here would have the caller's task fail for ever. A poll that somebody else
			// has revived meanwhile is as good.
			_, err := q.ended(k)
			return err
		}
	}
	if err := q.enqueue(ctx, k, delay); err != nil && !errors.Is(err, asynq.ErrTaskIDConflict) {
		return err
	}
	return nil
}

// ended reports whether the order's poll task is there and will not run again.
func (q *asynqQueue) ended(k ledger.Key) (bool, error) {
	info, err := q.inspector.GetTaskInfo(tasks.Queue(k.Provider, tasks.Poll), tasks.PollID(k.Provider, k.OrderID))
	if errors.Is(err, asynq.ErrTaskNotFound) || errors.Is(err, asynq.ErrQueueNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return info.State == asynq.TaskStateArchived || info.State == asynq.TaskStateCompleted, nil
}

func (q *asynqQueue) RunNow(_ context.Context, k ledger.Key) error {
	queue, id := tasks.Queue(k.Provider, tasks.Poll), tasks.PollID(k.Provider, k.OrderID)
	err := q.inspector.RunTask(queue, id)
	if err == nil || errors.Is(err, asynq.ErrTaskNotFound) || errors.Is(err, asynq.ErrQueueNotFound) {
		return nil
	}
	// asynq has no error of its own for "it runs, or is about to". A task that is there does, or did
	// since and so has just been asked; only one that cannot be looked at is a reason to complain.
	if _, infoErr := q.inspector.GetTaskInfo(queue, id); infoErr == nil || errors.Is(infoErr, asynq.ErrTaskNotFound) {
		return nil
	}
	return fmt.Errorf("pollers: wake %s: %w", k, err)
}
