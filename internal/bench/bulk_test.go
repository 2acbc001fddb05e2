package main

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/hibiken/asynq"

	"issuance/internal/testredis"
)

// The bulk benchmark compares like with like: both sides enqueue so many tasks, with payloads of
// the same size, and it notices when they do not.
func TestTheBulkBenchmarkComparesLikeWithLike(t *testing.T) {
	s := testredis.Start(t)
	bare, err := newBareClient(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer bare.close()
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
	if err := bare.enqueue(t.Context(), 495); err != nil {
		t.Fatal(err)
	}
	inspector := asynq.NewInspectorFromRedisClient(bare.rdb)
	sizes := map[string]int{}
	for _, queue := range []string{"bare", "ecticket-bulk"} {
		list, err := inspector.ListPendingTasks(queue, asynq.PageSize(1000))
		if err != nil {
			t.Fatal(err)
		}
		for _, task := range list {
			sizes[queue] += len(task.Payload)
		}
		if want := 495; len(list)-want > 1 || len(list) < want { // and the one that was looked at
			t.Errorf("%s holds %d tasks, want %d", queue, len(list), want)
		}
	}
	if ratio := float64(sizes["bare"]) / float64(sizes["ecticket-bulk"]); ratio < 0.95 || ratio > 1.05 {
		t.Errorf("payloads of the bare client are %.2f times as long", ratio)
	}
}

// The targets are about the worse of the two ways in which Redis writes its log.
func TestBulkTargets(t *testing.T) {
	rows := []bulkRow{{What: "enqueue bulk", Sync: "no log", Ratio: 0.95}, {What: "enqueue bulk", Sync: "always", Ratio: 1.5},
		{What: "enqueue bulk, the same file again", Ratio: 0.4}, {Rows: 10, PeakMiB: 40}, {Rows: 1000, PeakMiB: 65}}
	var met []bool
	for _, target := range bulkTargets(rows) {
		met = append(met, target.Met)
	}
	if !slices.Equal(met, []bool{true, true, false}) {
		t.Errorf("met: %v", met)
	}
	if m := median([]float64{3, 1, 2, 10}); m != 2.5 {
		t.Errorf("median %g", m)
	}
}
