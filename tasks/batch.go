package tasks

import "context"

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
	it, err := c.seal(ref, sealable{o.Request, o.canonical, o.shape}, enqueueing{lane: lane})
	return Prepared{it}, err
}

// Ref names the order.
func (p Prepared) Ref() Ref { return p.item.intake.Ref }

// EnqueuePrepared enqueues a batch of a few hundred orders in one round trip. The results are in the
// order of the batch, and of two orders with one number the first one is enqueued. Once the context has
// ended or Redis does not answer, the rest comes back with an error; enqueueing all of them again is
// always safe.
func (c *Client) EnqueuePrepared(ctx context.Context, batch []Prepared) []Enqueued {
	items := make([]item, len(batch))
	for i, p := range batch {
		items[i] = p.item
	}
	return c.enqueue(ctx, items)
}
