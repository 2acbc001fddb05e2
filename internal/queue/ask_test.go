package queue

import (
	"context"
	"errors"
	"testing"
	"time"

	"issuance/internal/redisconn"
	"issuance/internal/testredis"
	"issuance/tasks/order"
)

// What the queue is asked ends with its context, and with its request's patience, also while Redis hangs.
func TestNoQuestionOutlastsItsRequest(t *testing.T) {
	s := testredis.Start(t)
	o, err := redisconn.Parse(redisconn.Source{URL: s.URL()})
	must(t, err)
	rdb := o.New()
	t.Cleanup(func() { s.Thaw(); _ = rdb.Close() })
	c := NewClient(rdb, Options{})
	h := HomeOf(a1, order.Queued, order.Bulk)
	must(t, c.Enqueue(t.Context(), a1, h, "", 0))
	const within = 100 * time.Millisecond
	bounds := map[string]func() (context.Context, func()){
		"context":  func() (context.Context, func()) { return context.WithTimeout(t.Context(), within) },
		"patience": func() (context.Context, func()) { return redisconn.WithPatience(t.Context(), within) },
	}
	questions := map[string]func(context.Context) error{
		"look":   func(ctx context.Context) error { _, err := c.Look(ctx, h); return err },
		"run":    func(ctx context.Context) error { return c.Run(ctx, h) },
		"served": func(ctx context.Context) error { _, err := c.Served(ctx, h.Queue); return err },
		"delete": func(ctx context.Context) error {
			if c.Delete(ctx, h) {
				return nil
			}
			return errors.New("not deleted")
		},
		"runwaiting": func(ctx context.Context) error { _, err := c.RunWaiting(ctx, h.Queue, "key"); return err },
	}
	s.Freeze()
	for bound, begin := range bounds {
		for question, ask := range questions {
			ctx, end := begin()
			began := time.Now()
			if err := ask(ctx); err == nil {
				t.Errorf("%s: answered", question)
			}
			if took := time.Since(began); took > redisconn.ReadTimeout/2 {
				t.Errorf("%s within the %s: %s", question, bound, took)
			}
			end()
		}
	}
}
