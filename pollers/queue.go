package pollers

import (
	"context"
	"errors"
	"fmt"
	"time"

	"issuance/internal/queue"
	"issuance/tasks/order"
)

// Queue holds one poll task per order. The product's is asynq; simulations have their own.
type Queue interface {
	// Schedule enqueues the order's poll task to run after delay. A task that waits already is
	// left as it is.
	Schedule(ctx context.Context, r order.Ref, delay time.Duration) error
	// RunNow makes the order's waiting poll task run at once. A task that is not waiting is left
	// as it is.
	RunNow(ctx context.Context, r order.Ref) error
}

// asynqQueue implements Queue. Safe for concurrent use.
type asynqQueue struct{ client *queue.Client }

func (q asynqQueue) Schedule(ctx context.Context, r order.Ref, delay time.Duration) error {
	h := queue.PollHome(r)
	err := q.client.Enqueue(ctx, r, h, "", delay)
	if errors.Is(err, queue.ErrTaken) {
		err = q.revive(ctx, r, h, delay)
	}
	if err != nil {
		return fmt.Errorf("pollers: follow %s: %w", r, err)
	}
	return nil
}

// revive makes a poll task that is finished or archived while its order is still accepted run again. One
// that the queue does not let go of is left to the sweeper, which goes around it within seconds; failing
// here would have the caller's task fail for ever.
func (q asynqQueue) revive(ctx context.Context, r order.Ref, h queue.Home, delay time.Duration) error {
	found, err := q.client.Find(ctx, []queue.Home{h})
	if err != nil {
		return err
	}
	if found[0].Ended() && !q.client.Delete(ctx, h) {
		return nil
	}
	if err := q.client.Enqueue(ctx, r, h, "", delay); err != nil && !errors.Is(err, queue.ErrTaken) {
		return err
	}
	return nil
}

func (q asynqQueue) RunNow(ctx context.Context, r order.Ref) error {
	if err := q.client.Run(ctx, queue.PollHome(r)); err != nil {
		return fmt.Errorf("pollers: %w", err)
	}
	return nil
}
