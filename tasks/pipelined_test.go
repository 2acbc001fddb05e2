package tasks

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"issuance/internal/ledger"
	"issuance/providers"
)

func prepared(t testing.TB, c *Client, lane Lane, docs ...[]byte) []Prepared {
	t.Helper()
	var batch []Prepared
	for _, raw := range docs {
		p, err := c.Prepare(parsed(t, raw), lane)
		if err != nil {
			t.Fatal(err)
		}
		batch = append(batch, p)
	}
	return batch
}

// A task of a batch is the very task that enqueueing it alone makes, and its queue is known to
// the web UI.
func TestATaskOfABatchIsLikeAnyOther(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		b.enqueue(t, order("ALONE"), InLane(Bulk))
		if out := b.EnqueuePrepared(b.ctx, prepared(t, b.Client, Checkout, order("BATCH"))); out[0].Err != nil {
			t.Fatal(out[0].Err)
		}
		queues, err := b.inspector.Queues()
		if slices.Sort(queues); err != nil || !slices.Equal(queues, []string{"ecticket-bulk", "ecticket-checkout"}) {
			t.Fatalf("queues %v, %v", queues, err)
		}
		one, err := b.inspector.GetTaskInfo("ecticket-bulk", "issue:ecticket:ALONE")
		if err != nil {
			t.Fatal(err)
		}
		many, err := b.inspector.GetTaskInfo("ecticket-checkout", "issue:ecticket:BATCH")
		if err != nil {
			t.Fatal(err)
		}
		type settings struct {
			kind                         string
			state                        asynq.TaskState
			retry                        int
			timeout, retention, deadline any
		}
		of := func(i *asynq.TaskInfo) settings {
			return settings{i.Type, i.State, i.MaxRetry, i.Timeout, i.Retention, i.Deadline}
		}
		if of(one) != of(many) {
			t.Errorf("alone %+v, in a batch %+v", of(one), of(many))
		}
	})
}

// Of two orders with one number in a batch, the first is enqueued; the second is a duplicate or a
// conflict.
func TestTheFirstOfABatchWins(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		out := b.EnqueuePrepared(b.ctx, prepared(t, b.Client, Bulk, order("O1"), other("O1"), order("O1"), order("O2")))
		var conflict *ConflictError
		if out[0].Err != nil || out[0].Receipt.Duplicate || out[3].Err != nil || out[3].Receipt.Duplicate {
			t.Errorf("new ones: %+v, %+v", out[0], out[3])
		}
		if !errors.As(out[1].Err, &conflict) || out[2].Err != nil || !out[2].Receipt.Duplicate {
			t.Errorf("another document %+v, the same %+v", out[1], out[2])
		}
	})
}

// lossy carries out pipelines, but loses the answers of the first few that enqueue something.
type lossy struct {
	losses atomic.Int32
	sent   atomic.Int32
}

var errLost = errors.New("the answer was lost")

func (l *lossy) DialHook(next redis.DialHook) redis.DialHook          { return next }
func (l *lossy) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }
func (l *lossy) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		err := next(ctx, cmds)
		if last := cmds[len(cmds)-1]; last.Name() != "eval" && last.Name() != "evalsha" || redis.HasErrorPrefix(last.Err(), "NOSCRIPT") {
			return err
		}
		l.sent.Add(1)
		if l.losses.Add(-1) < 0 {
			return err
		}
		for _, cmd := range cmds {
			cmd.SetErr(errLost)
		}
		return errLost
	}
}

// A batch whose answer was lost is sent again and stays one order each, which is not called a
// duplicate: nobody else enqueued it.
func TestABatchWhoseAnswerWasLostIsEnqueuedOnce(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		l := &lossy{}
		l.losses.Store(1)
		b.rdb.AddHook(l)
		var docs [][]byte
		for i := range 20 {
			docs = append(docs, order(fmt.Sprintf("O%d", i)))
		}
		for i, e := range b.EnqueuePrepared(b.ctx, prepared(t, b.Client, Bulk, docs...)) {
			if e.Err != nil || e.Receipt.Duplicate || e.Receipt.State != ledger.Queued {
				t.Errorf("order %d: %+v", i, e)
			}
		}
		if got := b.queued(t); len(got) != len(docs) || l.sent.Load() < 2 {
			t.Errorf("%d queued after %d tries", len(got), l.sent.Load())
		}
	})
}

