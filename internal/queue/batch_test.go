package queue

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hibiken/asynq"

	"issuance/internal/ledger"
	"issuance/tasks/order"
)

// A task of a batch is the very task that enqueueing it alone makes, and its queue is known to the web UI.
func TestATaskOfABatchIsLikeAnyOther(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		alone, many := a1, order.Ref{Account: other, OrderID: "A1"}
		must(t, b.Enqueue(t.Context(), alone, HomeOf(alone, order.Queued, order.Bulk), trace, 0))
		pipe := b.rdb.Pipeline()
		batch := b.Batch(pipe, nil)
		batch.Add(t.Context(), many, HomeOf(many, order.Queued, order.Checkout), trace, 0)
		_, err := pipe.Exec(t.Context())
		must(t, err)
		must(t, batch.Result(0))

		queues, err := b.inspector.Queues()
		if slices.Sort(queues); err != nil || !slices.Equal(queues, []string{"ecticket-bulk", "ecticket-checkout"}) {
			t.Fatalf("queues %v, %v", queues, err)
		}
		one, err := b.inspector.GetTaskInfo("ecticket-bulk", "issue:ecticket:2000132:A1")
		must(t, err)
		two, err := b.inspector.GetTaskInfo("ecticket-checkout", "issue:ecticket:3002607:A1")
		must(t, err)
		settings := func(i *asynq.TaskInfo) string {
			return fmt.Sprint(i.Type, i.State, i.MaxRetry, i.Timeout, i.Retention, i.Deadline)
		}
		if settings(one) != settings(two) || string(two.Payload) != string(Encode(many, trace)) || string(one.Payload) != string(Encode(alone, trace)) {
			t.Errorf("alone %+v, in a batch %+v", one, two)
		}
		if one.MaxRetry != MaxRetry || one.Timeout != DefaultTimeout || one.Retention != DefaultRetention {
			t.Errorf("%+v", one)
		}
	})
}

// Each task of a batch has its own answer: made, or taken by an earlier one, in the batch or before it.
func TestEachTaskOfABatchHasItsAnswer(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		home := func(r order.Ref) Home { return HomeOf(r, order.Queued, order.Bulk) }
		before, fresh := a1, order.Ref{Account: shop, OrderID: "A2"}
		must(t, b.Enqueue(t.Context(), before, home(before), "", 0))
		if err := b.Enqueue(t.Context(), before, home(before), "", 0); !errors.Is(err, ErrTaken) {
			t.Errorf("alone: %v", err)
		}
		pipe := b.rdb.Pipeline()
		batch := b.Batch(pipe, nil)
		for _, r := range []order.Ref{fresh, before, fresh} {
			batch.Add(t.Context(), r, home(r), "", 0)
		}
		_, _ = pipe.Exec(t.Context())
		for i, want := range []error{nil, ErrTaken, ErrTaken} {
			if err := batch.Result(i); !errors.Is(err, want) || (err == nil) != (want == nil) {
				t.Errorf("task %d: %v, want %v", i, err, want)
			}
		}
	})
}

// A Redis that does not know asynq's script says so for every task, and gets it whole the next time.
func TestABatchBringsItsScript(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		must(t, b.rdb.ScriptFlush(t.Context()).Err())
		var last error
		for try := range 2 {
			pipe := b.rdb.Pipeline()
			batch := b.Batch(pipe, last)
			for _, id := range []string{"A1", "A2"} {
				r := order.Ref{Account: shop, OrderID: id}
				batch.Add(t.Context(), r, HomeOf(r, order.Queued, order.Bulk), "", 0)
			}
			_, _ = pipe.Exec(t.Context())
			for i := range 2 {
				if last = batch.Result(i); try == 0 && !ledger.NoScript(last) || try == 1 && last != nil {
					t.Fatalf("try %d, task %d: %v", try, i, last)
				}
			}
		}
		b.want(t, "ecticket-bulk", "issue:ecticket:2000132:A2", "pending")
	})
}

// A batch whose pipeline was not executed, or whose queue could not be entered into the set of queues, has no task
// that counts as enqueued.
func TestABatchThatFailedHasNoTasks(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		add := func() *Batch {
			pipe := b.rdb.Pipeline()
			batch := b.Batch(pipe, nil)
			batch.Add(t.Context(), a1, HomeOf(a1, order.Queued, order.Bulk), "", 0)
			_, _ = pipe.Exec(t.Context())
			return batch
		}
		must(t, b.Enqueue(t.Context(), a1.Refund("R1"), HomeOf(a1.Refund("R1"), order.Queued, order.Bulk), "", 0)) // Redis has the script
		must(t, b.rdb.Del(t.Context(), "asynq:queues").Err())
		must(t, b.rdb.Set(t.Context(), "asynq:queues", "no set", 0).Err())
		if err := add().Result(0); err == nil || !strings.Contains(err.Error(), "WRONGTYPE") {
			t.Errorf("%v", err)
		}
	})
}

// A task can be put off, and run at once when that is wanted; one that is not there is left so.
func TestATaskIsPutOffAndRun(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		h := HomeOf(a1, order.Queued, order.Bulk)
		must(t, b.Run(t.Context(), h)) // no such queue
		must(t, b.Enqueue(t.Context(), a1, h, "", time.Hour))
		found, err := b.Look(t.Context(), h)
		if err != nil || !found.Waiting() || found.Ended() || found.Active() || found.Pending() || time.Until(found.Next) < 59*time.Minute {
			t.Errorf("%+v, %v", found, err)
		}
		for range 2 { // the second time it is about to run already
			must(t, b.Run(t.Context(), h))
			b.want(t, h.Queue, h.ID, "pending")
		}
		if found, err := b.Look(t.Context(), h); err != nil || !found.Pending() || !found.Next.IsZero() {
			t.Errorf("%+v, %v", found, err)
		}
		gone := Home{Queue: h.Queue, Type: h.Type, ID: "gone"}
		must(t, b.Run(t.Context(), gone))
		if found, err := b.Look(t.Context(), gone); err != nil || found != (Task{}) {
			t.Errorf("%+v, %v", found, err)
		}
		if !b.Delete(t.Context(), gone) || !b.Delete(t.Context(), h) {
			t.Error("what is not there, or waits, is not deleted")
		}
		b.want(t, h.Queue, h.ID, "")
		if found, err := b.Find(t.Context(), nil); err != nil || len(found) != 0 {
			t.Errorf("%v, %v", found, err)
		}
	})
}
