package cli_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/hibiken/asynq"

	"issuance/internal/cli"
	"issuance/internal/handlertest"
	"issuance/internal/queue"
	"issuance/tasks"
	"issuance/tasks/order"
)

// Whoever decides an order lets the refunds go on at once that wait for that.
func TestADecisionWakesTheRefundsThatWaitForIt(t *testing.T) {
	handlertest.Each(t, func(b *handlertest.Bench) {
		o := b.OrderIn(order.Review, wrapped(pass2uOrder("A1", 1)))
		b.EnqueueRefund(refundOf("R1", 1))
		q, home := queue.NewClient(b.RDB, queue.Options{}), queue.HomeOf(o.Refund("R1"), order.Queued, order.Checkout)
		q.Delete(b.T.Context(), home)
		if err := q.Enqueue(b.T.Context(), o.Refund("R1"), home, "", time.Hour); err != nil {
			b.T.Fatal(err)
		}
		var out, errs bytes.Buffer
		exit := cli.Run(b.T.Context(), []string{"resolve", "pass2u", "A1", "--as", "issued", "--reason", "seen", "--by", "me"},
			map[string]string{"REDIS_URL": "redis://" + b.RDB.Options().Addr + "/0"}, cli.Streams{Out: &out, Err: &errs})
		if exit != cli.Fine || errs.Len() > 0 {
			b.T.Fatalf("exit code %d, %s", exit, errs.String())
		}
		if task, err := q.Look(b.T.Context(), home); err != nil || task.State != asynq.TaskStatePending.String() {
			b.T.Errorf("the refund's task is %q, %v", task.State, err)
		}
		s, err := b.Client().Status(b.T.Context(), tasks.Account{Provider: "pass2u"}, "A1")
		if err != nil || s.State != tasks.Issued || s.ReviewCode != "made" || s.Error != nil || s.ResolvedBy != "me" {
			b.T.Errorf("%+v, %v", s, err)
		}
	})
}