// An answer that is lost again and again is an error that says what to do; doing it finds the
// orders enqueued.
func TestABatchWhoseAnswersStayLostMayBeEnqueuedAgain(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		l := &lossy{}
		l.losses.Store(enqueueTries)
		b.rdb.AddHook(l)
		batch := prepared(t, b.Client, Bulk, order("O1"), order("O2"))
		for _, e := range b.EnqueuePrepared(b.ctx, batch) {
			if !errors.Is(e.Err, errLost) {
				t.Errorf("%+v", e)
			}
		}
		for i, e := range b.EnqueuePrepared(b.ctx, batch) {
			if e.Err != nil || e.Receipt.State != ledger.Queued {
				t.Errorf("again, order %d: %+v", i, e)
			}
		}
		if got := b.queued(t); len(got) != 2 {
			t.Errorf("queued %v", got)
		}
	})
}

// A lane without workers is refused before anything is sealed.
func TestABatchNeedsALaneOfProducers(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		if _, err := b.Prepare(parsed(t, order("O1")), Poll); err == nil {
			t.Error("prepared for the lane of polls")
		}
	})
}

// States tells of many orders at once what Status tells of each.
func TestStatesOfManyOrders(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		b.enqueue(t, order("WAITS"))
		b.enqueue(t, order("BULK"), InLane(Bulk))
		b.enqueue(t, order("DONE"))
		b.finish(t, "DONE", ledger.Ending{State: ledger.Failed})
		got, err := b.States(b.ctx, []ledger.Key{key("WAITS"), key("NOBODY"), key("DONE"), key("BULK"), {Provider: providers.Pass2U, OrderID: "WAITS"}})
		if want := []ledger.State{ledger.Queued, "", ledger.Failed, ledger.Queued, ""}; err != nil || !slices.Equal(got, want) {
			t.Errorf("states %q, want %q, %v", got, want, err)
		}
		if got, err := b.States(b.ctx, nil); err != nil || len(got) != 0 {
			t.Errorf("of none: %v, %v", got, err)
		}
	})
}

// A stream answers batch after batch, each as EnqueuePrepared would, and the first of two orders
// with one number wins even when they are in neighbouring batches.
func TestAStreamAnswersBatchAfterBatch(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		batches := make(chan []Prepared)
		go func() {
			defer close(batches)
			for i := range 10 {
				batches <- prepared(t, b.Client, Bulk, order(fmt.Sprintf("O%d", i)), other(fmt.Sprintf("O%d", i+1)))
			}
			batches <- nil
		}()
		i := 0
		for out := range b.EnqueueStream(b.ctx, batches) {
			if i == 10 {
				if len(out) != 0 {
					t.Errorf("an empty batch: %+v", out)
				}
				i++
				continue
			}
			var conflict *ConflictError
			if i > 0 != errors.As(out[0].Err, &conflict) || i > 0 != (out[0].Err != nil) || out[1].Err != nil || out[1].Receipt.Duplicate {
				t.Errorf("batch %d: %+v", i, out)
			}
			if out[1].Receipt.OrderID != fmt.Sprintf("O%d", i+1) {
				t.Errorf("batch %d is answered with %s", i, out[1].Receipt.OrderID)
			}
			i++
		}
		if got := b.queued(t); i != 11 || len(got) != 11 {
			t.Errorf("%d answers, %d queued", i, len(got))
		}
	})
}

// A stream whose context ends answers every batch all the same, and ends with its input.
func TestAStreamEndsWithItsInput(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		ctx, cancel := context.WithCancel(b.ctx)
		batches := make(chan []Prepared, 5)
		for i := range cap(batches) {
			batches <- prepared(t, b.Client, Bulk, order(fmt.Sprintf("O%d", i)))
		}
		close(batches)
		cancel()
		n := 0
		for out := range b.EnqueueStream(ctx, batches) {
			if n++; !errors.Is(out[0].Err, context.Canceled) {
				t.Errorf("%+v", out)
			}
		}
		if n != cap(batches) {
			t.Errorf("%d answers", n)
		}
	})
}
