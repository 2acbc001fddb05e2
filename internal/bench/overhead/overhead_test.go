package overhead

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"issuance/internal/bench/lab"
)

// TestMain lets the test binary be its own child processes, as the benchmark is.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == otherCommand {
		if err := lab.Serve(os.Stdin, os.Stdout, new(pretender).answer); err != nil {
			os.Exit(1)
		}
		return
	}
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

// otherCommand has the test binary be an Other, whose orders have ended once they were looked at.
const otherCommand = "other"

type pretender struct {
	orders int
	began  time.Time
}

func (p *pretender) answer(q Question) (a Answer, err error) {
	switch q.Do {
	case Fill:
		p.orders = len(q.Orders)
	case Begin:
		p.began = time.Now()
	case Look:
		a = Answer{Began: p.began, Last: time.Now(), Ended: int64(p.orders), CPU: time.Second}
	}
	return a, nil
}

// Another program is measured beside the variants: it enqueues and works off the orders that it is told.
func TestAnotherProgramIsComparedBesides(t *testing.T) {
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Log("needs redis-server, did not run")
		return
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "other")
	if err := os.WriteFile(program, fmt.Appendf(nil, "#!/bin/sh\nexec '%s' %s \"$@\"\n", exe, otherCommand), 0o700); err != nil {
		t.Fatal(err)
	}
	rows, _, err := Measure(t.Context(), Config{Kinds: []string{Voucher}, Delays: []time.Duration{0}, Orders: 20, Rounds: 2, Concurrency: []int{2},
		Others: []Other{{"another", program}}, Progress: func(string) {}})
	if err != nil {
		t.Fatal(err)
	}
	m := rows[0].Sides["another"]
	if len(m.PerSecond) != 2 || m.PerSecond[0] <= 0 || len(m.Enqueued) != 2 || len(m.CPU) != 2 || m.CPU[0] != 50_000 || m.Log != nil {
		t.Errorf("%+v", m)
	}
}
