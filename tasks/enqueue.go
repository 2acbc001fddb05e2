package tasks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/sethvargo/go-retry"

	"issuance/internal/ledger"
	"issuance/internal/queue"
	"issuance/internal/vault"
)

// sealable is what is recorded of a validated document.
type sealable struct {
	request          json.RawMessage
	canonical, shape []byte
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
		Shape: doc.shape, Document: sealed, Trace: e.trace}}, nil
}

// Enqueued is how one document of a batch fared: a receipt or an error, as from EnqueueOrder.
type Enqueued struct {
	Receipt Receipt
	Err     error
}

// enqueueTries bounds how often a batch is repeated after an error. Repeating is always safe: records and
// tasks have ids of their own.
const enqueueTries = 3

// enqueue records a batch of documents and makes their tasks, in one round trip, or step by step in a
// cluster. The record comes first, so that a task without a record never exists.
func (c *Client) enqueue(ctx context.Context, items []item) []Enqueued {
	b := &batch{c: c, items: items, out: make([]Enqueued, len(items)), known: make([]ledger.Known, len(items))}
	for i := range items {
		b.left = append(b.left, i)
	}
	backoff := retry.WithMaxRetries(enqueueTries-1, retry.NewExponential(50*time.Millisecond))
	err := retry.Do(ctx, backoff, func(ctx context.Context) error {
		err := b.try(ctx)
		if err != nil && ctx.Err() == nil {
			return retry.RetryableError(err)
		}
		return err
	})
	for _, i := range b.left {
		b.out[i].Err = fmt.Errorf("tasks: enqueue %s: %w; enqueue it again, it stays one order", items[i].intake.Ref, err)
	}
	b.heal(ctx)
	return b.out
}

// batch is one batch under way.
type batch struct {
	c        *Client
	items    []item
	out      []Enqueued
	known    []ledger.Known
	left     []int // those without a result
	taken    []int // recorded and unfinished, and their task's id was taken
	noScript error // Redis did not know asynq's script
}

// try sends what is left and keeps in left what has to be sent again.
func (b *batch) try(ctx context.Context) error {
	if b.c.ledger.Sharded() {
		refs := make([]Ref, len(b.left))
		for n, i := range b.left {
			refs[n] = b.items[i].intake.Ref
		}
		if err := b.c.ledger.Announce(ctx, refs); err != nil {
			return err
		}
	}
	pipe := b.c.rdb.Pipeline()
	records, woken := b.c.ledger.Intakes(pipe), b.c.queue.Batch(pipe, b.noScript)
	for _, i := range b.left {
		in := b.items[i].intake
		records.Add(ctx, in)
		if !b.c.ledger.Sharded() {
			// Whatever the record says: a task only wakes a worker up.
			woken.Add(ctx, in.Ref, queue.HomeOf(in.Ref, Queued, in.Lane), in.Trace)
		}
	}
	_, _ = pipe.Exec(ctx) // each result has its error
	if b.c.ledger.Sharded() {
		pipe = b.c.rdb.Pipeline()
		woken = b.c.queue.Batch(pipe, b.noScript)
		for n, i := range b.left {
			if _, err := records.Result(n); err != nil {
				return b.failed(ctx, err) // nothing has a task yet; all of it is sent again
			}
			in := b.items[i].intake
			woken.Add(ctx, in.Ref, queue.HomeOf(in.Ref, Queued, in.Lane), in.Trace)
		}
		_, _ = pipe.Exec(ctx)
	}
	var again []int
	var failure error
	for n, i := range b.left {
		known, err := records.Result(n)
		if err == nil {
			// An earlier try may have made it, and a worker finished it since.
			known.New = known.New || b.known[i].New
			b.known[i] = known
			if err = woken.Result(n); errors.Is(err, queue.ErrTaken) {
				err = nil
				if !known.State.Final() {
					b.taken = append(b.taken, i)
				}
			}
		}
		if err != nil {
			again, failure = append(again, i), err
			continue
		}
		b.out[i].Receipt, b.out[i].Err = b.c.receipt(b.items[i], known)
	}
	b.left = again
	if failure != nil {
		return b.failed(ctx, failure)
	}
	return nil
}

// failed prepares for the next try after an error.
func (b *batch) failed(ctx context.Context, err error) error {
	if ledger.NoScript(err) {
		b.noScript = err
		return errors.Join(err, b.c.ledger.LoadIntake(ctx))
	}
	return err
}

// heal makes sure that documents that were known, unfinished and had a task, have one that will run: a task
// may have been archived, or taken by a worker that is gone. What fails here, the sweeper does.
func (b *batch) heal(ctx context.Context) {
	var refs []Ref
	for _, i := range b.taken {
		if b.out[i].Err == nil && b.out[i].Receipt.Duplicate {
			refs = append(refs, b.items[i].intake.Ref)
		}
	}
	if len(refs) > 0 {
		_ = b.c.wake(ctx, refs)
	}
}

// wake makes sure that unfinished records have tasks that will run.
func (c *Client) wake(ctx context.Context, refs []Ref) error {
	views, err := c.ledger.Views(ctx, refs)
	if err != nil {
		return err
	}
	var unfinished []int
	var homes []queue.Home
	for i, v := range views {
		if v != nil && !v.State.Final() && !v.Live() {
			unfinished, homes = append(unfinished, i), append(homes, queue.HomeOf(refs[i], v.State, v.Lane))
		}
	}
	found, err := c.queue.Find(ctx, homes)
	if err != nil {
		return err
	}
	var errs []error
	for n, i := range unfinished {
		if !found[n].Runs(views[i]) {
			_, err := c.queue.Ensure(ctx, refs[i], views[i])
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
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
