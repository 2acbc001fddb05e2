package queue

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hibiken/asynq"

	"issuance/tasks/order"
)

// What waits for one thing runs at once, and what waits for another is left alone.
func TestTasksThatWaitForTheSameAreRunAtOnce(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		var homes []Home
		for i := range 6 {
			h := HomeOf(order.Ref{Account: shop, OrderID: fmt.Sprintf("O%d", i)}, order.Queued, order.Bulk)
			homes = append(homes, h)
			must(t, b.Enqueue(t.Context(), order.Ref{Account: shop, OrderID: fmt.Sprintf("O%d", i)}, h, "", 0))
		}
		ran := make(chan struct{}, len(homes))
		server := asynq.NewServerFromRedisClient(b.rdb, asynq.Config{Queues: map[string]int{homes[0].Queue: 1}, RetryDelayFunc: RetryDelay, IsFailure: IsFailure,
			TaskCheckInterval: 10 * time.Millisecond, LogLevel: asynq.FatalLevel})
		must(t, server.Start(asynq.HandlerFunc(func(_ context.Context, task *asynq.Task) error {
			defer func() { ran <- struct{}{} }()
			if strings.ContainsAny(orderOf(task), "024") {
				return Wait(time.Hour, "waiting for its seal key in ISSUANCE_SEAL_KEYS")
			}
			return Wait(time.Hour, "held: a pause")
		})))
		for range homes {
			<-ran
		}
		server.Shutdown()
		n, err := b.RunWaiting(t.Context(), homes[0].Queue, "seal key")
		if err != nil || n != 3 {
			t.Errorf("%d are run, %v", n, err)
		}
		for i, h := range homes {
			task, err := b.Look(t.Context(), h)
			must(t, err)
			if task.Pending() != (i%2 == 0) || task.Waiting() != (i%2 == 1) {
				t.Errorf("task %d is %s (%s)", i, task.State, task.Why)
			}
		}
		if n, err := b.RunWaiting(t.Context(), "nobody-has-it", "seal key"); n != 0 || err != nil {
			t.Errorf("of a queue that is not there: %d, %v", n, err)
		}
	})
}

func orderOf(task *asynq.Task) string {
	r, _, _ := Decode(task.Payload())
	return r.OrderID
}
