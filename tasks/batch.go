package tasks

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"sync"
	"sync/atomic"

	"issuance/internal/ledger"
)

// Prepared is an order that is sealed and ready for a queue. Preparing is most of the work of
// enqueueing and needs no Redis, so that a bulk can do it on all processors.
type Prepared struct{ item item }

// Prepare seals a validated order for a lane. Safe for concurrent use.
func (c *Client) Prepare(o *Order, lane Lane) (Prepared, error) {
	if lane != Checkout && lane != Bulk {
		return Prepared{}, noSuchLane(o.String(), lane)
	}
	it, err := c.orderItem(o, lane)
	return Prepared{it}, err
}

// Key is the order's name in the ledger.
func (p Prepared) Key() ledger.Key { return p.item.ref.Key }

// Enqueued is how one document of a batch fared: a receipt or an error, as from EnqueueOrder.
type Enqueued struct {
	Receipt Receipt
	Err     error
}

// EnqueueOrders enqueues many validated orders into a lane, as EnqueueOrder does one by one:
// they are sealed on up to concurrency goroutines and then go as one batch; see EnqueuePrepared.
func (c *Client) EnqueueOrders(ctx context.Context, orders []*Order, lane Lane, concurrency int) []Enqueued {
	batch := make([]Prepared, len(orders))
	errs := make([]error, len(orders))
	sideBySide(len(orders), concurrency, func(i int) { batch[i], errs[i] = c.Prepare(orders[i], lane) })
	for _, err := range errs {
		if err != nil {
			return failAll(len(orders), err)
		}
	}
	return c.EnqueuePrepared(ctx, batch)
}

// EnqueuePrepared enqueues a batch of a few hundred orders in two round trips: one that looks
// which are known, one that puts the rest into their queues. The results are in the order of the
// batch, and of two orders with one number the first one is enqueued. Once the context has ended
// or Redis does not answer, the rest comes back with an error; enqueueing all of them again is
// always safe.
func (c *Client) EnqueuePrepared(ctx context.Context, batch []Prepared) []Enqueued {
	b := newBatchRun(c, batch)
	b.begin(ctx, min(max(len(batch)/shardSize, 1), maxShards))
	sideBySide(len(b.ready), len(b.ready), func(n int) { b.push(ctx, n) })
	b.settle(ctx)
	return b.out
}

// EnqueueStream is EnqueuePrepared for batch after batch, of which a few are under way at a time.
// It answers every batch, in order, and then closes the channel; whoever ends the context before
// that must still read all of it. Here, too, the first of two orders with one number is enqueued.
func (c *Client) EnqueueStream(ctx context.Context, batches <-chan []Prepared) <-chan []Enqueued {
	var shards [maxShards]chan *batchRun
	inOrder := make(chan *batchRun, 1)
	out := make(chan []Enqueued)
	for n := range shards {
		shards[n] = make(chan *batchRun, 1)
		go func() {
			for b := range shards[n] {
				b.push(ctx, n)
				b.pushed.Done()
			}
		}()
	}
	go func() {
		defer close(inOrder)
		for batch := range batches {
			b := newBatchRun(c, batch)
			b.begin(ctx, maxShards)
			b.pushed.Add(len(b.ready))
			for n := range b.ready {
				shards[n] <- b
			}
			inOrder <- b
		}
		for _, s := range shards {
			close(s)
		}
	}()
	go func() {
		defer close(out)
		for b := range inOrder {
			b.pushed.Wait()
			b.settle(ctx)
			out <- b.out
		}
	}()
	return out
}

func failAll(n int, err error) []Enqueued {
	out := make([]Enqueued, n)
	for i := range out {
		out[i].Err = err
	}
	return out
}

// batchRun is one batch under way.
type batchRun struct {
	c     *Client
	items []item
	out   []Enqueued
	// ambiguous are those whose first try has no clear end: a conflict may be their own doing.
	ambiguous []bool
	ready     []shard // what is to be put into a queue
	pushed    sync.WaitGroup
}

// shard is a part of a batch that has a connection for itself. Orders of one number are in one
// shard, in their order.
type shard struct {
	which     []int // places in the batch
	p         *pipelined
	conflicts []int // those of which whose number was taken
}

func newBatchRun(c *Client, batch []Prepared) *batchRun {
	b := &batchRun{c: c, items: make([]item, len(batch)), out: make([]Enqueued, len(batch)), ambiguous: make([]bool, len(batch))}
	for i, p := range batch {
		b.items[i] = p.item
	}
	return b
}

