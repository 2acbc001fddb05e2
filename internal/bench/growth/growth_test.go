package growth

import (
	"os/exec"
	"testing"
)

// The orders that the benchmark writes are ones the product can enqueue beside, process, poll, sweep and
// report; and every state takes some bytes, fewer as listpacks.
func TestTheProductTakesTheCopiesForItsOwn(t *testing.T) {
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Log("needs redis-server, did not run")
		return
	}
	quiet := func(string) {}
	rows, redis, err := Measure(t.Context(), Config{Sizes: []int{400}, Rounds: 1, Orders: 40, Progress: quiet})
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != len(ops)+2 || redis == "" {
		t.Errorf("%d rows, Redis %q", len(rows), redis)
	}
	for _, r := range rows {
		if r.Micros <= 0 || r.Ratio != 1 {
			t.Errorf("%+v", r)
		}
	}
	bytes, err := MeasureBytes(t.Context(), 200, quiet)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range bytes {
		if b.Bytes <= 0 || b.Small <= 0 || b.Share >= 1 {
			t.Errorf("%+v", b)
		}
	}
}
