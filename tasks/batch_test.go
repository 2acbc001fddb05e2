package tasks

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/hibiken/asynq"
)

// A batch fares as its orders would one by one, in their order: new ones, known ones, conflicts, and the same
// order twice in one batch, of which the first is enqueued.
func TestABatchFaresAsItsOrders(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		b.enqueue(t, orderDoc("KNOWN"))
		b.enqueue(t, orderDoc("DONE"))
		b.reach(t, ref("DONE"), Issued)
		b.drop(t, home(ref("DONE"), Checkout))
		batch := prepared(t, b.Client, Bulk, orderDoc("N1"), orderDoc("KNOWN"), otherDoc("KNOWN"), orderDoc("DONE"), otherDoc("DONE"),
			orderDoc("N2"), orderDoc("N1"), otherDoc("N1"))
		out := b.EnqueuePrepared(b.ctx, batch)
		for i, want := range []struct {
			duplicate, conflict bool
			state               State
		}{{state: Queued}, {duplicate: true, state: Queued}, {conflict: true}, {duplicate: true, state: Issued}, {conflict: true},
			{state: Queued}, {duplicate: true, state: Queued}, {conflict: true}} {
			e := out[i]
			if want.conflict {
				if !isConflict(e.Err) {
					t.Errorf("%d: %+v", i, e)
				}
				continue
			}
			if e.Err != nil || e.Receipt.Duplicate != want.duplicate || e.Receipt.State != want.state || e.Receipt.Ref() != batch[i].Ref() {
				t.Errorf("%d: %+v", i, e)
			}
		}
		if got := b.queued(t); len(got) != 3 {
			t.Errorf("queued %v", got)
		}
	})
}

// A task of a batch is the very task that enqueueing it alone makes.
func TestATaskOfABatchIsLikeAnyOther(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		b.enqueue(t, orderDoc("ALONE"), InLane(Bulk))
		if out := b.EnqueuePrepared(b.ctx, prepared(t, b.Client, Bulk, orderDoc("BATCH"))); out[0].Err != nil {
			t.Fatal(out[0].Err)
		}
		type settings struct {
			kind                         string
			state                        asynq.TaskState
			retry                        int
			timeout, retention, deadline any
		}
		of := func(id string) settings {
			h := home(ref(id), Bulk)
			i, err := b.inspector.GetTaskInfo(h.Queue, h.ID)
			must(t, err)
			return settings{i.Type, i.State, i.MaxRetry, i.Timeout, i.Retention, i.Deadline}
		}
		if one, many := of("ALONE"), of("BATCH"); one != many {
			t.Errorf("alone %+v, in a batch %+v", one, many)
		}
	})
}

// A large batch is enqueued whole, and again it is nothing but duplicates.
func TestABatchTwiceIsOneBatch(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		var docs [][]byte
		for i := range 300 {
			docs = append(docs, orderDoc(fmt.Sprintf("O%d", i)))
		}
		for round := range 2 {
			for i, e := range b.EnqueuePrepared(b.ctx, prepared(t, b.Client, Bulk, docs...)) {
				if e.Err != nil || e.Receipt.Duplicate != (round == 1) {
					t.Fatalf("round %d, order %d: %+v", round, i, e)
				}
			}
		}
		if got := b.queued(t); len(got) != len(docs) {
			t.Errorf("%d queued", len(got))
		}
		if out := b.EnqueuePrepared(b.ctx, nil); len(out) != 0 {
			t.Errorf("nothing: %v", out)
		}
	})
}

// When the context has ended, every order that was not enqueued says so.
func TestABatchEndsWithItsContext(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		batch := prepared(t, b.Client, Bulk, orderDoc("O1"), orderDoc("O2"))
		ctx, cancel := context.WithCancel(b.ctx)
		cancel()
		for _, e := range b.EnqueuePrepared(ctx, batch) {
			if !errors.Is(e.Err, context.Canceled) {
				t.Errorf("%+v", e)
			}
		}
		if got := b.queued(t); len(got) != 0 {
			t.Errorf("queued %v", got)
		}
	})
}

// One document that Redis cannot take is an error of its own; its neighbours are enqueued.
func TestAnErrorInTheMiddleOfABatchIsItsOwn(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		batch := prepared(t, b.Client, Bulk, orderDoc("O1"), orderDoc("O2"), orderDoc("O3"))
		broken := "issuance:{" + ref("O2").Account.String() + ":O2}:order"
		must(t, b.rdb.Set(b.ctx, broken, "no hash", 0).Err())
		out := b.EnqueuePrepared(b.ctx, batch)
		if out[0].Err != nil || out[1].Err == nil || out[2].Err != nil || out[0].Receipt.Duplicate || out[2].Receipt.Duplicate {
			t.Errorf("%+v", out)
		}
		if got := b.queued(t); len(got) != 2 {
			t.Errorf("queued %v", got)
		}
		must(t, b.rdb.Del(b.ctx, broken).Err())
		if r := b.enqueue(t, orderDoc("O2"), InLane(Bulk)); r.Duplicate {
			t.Errorf("%+v", r)
		}
	})
}

// A batch whose answers are lost, at any of its exchanges, is sent again, and is the caller's own.
func TestALostAnswerOfABatch(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		b.enqueue(t, orderDoc("WARM"))
		for _, executed := range []bool{false, true} {
			for at := range 3 {
				hook := &losing{executed: executed}
				c := b.client(t, newKey, hook)
				docs := [][]byte{orderDoc(b.id()), orderDoc(b.id())}
				batch := prepared(t, c, Bulk, docs...)
				began := hook.count()
				hook.broken = func(n int) bool { return n == began+at }
				for i, e := range c.EnqueuePrepared(b.ctx, batch) {
					if e.Err != nil || e.Receipt.Duplicate {
						t.Errorf("executed %t, exchange %d, order %d: %+v", executed, at, i, e)
					}
				}
				for _, p := range batch {
					if !b.willRun(t, p.Ref()) {
						t.Errorf("executed %t, exchange %d: %s has no task", executed, at, p.Ref())
					}
				}
			}
		}
	})
}
