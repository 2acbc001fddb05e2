package handler_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/hibiken/asynq"

	"issuance/internal/handler"
	"issuance/internal/handlertest"
	"issuance/internal/queue"
	"issuance/tasks/order"
)

// A refund may wait for its order for minutes; the order's end makes it run. One that has ended, and other orders'
// refunds, are left alone.
func TestRefundsThatWaitForAnOrderAreWoken(t *testing.T) {
	handlertest.Each(t, func(b *handlertest.Bench) {
		b.OrderIn(order.Issued, orderDoc)
		a1 := order.Ref{Account: handlertest.Pass2U, OrderID: "A1"}
		q := queue.NewClient(b.RDB, queue.Options{})
		home := func(r order.Ref) queue.Home { return queue.HomeOf(r, order.Queued, order.Checkout) }
		waiting := func(r order.Ref) {
			b.T.Helper()
			q.Delete(b.T.Context(), home(r))
			if err := q.Enqueue(b.T.Context(), r, home(r), "", time.Hour); err != nil {
				b.T.Fatal(err)
			}
		}
		for _, id := range []string{"R1", "R2", "R3"} {
			b.EnqueueRefund(fmt.Sprintf(`{"provider":"pass2u","refund_id":%q,"request":{"channelOrderId":"A1","quantity":1}}`, id))
			waiting(a1.Refund(id))
		}
		b.EnqueueRefund(`{"provider":"pass2u","refund_id":"R1","request":{"channelOrderId":"A2","quantity":1}}`)
		a2 := order.Ref{Account: handlertest.Pass2U, OrderID: "A2"}
		waiting(a2.Refund("R1"))
		if a, err := b.Ledger.Cancel(b.T.Context(), a1.Refund("R3"), "op", "not wanted"); err != nil || !a.Applied {
			b.T.Fatal(a, err)
		}
		handler.RefundWaker(b.Ledger, q, b.Log)(context.Background(), a1)
		for r, want := range map[order.Ref]asynq.TaskState{a1.Refund("R1"): asynq.TaskStatePending, a1.Refund("R2"): asynq.TaskStatePending,
			a1.Refund("R3"): asynq.TaskStateScheduled, a2.Refund("R1"): asynq.TaskStateScheduled} {
			if task, err := q.Look(b.T.Context(), home(r)); err != nil || task.State != want.String() {
				b.T.Errorf("%s is %q, %v; want %s", r, task.State, err, want)
			}
		}
	})
}
