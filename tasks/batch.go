package tasks

import (
	"context"
	"hash/maphash"
	"maps"
	"slices"
	"sync"

	"issuance/internal/tracing"
)

// Prepared is an order that is sealed and ready to be enqueued. Preparing is most of the work of
// enqueueing and needs no Redis, so that a bulk can do it on all processors.
type Prepared struct{ item item }

// Prepare seals a validated order for a lane, and completes its account; see Enqueue for the errors. Safe
// for concurrent use.
func (c *Client) Prepare(ctx context.Context, o *Order, lane Lane) (Prepared, error) {
	ref := o.Ref()
	var err error
	if ref.Account, err = c.served(ctx, ref.Account); err != nil {
		return Prepared{}, err
	}
	it, err := c.seal(ref, sealable{o.Request, o.canonical, o.shape, o.stub}, enqueueing{lane: lane, trace: tracing.Traceparent(ctx)})
	return Prepared{it}, err
}

// Ref names the order.
func (p Prepared) Ref() Ref { return p.item.intake.Ref }

// EnqueuePrepared enqueues a batch of a few hundred orders, in one round trip on each of a few
// connections. The results are in the order of the batch, and of two orders with one number the first one
// is enqueued. Once the context has ended or Redis does not answer, the rest comes back with an error;
// enqueueing all of them again is always safe.
func (c *Client) EnqueuePrepared(ctx context.Context, batch []Prepared) []Enqueued {
	out := make([]Enqueued, len(batch))
	lines := c.linesOf(ctx, batch)
	var wg sync.WaitGroup
	for _, places := range spread(batch) {
		wg.Go(func() {
			items := make([]item, len(places))
			for n, i := range places {
				items[n] = batch[i].item
			}
			for n, e := range c.enqueue(ctx, items, maps.Clone(lines)) {
				out[places[n]] = e
			}
		})
	}
	wg.Wait()
	return out
}

// A Redis that syncs every write to its disk does so once for whatever it has read from all connections, and
// it reads little from one at a time. So a batch goes over several; orders with one number stay together, in
// their order.
const (
	connections = 8
	fewest      = 16 // orders worth a connection of their own
)

var spreadSeed = maphash.MakeSeed()

// spread parts a batch by connection. It returns places in the batch.
func spread(batch []Prepared) [][]int {
	n := min(max(len(batch)/fewest, 1), connections)
	parts := make([][]int, n)
	for i, p := range batch {
		k := maphash.Comparable(spreadSeed, p.Ref()) % uint64(n)
		parts[k] = append(parts[k], i)
	}
	return slices.DeleteFunc(parts, func(places []int) bool { return len(places) == 0 })
}
