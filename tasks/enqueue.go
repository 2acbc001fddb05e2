package tasks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/sethvargo/go-retry"

	"issuance/internal/ledger"
	"issuance/internal/queue"
	"issuance/internal/redisconn"
	"issuance/internal/vault"
)

// sealable is what is recorded of a validated document.
type sealable struct {
	request                json.RawMessage
	canonical, shape, stub []byte
}

// item is one document on its way into the ledger and the queue.
type item struct {
	intake    ledger.Intake
	canonical []byte
}

func (c *Client) seal(ref Ref, doc sealable, e enqueueing) (item, error) {
	if e.lane != Checkout && e.lane != Bulk {
		return item{}, fmt.Errorf("tasks: enqueue %s: no worker takes documents from lane %q", ref, e.lane)
	}
	sealed, err := vault.SealDocument(c.ring, ref, doc.request)
	if err != nil {
		return item{}, fmt.Errorf("tasks: enqueue %s: %w", ref, err)
	}
	return item{canonical: doc.canonical, intake: ledger.Intake{Ref: ref, Lane: e.lane, Fingerprint: c.ring.Fingerprint(doc.canonical),
		Shape: doc.shape, Stub: doc.stub, Document: sealed, Trace: e.trace}}, nil
}

// Enqueued is how one document of a batch fared: a receipt or an error, as from EnqueueOrder.
type Enqueued struct {
	Receipt Receipt
	Err     error
}

// enqueueTries bounds how often a batch is repeated after an error. Repeating is always safe: records and
// tasks have ids of their own.
const enqueueTries = 3

// enqueue records a batch of documents and makes their tasks. On one node both happen in one step; in a
// cluster records come first, so that a task without a record never exists.
func (c *Client) enqueue(ctx context.Context, items []item, l lines) []Enqueued {
	b := c.batch(items, l)
	b.single = len(items) == 1 && l == nil
	backoff := retry.WithMaxRetries(enqueueTries-1, retry.NewExponential(50*time.Millisecond))
	err := retry.Do(ctx, backoff, func(ctx context.Context) error {
		err := b.try(ctx)
		if ledger.NoScript(err) { // Redis was restarted, or is another one: no reason to wait
			if err = c.ledger.LoadIntake(ctx); err == nil {
				err = b.try(ctx)
			}
		}
		if err != nil && ctx.Err() == nil && !errors.Is(err, redisconn.ErrNoPatience) {
			return retry.RetryableError(err)
		}
		return err
	})
	for _, i := range b.left {
		b.out[i].Err = fmt.Errorf("tasks: enqueue %s: %w; enqueue it again, it stays one order", items[i].intake.Ref, err)
	}
	if len(b.asleep) > 0 {
		_ = c.queue.Wake(ctx, c.ledger, b.asleep...) // what fails here, the sweeper does
	}
	return b.out
}

func (c *Client) batch(items []item, l lines) *batch {
	b := &batch{c: c, items: items, lines: l, out: make([]Enqueued, len(items)), left: make([]int, len(items)), fresh: make([]bool, len(items))}
	for i := range items {
		b.left[i] = i
	}
	return b
}

// batch is one batch under way.
type batch struct {
	c        *Client
	items    []item
	out      []Enqueued
	left     []int  // those without a result
	fresh    []bool // those that a try of this call recorded, also when it could not make the task
	asleep   []Ref  // recorded and unfinished, without a task of this batch's making
	noScript error  // Redis did not know asynq's script
	single   bool   // it is one document, whose first try others may share
	lines    lines  // of accounts whose tasks wait for their turn
}

// made is what a try has made of one document.
type made struct {
	known ledger.Known
	err   error
}

// try sends what is left and keeps in left what has to be sent again.
func (b *batch) try(ctx context.Context) error {
	results, err := b.send(ctx)
	if err == nil {
		err = b.c.ledger.Replicated(ctx, b.recorded(results))
	}
	if err != nil {
		return err
	}
	var again []int
	for n, i := range b.left {
		r := results[n]
		b.fresh[i] = b.fresh[i] || r.known.New
		r.known.New = b.fresh[i]
		if r.err != nil {
			again, err = append(again, i), r.err
			continue
		}
		b.out[i].Receipt, b.out[i].Err = b.c.receipt(b.items[i], r.known)
		if in := b.items[i].intake; b.lines == nil && r.known.New && r.known.State == Queued && !in.IsRefund() {
			b.out[i].Receipt.fresh = &ledger.Record{Ref: in.Ref, State: Queued, Lane: in.Lane, CreatedAt: r.known.CreatedAt, Shape: in.Shape}
		}
		if b.out[i].Err == nil && !r.known.Woken && !r.known.State.Final() {
			b.asleep = append(b.asleep, b.items[i].intake.Ref)
		}
	}
	b.left = again
	return err
}

