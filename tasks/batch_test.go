package tasks

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"issuance/internal/ledger"
)

// A batch fares as its orders would one by one, in their order: new ones, known ones, conflicts,
// and the same order twice in one batch.
func TestABatchFaresAsItsOrders(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		b.enqueue(t, order("KNOWN"))
		b.enqueue(t, order("DONE"))
		b.finish(t, "DONE", ledger.Ending{State: ledger.Issued})
		b.drop(t, Checkout, "issue:ecticket:DONE")
		var batch []*Order
		for _, raw := range [][]byte{order("N1"), order("KNOWN"), other("KNOWN"), order("DONE"), other("DONE"), order("N2"), order("N1")} {
			batch = append(batch, parsed(t, raw))
		}
		out := b.EnqueueOrders(b.ctx, batch, Bulk, 3)
		var conflict *ConflictError
		fresh := map[string]int{}
		for i, e := range out {
			if e.Err == nil && e.Receipt.OrderID != batch[i].ID {
				t.Errorf("result %d is of %s", i, e.Receipt.OrderID)
			}
			if e.Err == nil && !e.Receipt.Duplicate {
				fresh[e.Receipt.OrderID]++
			}
		}
		if out[1].Err != nil || !out[1].Receipt.Duplicate || out[3].Err != nil || out[3].Receipt.State != ledger.Issued {
			t.Errorf("known ones: %+v, %+v", out[1], out[3])
		}
		if !errors.As(out[2].Err, &conflict) || !errors.As(out[4].Err, &conflict) {
			t.Errorf("conflicts: %+v, %+v", out[2], out[4])
		}
		if len(fresh) != 2 || fresh["N1"] != 1 || fresh["N2"] != 1 {
			t.Errorf("new ones: %v of %+v", fresh, out)
		}
		if got := b.queued(t); len(got) != 3 {
			t.Errorf("queued %v", got)
		}
	})
}

// A large batch is enqueued whole, and again it is nothing but duplicates.
func TestABatchTwiceIsOneBatch(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		var batch []*Order
		for i := range 200 {
			batch = append(batch, parsed(t, order(fmt.Sprintf("O%d", i))))
		}
		for round, concurrency := range []int{16, 0} {
			for i, e := range b.EnqueueOrders(b.ctx, batch, Bulk, concurrency) {
				if e.Err != nil || e.Receipt.Duplicate != (round == 1) {
					t.Fatalf("round %d, order %d: %+v", round, i, e)
				}
			}
		}
		if got := b.queued(t); len(got) != len(batch) {
			t.Errorf("%d queued", len(got))
		}
		if out := b.EnqueueOrders(b.ctx, nil, Bulk, 4); len(out) != 0 {
			t.Errorf("nothing: %v", out)
		}
	})
}

// When the context has ended, every order that was not enqueued says so.
func TestABatchEndsWithItsContext(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		ctx, cancel := context.WithCancel(b.ctx)
		cancel()
		out := b.EnqueueOrders(ctx, []*Order{parsed(t, order("O1")), parsed(t, order("O2"))}, Bulk, 1)
		for _, e := range out {
			if !errors.Is(e.Err, context.Canceled) {
				t.Errorf("%+v", e)
			}
		}
		if got := b.queued(t); len(got) != 0 {
			t.Errorf("queued %v", got)
		}
	})
}
