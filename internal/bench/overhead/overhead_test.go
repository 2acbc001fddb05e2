package overhead

import (
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"issuance/internal/bench/lab"
)

// TestMain lets the test binary be its own child processes, as the benchmark is.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == lab.ChildCommand && os.Args[2] == Name {
		if err := Child(os.Args[3:], os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// Both sides bring every order to its end, and the worker's round trips to Redis for each stay few.
func TestAnOrderCostsFewRoundTrips(t *testing.T) {
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Log("needs redis-server, did not run")
		return
	}
	rows, redis, err := Measure(t.Context(), Config{Kinds: []string{Paper, Voucher}, Delays: []time.Duration{0}, Orders: 200, Rounds: 1, Concurrency: 8,
		Progress: func(string) {}})
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != 2 || redis == "" {
		t.Fatalf("%d rows, Redis %q", len(rows), redis)
	}
	// Dequeue, claim, intent, end, done; paper is accepted in between. A little is the engine's own.
	for i, most := range []float64{7, 6} {
		r := rows[i]
		if trips := lab.Median(r.Worker.Trips); trips < 2 || trips > most {
			t.Errorf("%s: %.1f round trips an order, want at most %.0f", r.Kind, trips, most)
		}
		if r.Ratio <= 0 || lab.Median(r.Bare.Trips) < 1.5 {
			t.Errorf("%s: ratio %.2f, bare round trips %v", r.Kind, r.Ratio, r.Bare.Trips)
		}
	}
}
