package tasks

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
)

// Enqueued is how one document of a batch fared: a receipt or an error, as from EnqueueOrder.
type Enqueued struct {
	Receipt Receipt
	Err     error
}

// EnqueueOrders enqueues many validated orders into a lane, as EnqueueOrder does one by one, with
// up to concurrency requests to Redis under way; whether they are known is looked up for all of
// them in one round trip. The results are in the order of the orders. Once the context has ended,
// the rest comes back with its error; enqueueing all of them again is always safe.
func (c *Client) EnqueueOrders(ctx context.Context, orders []*Order, lane Lane, concurrency int) []Enqueued {
	out := make([]Enqueued, len(orders))
	items := make([]item, len(orders))
	fail := func(err error) []Enqueued {
		for i := range out {
			out[i] = Enqueued{Err: err}
		}
		return out
	}
	if lane != Checkout && lane != Bulk {
		return fail(errors.New("tasks: use the lane checkout or bulk"))
	}
	if err := c.checkMode(ctx); err != nil {
		return fail(err)
	}
	for i, o := range orders {
		if items[i], out[i].Err = c.orderItem(o, lane); out[i].Err != nil {
			return fail(out[i].Err)
		}
	}
	glances, err := c.glance(ctx, items)
	if err != nil {
		return fail(err)
	}
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(max(concurrency, 1), len(orders)) {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(items) {
					return
				}
				if err := ctx.Err(); err != nil {
					out[i].Err = err
					continue
				}
				r, known, err := c.compare(items[i], glances[i])
				if !known && err == nil {
					r, err = c.push(ctx, items[i])
				}
				out[i] = Enqueued{Receipt: r, Err: err}
			}
		})
	}
	wg.Wait()
	return out
}
