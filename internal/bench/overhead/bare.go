package overhead

import (
	"context"
	"fmt"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"issuance/internal/queue"
	"issuance/providers"
	"issuance/tasks/order"
)

// Types of the bare tasks. A task's payload is the request.
const (
	bareIssue = "bare:issue"
	barePoll  = "bare:poll"
)

// bareRun makes the calls of orders and nothing else, but for the smallest ledger where there is one.
type bareRun struct {
	provider providers.Provider
	kind     string
	ledger   *smallest // nil: none
	client   *asynq.Client
	ended    func()
}

// handler of both types of tasks.
func (b *bareRun) handler() asynq.Handler {
	mux := asynq.NewServeMux()
	mux.HandleFunc(bareIssue, b.issue)
	mux.HandleFunc(barePoll, b.poll)
	return mux
}

// servers have the product's settings of each server.
func (b *bareRun) servers(rdb redis.UniversalClient, lanes map[order.Lane]int, h asynq.Handler) (start func() error, stop func()) {
	var all []*asynq.Server
	for lane, n := range lanes {
		all = append(all, asynq.NewServerFromRedisClient(rdb, asynq.Config{Concurrency: n, Queues: map[string]int{queue.Name(providerOf(b.kind), lane): 1},
			DelayedTaskCheckInterval: time.Second, TaskCheckInterval: 200 * time.Millisecond, LogLevel: asynq.ErrorLevel}))
	}
	start = func() error {
		for _, s := range all {
			if err := s.Start(h); err != nil {
				return err
			}
		}
		return nil
	}
	return start, func() {
		for _, s := range all {
			s.Shutdown()
		}
	}
}

func (b *bareRun) issue(ctx context.Context, t *asynq.Task) error {
	id, _ := asynq.GetTaskID(ctx)
	o := providers.Order{ID: id, Request: t.Payload()}
	if err := b.ledger.intent(ctx, id); err != nil {
		return err
	}
	out := b.provider.Issue(ctx, o)
	switch {
	case b.kind == Voucher && out.Kind == providers.Done:
		return b.end(ctx, id)
	case b.kind == Voucher || out.Kind != providers.Accepted:
		return fmt.Errorf("issue: %s %s", out.Kind, out.Code)
	case b.kind == Paper:
		return b.poll(ctx, t)
	}
	_, err := b.client.EnqueueContext(ctx, asynq.NewTask(barePoll, t.Payload()), bareOptions(b.kind, order.Poll, id)...)
	return err
}

func (b *bareRun) poll(ctx context.Context, t *asynq.Task) error {
	id, _ := asynq.GetTaskID(ctx)
	if f := b.provider.LookUp(ctx, providers.Order{ID: id, Request: t.Payload()}); f.State != providers.FoundIssued {
		return fmt.Errorf("look up: %s", f.State)
	}
	return b.end(ctx, id)
}

func (b *bareRun) end(ctx context.Context, id string) error {
	if err := b.ledger.end(ctx, id); err != nil {
		return err
	}
	b.ended()
	return nil
}

// smallest is the smallest ledger that keeps an intent and an end.
type smallest struct{ rdb redis.UniversalClient }

func (s *smallest) intent(ctx context.Context, id string) error {
	if s == nil {
		return nil
	}
	return s.rdb.HSet(ctx, "order:"+id, "state", string(order.Submitting), "sent_at", time.Now().UnixMilli()).Err()
}

// end makes one round trip.
func (s *smallest) end(ctx context.Context, id string) error {
	if s == nil {
		return nil
	}
	pipe := s.rdb.Pipeline()
	pipe.HSet(ctx, "order:"+id, "state", string(order.Issued), "final", time.Now().UnixMilli())
	pipe.XAdd(ctx, &redis.XAddArgs{Stream: "events", Values: []any{"order_id", id, "state", string(order.Issued)}})
	_, err := pipe.Exec(ctx)
	return err
}
