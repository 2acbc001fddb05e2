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

// Every variant brings every order to its end, and what the worker asks of Redis for each stays little.
func TestAnOrderCostsLittleOfRedis(t *testing.T) {
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Log("needs redis-server, did not run")
		return
	}
	rows, redis, err := Measure(t.Context(), Config{Kinds: []string{Paper, Voucher, Electronic}, Delays: []time.Duration{0}, Orders: 100, Rounds: 1, Concurrency: []int{8},
		Progress: func(string) {}})
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != 3 || redis == "" {
		t.Fatalf("%d rows, Redis %q", len(rows), redis)
	}
	for _, r := range rows {
		// Dequeue, claim, intent, end, done; paper is accepted in between; an electronic order has a task for its poll, too. A little is
		// the engine's own.
		most := map[string]float64{Paper: 7, Voucher: 6, Electronic: 11.5}[r.Kind]
		if trips := lab.Median(r.Sides[Worker].Trips); trips < 2 || trips > most {
			t.Errorf("%s: %.1f round trips an order, want at most %.0f", r.Kind, trips, most)
		}
		for _, variant := range Variants() {
			m := r.Sides[variant]
			if len(m.PerSecond) != 1 || m.PerSecond[0] <= 0 || lab.Median(m.Trips) < 1.5 || lab.Median(m.Log) < 500 {
				t.Errorf("%s, %s: %+v", r.Kind, variant, m)
			}
		}
	}
}