// begin does what changes nothing: it finds out what is known and prepares so many shards of the
// rest.
func (b *batchRun) begin(ctx context.Context, shards int) {
	if err := b.c.checkMode(ctx); err != nil {
		b.out = failAll(len(b.items), err)
		return
	}
	all := make([]int, len(b.items))
	for i := range all {
		all[i] = i
	}
	fresh, err := b.lookUp(ctx, all)
	if err != nil {
		b.out = failAll(len(b.items), err)
		return
	}
	b.ready = b.shards(ctx, fresh, shards)
}

// Redis takes about a dozen orders from one connection before it writes its log, so several
// connections make several dozens of one write. A part should have some orders nevertheless.
const (
	maxShards = 4
	shardSize = 32
)

// shards writes what enqueues the given orders for the first time.
func (b *batchRun) shards(ctx context.Context, which []int, n int) []shard {
	if len(which) == 0 {
		return nil
	}
	shards := make([]shard, n)
	for i := range shards {
		shards[i].p = newPipelined(ctx, b.c, nil)
	}
	for _, i := range which {
		h := fnv.New32a()
		_, _ = h.Write([]byte(b.items[i].id)) // never fails
		s := &shards[h.Sum32()%uint32(len(shards))]
		s.which = append(s.which, i)
		s.p.enqueue(ctx, b.items[i])
	}
	return shards
}

// settle finds out about those whose number was taken, be it by an earlier order of this very
// batch.
func (b *batchRun) settle(ctx context.Context) {
	var conflicts []int
	for _, s := range b.ready {
		conflicts = append(conflicts, s.conflicts...)
	}
	if len(conflicts) == 0 {
		return
	}
	gone, err := b.lookUp(ctx, conflicts)
	if err != nil {
		gone = conflicts
	}
	for _, i := range gone {
		if err != nil {
			b.out[i].Err = fmt.Errorf("tasks: enqueue %s: %w; enqueue it again, it stays one order", b.items[i].what, err)
			continue
		}
		b.out[i].Err = errRemoved(b.items[i].what)
	}
}

// compareSideBySide bounds how many documents that are in a queue already are read at a time.
const compareSideBySide = 16

// lookUp settles those of the given orders that are known already, and returns the others.
func (b *batchRun) lookUp(ctx context.Context, which []int) (unknown []int, err error) {
	items := b.items
	if len(which) < len(b.items) {
		items = make([]item, len(which))
		for n, i := range which {
			items[n] = b.items[i]
		}
	}
	glances, err := b.c.glance(ctx, items)
	if err != nil {
		return nil, fmt.Errorf("tasks: enqueue: %w", err)
	}
	var seen []int // places in which
	for n, g := range glances {
		if g.peek.Found || g.lane != "" {
			seen = append(seen, n)
		}
	}
	known := make([]bool, len(which))
	sideBySide(len(seen), compareSideBySide, func(s int) {
		n := seen[s]
		i := which[n]
		if err := ctx.Err(); err != nil {
			known[n], b.out[i].Err = true, err
			return
		}
		r, found, err := b.c.compare(b.items[i], glances[n])
		r.Duplicate = r.Duplicate && !b.ambiguous[i]
		known[n], b.out[i] = found || err != nil, Enqueued{Receipt: r, Err: err}
	})
	if len(seen) == 0 {
		return which, nil
	}
	for n, i := range which {
		if !known[n] {
			unknown = append(unknown, i)
		}
	}
	return unknown, nil
}

// push puts the orders of a shard into their queues.
func (b *batchRun) push(ctx context.Context, n int) {
	s := b.ready[n]
	var script error // what Redis said when it did not know asynq's script
	err := tryAgain(ctx, func(ctx context.Context) error {
		if s.p == nil {
			s.p = newPipelined(ctx, b.c, script)
			for _, i := range s.which {
				s.p.enqueue(ctx, b.items[i])
			}
		}
		var left []int
		var failure error
		for j, err := range s.p.exec(ctx) {
			i := s.which[j]
			switch {
			case err == nil:
				b.out[i].Receipt = b.items[i].receipt
			case errors.Is(err, errConflict):
				b.ready[n].conflicts = append(b.ready[n].conflicts, i)
			case noScript(err):
				script, left, failure = err, append(left, i), err
			default:
				b.ambiguous[i], left, failure = true, append(left, i), err
			}
		}
		s = shard{which: left}
		return failure
	})
	for _, i := range s.which {
		b.out[i].Err = fmt.Errorf("tasks: enqueue %s: %w; enqueue it again, it stays one order", b.items[i].what, err)
	}
}

// sideBySide calls do for 0 to n-1 on up to limit goroutines.
func sideBySide(n, limit int, do func(int)) {
	limit = min(max(limit, 1), n)
	if limit <= 1 {
		for i := range n {
			do(i)
		}
		return
	}
	var next atomic.Int64
	var wg sync.WaitGroup
	for range limit {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				do(i)
			}
		})
	}
	wg.Wait()
}
