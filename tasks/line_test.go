package tasks

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/keys"
)

// Documents of an account whose bulk orders wait for their turn go behind those, and stay out of the queue
// that it shares with others. A few documents, and checkouts, go into the queue as ever.
func TestABulkGoesToTheEndOfItsAccountsLine(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		first := home(ref("FIRST"), Bulk)
		line := keys.QueueLine(first.Queue)
		of := line + "of:" + ref("FIRST").Account.Merchant
		if err := b.rdb.ZAdd(b.ctx, of, redis.Z{Score: 1, Member: first.ID}).Err(); err != nil {
			t.Fatal(err)
		}
		var docs [][]byte
		for i := range manyAtOnce {
			docs = append(docs, orderDoc(fmt.Sprintf("N%03d", i)))
		}
		few, many, checkouts := docs[:10], docs, docs
		send := func(lane Lane, docs [][]byte, prefix string) {
			t.Helper()
			for i := range docs {
				docs[i] = orderDoc(fmt.Sprintf("%s%03d", prefix, i))
			}
			for _, e := range b.EnqueuePrepared(b.ctx, prepared(t, b.Client, lane, docs...)) {
				if e.Err != nil {
					t.Fatal(e.Err)
				}
			}
		}
		send(Bulk, few, "FEW")
		send(Bulk, many, "MANY")
		send(Checkout, checkouts, "NOW")
		got := b.rdb.ZRange(b.ctx, of, 0, -1).Val()
		if len(got) != 1+manyAtOnce {
			t.Fatalf("%d tasks are in the line: %v", len(got), got)
		}
		for i := range manyAtOnce {
			if id := home(ref(fmt.Sprintf("MANY%03d", i)), Bulk).ID; !slices.Contains(got[1:], id) {
				t.Errorf("%s is not behind the first", id)
			}
		}
		info, err := b.inspector.GetQueueInfo(first.Queue)
		if err != nil || info.Pending != 10 || info.Scheduled != manyAtOnce {
			t.Errorf("the queue: %+v, %v", info, err)
		}
		if w := b.waiting(t, ref("MANY007")); w.For != "its turn among the orders of its account" || w.NextAt != nil {
			t.Errorf("an order in the line: %+v", w)
		}
		// A bulk that is run again is known already, and joins no line.
		before := b.rdb.ZRem(b.ctx, of, home(ref("MANY007"), Bulk).ID).Val()
		for i := range many {
			many[i] = orderDoc(fmt.Sprintf("MANY%03d", i))
		}
		b.EnqueuePrepared(b.ctx, prepared(t, b.Client, Bulk, many...))
		if n := b.rdb.ZCard(b.ctx, of).Val(); before != 1 || n != manyAtOnce {
			t.Errorf("%d tasks are in the line after the bulk was run again", n)
		}
		// Should its place be lost, a task runs by itself.
		if task, err := b.inspector.GetTaskInfo(first.Queue, got[1]); err != nil || time.Until(task.NextProcessAt) < 10*time.Minute || time.Until(task.NextProcessAt) > time.Hour {
			t.Errorf("%+v, %v", task, err)
		}
		if member := b.rdb.SIsMember(b.ctx, line+"all", ref("FIRST").Account.Merchant).Val(); !member {
			t.Error("nobody looks at the line")
		}
	})
}