// send makes records and tasks of what is left.
func (b *batch) send(ctx context.Context) (results []made, err error) {
	switch {
	case b.single:
		b.single = false
		err = redisconn.Patiently(ctx, func(ctx context.Context) error {
			m := b.c.crowd.first(ctx, b.items[0])
			results = []made{m}
			return m.err
		})
		if results == nil {
			return nil, err
		}
		if ledger.NoScript(results[0].err) {
			b.noScript = results[0].err
		}
		return results, nil
	case b.c.ledger.Sharded():
		return b.inSteps(ctx)
	}
	return b.together(ctx)
}

// recorded are the records that a try has made or found.
func (b *batch) recorded(results []made) (refs []Ref) {
	for n, i := range b.left {
		if results[n].err == nil {
			refs = append(refs, b.items[i].intake.Ref)
		}
	}
	return refs
}

// together makes records and tasks in one round trip.
func (b *batch) together(ctx context.Context) ([]made, error) {
	pipe := b.c.rdb.Pipeline()
	records, tasks := b.c.ledger.Intakes(pipe), b.c.queue.Batch(pipe, nil)
	inLine := map[int]queue.Home{}
	for n, i := range b.left {
		in := b.items[i].intake
		home := queue.HomeOf(in.Ref, Queued, in.Lane)
		behind := b.behind(in)
		wake, err := tasks.WakeInLine(ctx, in.Ref, home, in.Trace, behind)
		if err != nil {
			return nil, err
		}
		records.AddWith(ctx, in, wake)
		if behind > 0 {
			inLine[n] = home
		}
	}
	_, _ = pipe.Exec(ctx) // each result has its error
	out := make([]made, len(b.left))
	for n := range out {
		out[n].known, out[n].err = records.Result(n)
		if out[n].err == nil && out[n].known.New {
			out[n].err = tasks.Queues()
			continue
		}
		delete(inLine, n) // what was known before has a task already
	}
	b.c.queue.Join(ctx, slices.Collect(maps.Values(inLine)))
	return out, nil
}

// inSteps announces the records, makes them, and makes the tasks of the new ones.
func (b *batch) inSteps(ctx context.Context) ([]made, error) {
	refs := make([]Ref, len(b.left))
	for n, i := range b.left {
		refs[n] = b.items[i].intake.Ref
	}
	if err := b.c.ledger.Announce(ctx, refs); err != nil {
		return nil, err
	}
	pipe := b.c.rdb.Pipeline()
	records := b.c.ledger.Intakes(pipe)
	for _, i := range b.left {
		records.Add(ctx, b.items[i].intake)
	}
	_, _ = pipe.Exec(ctx)
	out := make([]made, len(b.left))
	var fresh []int
	var inLine []queue.Home
	pipe = b.c.rdb.Pipeline()
	tasks := b.c.queue.Batch(pipe, b.noScript)
	for n, i := range b.left {
		if out[n].known, out[n].err = records.Result(n); out[n].err == nil && out[n].known.New {
			in := b.items[i].intake
			fresh = append(fresh, n)
			home, behind := queue.HomeOf(in.Ref, Queued, in.Lane), b.behind(in)
			tasks.Add(ctx, in.Ref, home, in.Trace, behind)
			if behind > 0 {
				inLine = append(inLine, home)
			}
		}
	}
	if len(fresh) == 0 {
		return out, nil
	}
	_, _ = pipe.Exec(ctx)
	b.c.queue.Join(ctx, inLine)
	for t, n := range fresh {
		err := tasks.Result(t)
		if out[n].known.Woken = err == nil; err == nil || errors.Is(err, queue.ErrTaken) {
			continue
		}
		out[n].err = err
		if ledger.NoScript(err) {
			b.noScript = err
		}
	}
	return out, nil
}

// receipt compares a document with what is recorded under its number.
func (c *Client) receipt(it item, k ledger.Known) (Receipt, error) {
	ref := it.intake.Ref
	r := Receipt{Provider: ref.Account.Provider, Account: ref.Account, OrderID: ref.OrderID, RefundID: ref.RefundID, State: k.State, Duplicate: !k.New}
	if k.New {
		return r, nil
	}
	same, keyKnown := c.ring.SameFingerprint(k.Fingerprint, it.canonical)
	switch {
	case !keyKnown:
		return Receipt{}, fmt.Errorf("tasks: %s: %w: its first document was sealed with a key that is not in SealKeys; add the old key at the end of the list", ref, ErrWrongKeys)
	case !same:
		return Receipt{}, &ConflictError{Ref: ref, State: k.State, EnqueuedAt: k.CreatedAt}
	}
	return r, nil
}
