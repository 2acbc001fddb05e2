package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"issuance/internal/bench/lab"
	"issuance/internal/bench/overhead"
	"issuance/internal/cli/table"
)

func overheadBench() bench {
	c, river := overhead.Config{}, false
	return bench{
		name:  overhead.Name,
		about: "The machine's limit: orders per second, as a ratio to bare queue handlers that make the same calls",
		flags: func(cmd *cobra.Command) {
			f := cmd.Flags()
			f.IntVar(&c.Orders, "orders", 3000, "orders in a round")
			f.IntVar(&c.Rounds, "rounds", 7, "rounds of each variant, interleaved")
			f.IntSliceVar(&c.Concurrency, "concurrency", []int{64, 8}, "tasks at a time of each process: so many that the machine is the limit, and what an account of 4 calls a second has")
			f.StringSliceVar(&c.Kinds, "kinds", []string{overhead.Voucher, overhead.Electronic}, "kinds of orders; also "+overhead.Paper)
			f.DurationSliceVar(&c.Delays, "delays", []time.Duration{0, 5 * time.Millisecond}, "how long the provider takes for an answer")
			f.StringVar(&c.RedisConf, "redis-conf", "", "config file of Redis (default: appendfsync always)")
			f.BoolVar(&river, "river", false, "compare with River on PostgreSQL, too; needs go, PostgreSQL and the sources")
			f.StringVar(&c.Profile, "cpuprofile", "", "write CPU profiles of the last round to files that start so")
		},
		run: func(ctx context.Context, o options) (*report, error) {
			began := time.Now()
			c.Progress = o.progress
			if o.quick {
				c.Orders, c.Rounds = min(c.Orders, 500), min(c.Rounds, 3)
			}
			if river {
				program, remove, err := buildRiver(ctx)
				if err != nil {
					return nil, err
				}
				defer remove()
				c.Others = []overhead.Other{{Name: "river", Program: program}}
			}
			rows, redis, err := overhead.Measure(ctx, c)
			if err != nil {
				return nil, err
			}
			o.progress("")
			return &report{Machine: thisMachine(redis), Rows: rows, Targets: overheadTargets(rows), Seconds: seconds(time.Since(began)),
				table: overheadTable(rows, names(c.Others)), notes: []string{"",
					"Each worker, bare handler, simulator and Redis is a process of its own; the rounds of all variants are interleaved."}}, nil
		},
	}
}

// overheadLeast are the targets for orders per second, as the share that one variant has of another's.
var overheadLeast = []struct {
	of, to string
	least  float64
}{{overhead.Worker, overhead.Bare, 0.9}, {overhead.Worker, overhead.Ledger, 1}, {overhead.Two, overhead.Worker, 1}}

// logMost is how many bytes of Redis's log an order may take.
const logMost = 4500

// tripsMost is how many round trips to Redis an order may take: dequeue, claim, intent, end and done, and
// accepted in between for paper; an electronic order's poll is enqueued, and read, claimed, ended and done as well. The tenths are the servers' own, more of them the longer an order takes.
var tripsMost = map[string]float64{overhead.Paper: 6.2, overhead.Voucher: 5.2, overhead.Electronic: 10.5}

func overheadTargets(rows []overhead.Row) (all []target) {
	for _, r := range rows {
		for _, t := range overheadLeast {
			all = append(all, atLeast(fmt.Sprintf("orders/s of %s to %s, %s", t.of, t.to, scene(r)), lab.Median(r.Ratios(t.of, t.to)), t.least))
		}
	}
	for _, r := range rows {
		all = append(all, atMost("bytes of Redis's log per order, "+scene(r), lab.Median(r.Sides[overhead.Worker].Log), logMost))
		all = append(all, atMost("round trips per order, "+scene(r), lab.Median(r.Sides[overhead.Worker].Trips), tripsMost[r.Kind]))
	}
	return all
}

// scene is what a row was measured with.
func scene(r overhead.Row) string {
	return fmt.Sprintf("%s, provider takes %s, %d at a time", r.Kind, r.Delay, r.Concurrency)
}

// medianText is that of values as text, "" of none.
func medianText(format string, values []float64) string {
	if len(values) == 0 {
		return ""
	}
	return fmt.Sprintf(format, lab.Median(values))
}

func names(others []overhead.Other) (list []string) {
	for _, o := range others {
		list = append(list, o.Name)
	}
	return list
}

// buildRiver builds internal/bench/river, which is a module of its own.
func buildRiver(ctx context.Context) (program string, remove func(), err error) {
	dir, err := os.MkdirTemp("", "issuance-bench-river-")
	if err != nil {
		return "", nil, err
	}
	program = filepath.Join(dir, "river")
	build := exec.CommandContext(ctx, "go", "build", "-C", filepath.Join("internal", "bench", "river"), "-o", program, ".")
	if out, err := build.CombinedOutput(); err != nil {
		return "", nil, errors.Join(fmt.Errorf("build internal/bench/river: %w\n%s", err, out), os.RemoveAll(dir))
	}
	return program, func() { _ = os.RemoveAll(dir) }, nil
}

func overheadTable(rows []overhead.Row, others []string) *table.Table {
	t := &table.Table{Right: []int{1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12}}
	t.Row("orders", "provider takes", "at a time", "", "orders/s", "to bare", "(rounds)", "enqueued/s", "CPU us/order", "Redis us/order", "log bytes", "round trips", "commands, scripts' too")
	for _, r := range rows {
		for _, variant := range append(overhead.Variants(), others...) {
			m, ratios := r.Sides[variant], r.Ratios(variant, overhead.Bare)
			number := func(values []float64) string { return medianText("%.0f", values) }
			t.Row(r.Kind, r.Delay, fmt.Sprint(r.Concurrency), variant, number(m.PerSecond), fmt.Sprintf("%.2f", lab.Median(ratios)), lab.Spread(ratios), number(m.Enqueued), number(m.CPU),
				number(m.RedisCPU), number(m.Log), medianText("%.1f", m.Trips), medianText("%.1f", m.Run))
		}
	}
	return t
}
