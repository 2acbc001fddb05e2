package main

import (
	"bytes"
	"path/filepath"
	"slices"
	"testing"

	"github.com/hibiken/asynq"

	"issuance/internal/keys"
	"issuance/internal/queue"
	"issuance/internal/testredis"
	"issuance/tasks"
	"issuance/tasks/order"
)

// The bulk benchmark compares like with like: all sides enqueue so many tasks, the bare ones with payloads
// of the size of what the others record, and it notices when they do not.
func TestTheBulkBenchmarkComparesLikeWithLike(t *testing.T) {
	s := testredis.Start(t)
	p, err := newProducers(t.Context(), s.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	file := filepath.Join(t.TempDir(), "orders.csv")
	if err := writeOrders(file, 500, 100); err != nil {
		t.Fatal(err)
	}
	for _, again := range []bool{false, true} {
		if err := runBulk(t.Context(), s.URL(), file, 5, again); err != nil {
			t.Fatal(err)
		}
	}
	if err := runBulk(t.Context(), s.URL(), file, 5, false); err == nil {
		t.Error("a file that was enqueued before is measured as if it were new")
	}
	if err := p.enqueueBare(t.Context(), 495, many); err != nil {
		t.Fatal(err)
	}
	if err := p.enqueueOneByOne(t.Context(), 50, 2); err != nil {
		t.Fatal(err)
	}
	inspector := asynq.NewInspectorFromRedisClient(p.rdb)
	for name, want := range map[string]int{"bare": 495, queue.Name(account.Provider, order.Bulk): 495 + 50 + 1} { // and the typical one
		info, err := inspector.GetQueueInfo(name)
		if err != nil {
			t.Fatal(err)
		}
		if info.Pending != want {
			t.Errorf("%s holds %d tasks, want %d", name, info.Pending, want)
		}
	}
	states, err := p.product.States(t.Context(), []tasks.Ref{{Account: account, OrderID: "ONE10000000496"}, {Account: account, OrderID: "BENCH0000000001"}})
	if err != nil || states[0] != tasks.Queued || states[1] != tasks.Queued {
		t.Errorf("states %v, %v", states, err)
	}
	held := keys.Record(tasks.Ref{Account: account, OrderID: "BENCH0000000000"})
	for _, field := range []string{"doc", "fp", "stub"} {
		if v := p.rdb.HGet(t.Context(), held, field).Val(); v == "" || !bytes.Contains(p.payload, []byte(v)) {
			t.Errorf("payloads of the bare client, of %d bytes, lack %s, of %d", len(p.payload), field, len(v))
		}
	}
}

// The targets are about the worst ratio of bulks, and of enqueueing one by one, with Redis's log as it is shipped.
func TestBulkTargets(t *testing.T) {
	rows := []bulkRow{{What: "enqueue bulk", Sync: "no log", Ratio: 0.5}, {What: "enqueue bulk", Sync: "always", Ratio: 1.5},
		{What: "enqueue bulk, the same file again", Sync: "always", Ratio: 0.4}, {What: "one by one, 16 goroutines", Sync: "always", Ratio: 0.6},
		{What: "one by one, 1 goroutine", Sync: "always", Ratio: 0.45}, {Rows: 10, PeakMiB: 40}, {Rows: 1000, PeakMiB: 65}}
	var met []bool
	for _, target := range bulkTargets(rows) {
		met = append(met, target.Met)
	}
	if !slices.Equal(met, []bool{true, false, true, false}) {
		t.Errorf("met: %v", met)
	}
	if m := median([]float64{3, 1, 2, 10}); m != 2.5 {
		t.Errorf("median %g", m)
	}
}
