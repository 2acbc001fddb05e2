package servers_test

import (
	"slices"
	"testing"

	"issuance/internal/keys"
	"issuance/internal/servers"
	"issuance/tasks/order"
)

// A queue that never held a task can be looked at once it is registered, which creates nothing else, and which is
// done again after Redis was emptied.
func TestAnUnusedQueueCanBeLookedAt(t *testing.T) {
	w := newWorld(t)
	set := servers.New(w.rdb, []servers.Lane{handle(order.Checkout, 1, nil), handle(order.Bulk, 1, nil)}, servers.Options{Log: w.Log})
	for range 2 {
		if _, err := w.inspector.GetQueueInfo(queueOf(order.Bulk)); err == nil {
			t.Fatal("a queue that is not registered can be looked at")
		}
		for range 2 {
			if err := set.Register(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		for _, q := range set.Queues() {
			if info, err := w.inspector.GetQueueInfo(q); err != nil || info.Size != 0 {
				t.Errorf("%s: %+v %v", q, info, err)
			}
		}
		if all, err := w.rdb.Keys(t.Context(), "*").Result(); err != nil || !slices.Equal(all, []string{keys.Queues}) {
			t.Errorf("the keys are %q, %v", all, err)
		}
		if err := w.rdb.FlushDB(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
	}
}
