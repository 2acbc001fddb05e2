package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"issuance/internal/bench/sim"
	"issuance/internal/cli/table"
	"issuance/tasks"
)

const (
	checkoutRate = 4 // calls per second of the account
	checkoutBulk = 10_000
	checkoutJob  = time.Minute
)

// checkoutRow is how long checkouts waited at one rate of arrivals. Durations are in seconds.
type checkoutRow struct {
	Arrivals string  `json:"arrivals"`
	Orders   int     `json:"orders"`
	WaitMean float64 `json:"wait_mean"` // from enqueued to the issue call
	WaitP50  float64 `json:"wait_p50"`
	WaitP99  float64 `json:"wait_p99"`
	WaitMax  float64 `json:"wait_max"`
	Uncalled int     `json:"uncalled"`
	// BulkPerMinute is how many bulk orders were issued meanwhile.
	BulkPerMinute float64 `json:"bulk_per_minute"`
	Busiest       int     `json:"busiest_second"` // most calls in any second

	atRandom bool
}

// stream is a way in which checkouts arrive.
type stream struct {
	name     string
	after    []time.Duration
	atRandom bool
}

func streams(long time.Duration) []stream {
	var all []stream
	for _, perMinute := range []float64{6, 30, 60} {
		all = append(all, stream{fmt.Sprintf("at random, %.0f a minute", perMinute), atRandom(perMinute, long), true})
	}
	var groups []time.Duration
	for d := time.Minute; d < long; d += 17 * time.Second {
		groups = append(groups, d, d, d, d)
	}
	return append(all, stream{"4 at once every 17 s", groups, false})
}

// atRandom is a Poisson process that begins after a minute, when bulk is under way.
func atRandom(perMinute float64, long time.Duration) (after []time.Duration) {
	random := rand.New(rand.NewPCG(7, uint64(perMinute)))
	for d := time.Minute; ; {
		d += time.Duration(random.ExpFloat64() / perMinute * float64(time.Minute))
		if d >= long {
			return after
		}
		after = append(after, d)
	}
}

func checkoutBench() bench {
	return bench{
		name:  "checkout",
		about: "How long a checkout order waits for its call while 10,000 bulk orders are queued",
		run: func(ctx context.Context, o options) (*report, error) {
			began := time.Now()
			long := 80 * time.Minute
			if o.quick {
				long = 8 * time.Minute
			}
			all := streams(long)
			rows := make([]checkoutRow, len(all))
			var work []job
			for i, s := range all {
				work = append(work, func(rdb *testRedis) (err error) {
					rows[i], err = checkouts(rdb, s, long, uint64(i)+1)
					return err
				})
			}
			what, err := inParallel(ctx, o, work)
			if err != nil {
				return nil, err
			}
			return &report{Machine: thisMachine(what), Rows: rows, Targets: checkoutTargets(rows),
				Seconds: seconds(time.Since(began)), table: checkoutTable(rows)}, nil
		},
	}
}

// checkouts lets a stream of checkout orders meet a bulk load.
func checkouts(rdb *testRedis, s stream, long time.Duration, seed uint64) (checkoutRow, error) {
	w, err := sim.New(sim.Config{Redis: rdb, Rate: checkoutRate, JobEvery: checkoutJob, Strategy: sim.Sentinel{}, Seed: seed})
	if err != nil {
		return checkoutRow{}, err
	}
	w.Arrive(tasks.Bulk, make([]time.Duration, checkoutBulk))
	w.Arrive(tasks.Checkout, s.after)
	r, err := w.Run(long + 30*time.Second) // the bulk load is not worked off by then
	if err != nil {
		return checkoutRow{}, fmt.Errorf("%s: %w", s.name, err)
	}
	waits := r.Waits(func(o *sim.Order) bool { return o.Lane == tasks.Checkout })
	bulk := r.Waits(func(o *sim.Order) bool { return o.Lane == tasks.Bulk })
	return checkoutRow{
		Arrivals: s.name, Orders: len(s.after), atRandom: s.atRandom, Uncalled: len(s.after) - len(waits),
		WaitMean: seconds(waits.Mean()), WaitP50: seconds(waits.Quantile(0.5)), WaitP99: seconds(waits.Quantile(0.99)), WaitMax: seconds(waits.Quantile(1)),
		BulkPerMinute: float64(len(bulk)) / r.End.Sub(r.Start).Minutes(), Busiest: r.Busiest(),
	}, nil
}

func checkoutTargets(rows []checkoutRow) []target {
	var p99 float64
	busiest, uncalled := 0, 0
	for _, r := range rows {
		if r.atRandom {
			p99 = max(p99, r.WaitP99)
		}
		busiest, uncalled = max(busiest, r.Busiest), uncalled+r.Uncalled
	}
	return []target{
		atMost("wait of checkouts at random, p99, s, worst rate", p99, 1),
		atMost("checkouts without a call", float64(uncalled), 0),
		atMost("calls in the busiest second, of 4 allowed", float64(busiest), checkoutRate),
	}
}

func checkoutTable(rows []checkoutRow) *table.Table {
	t := &table.Table{Right: []int{1, 2, 3, 4, 5, 6, 7}}
	t.Row("checkouts arrive", "orders", "wait mean", "p50", "p99", "max", "bulk/min", "busiest second")
	for _, r := range rows {
		t.Row(r.Arrivals, fmt.Sprint(r.Orders), fmt.Sprintf("%.2f s", r.WaitMean), fmt.Sprintf("%.2f s", r.WaitP50), fmt.Sprintf("%.2f s", r.WaitP99),
			fmt.Sprintf("%.2f s", r.WaitMax), fmt.Sprintf("%.0f", r.BulkPerMinute), fmt.Sprintf("%d calls", r.Busiest))
	}
	return t
}
