package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"issuance/internal/bench/lab"
	"issuance/internal/bench/overhead"
	"issuance/internal/cli/table"
)

func overheadBench() bench {
	c := overhead.Config{}
	return bench{
		name:  overhead.Name,
		about: "Orders per second, as a ratio to a bare queue handler that makes the same calls",
		flags: func(cmd *cobra.Command) {
			f := cmd.Flags()
			f.IntVar(&c.Orders, "orders", 3000, "orders in a round")
			f.IntVar(&c.Rounds, "rounds", 7, "rounds of each of the two, interleaved")
			f.IntVar(&c.Concurrency, "concurrency", 8, "tasks at a time; 8 is the worker's default")
			f.StringSliceVar(&c.Kinds, "kinds", []string{overhead.Paper, overhead.Voucher}, "kinds of orders")
			f.DurationSliceVar(&c.Delays, "delays", []time.Duration{0, 5 * time.Millisecond, 20 * time.Millisecond}, "how long the provider takes for an answer")
			f.StringVar(&c.RedisConf, "redis-conf", "", "config file of Redis, such as deploy/redis.conf (default: nothing is written to disk)")
			f.StringVar(&c.Profile, "cpuprofile", "", "write CPU profiles of the last round to files that start so")
		},
		run: func(ctx context.Context, o options) (*report, error) {
			began := time.Now()
			c.Progress = o.progress
			if o.quick {
				c.Orders, c.Rounds = min(c.Orders, 500), min(c.Rounds, 3)
			}
			rows, redis, err := overhead.Measure(ctx, c)
			if err != nil {
				return nil, err
			}
			o.progress("")
			return &report{Machine: thisMachine(redis), Rows: rows, Targets: overheadTargets(rows), Seconds: seconds(time.Since(began)),
				table: overheadTable(rows), notes: []string{"",
					fmt.Sprintf("%d tasks at a time. Worker, bare handler, simulator and Redis are processes of their own; the rounds of the two are interleaved.", c.Concurrency)}}, nil
		},
	}
}

// overheadLeast is the target for the worker's orders per second as a share of the bare handler's.
const overheadLeast = 0.8

// tripsMost is how many round trips to Redis an order may take: dequeue, claim, intent, end and done, and
// accepted in between for paper. The tenths are the servers' own, more of them the longer an order takes.
var tripsMost = map[string]float64{overhead.Paper: 6.2, overhead.Voucher: 5.2}

func overheadTargets(rows []overhead.Row) []target {
	var all []target
	for _, r := range rows {
		all = append(all, atLeast(fmt.Sprintf("ratio, %s, provider takes %s", r.Kind, r.Delay), r.Ratio, overheadLeast))
	}
	for _, r := range rows {
		all = append(all, atMost(fmt.Sprintf("round trips per order, %s, provider takes %s", r.Kind, r.Delay), lab.Median(r.Worker.Trips), tripsMost[r.Kind]))
	}
	return all
}

func overheadTable(rows []overhead.Row) *table.Table {
	t := &table.Table{Right: []int{1, 3, 4, 5, 6, 7, 8, 9, 10}}
	t.Row("orders", "provider takes", "", "orders/s", "ratio", "(rounds)", "CPU us/order", "Redis us/order", "CPU ratio", "round trips", "commands, scripts' too")
	for _, r := range rows {
		line := func(variant string, m overhead.Measured, ratio, spread, cpu string) {
			t.Row(r.Kind, r.Delay, variant, fmt.Sprintf("%.0f", lab.Median(m.PerSecond)), ratio, spread, fmt.Sprintf("%.0f", lab.Median(m.CPU)),
				fmt.Sprintf("%.0f", lab.Median(m.RedisCPU)), cpu, fmt.Sprintf("%.1f", lab.Median(m.Trips)), fmt.Sprintf("%.1f", lab.Median(m.Run)))
		}
		line("bare", r.Bare, "1", "", "1")
		line("worker", r.Worker, fmt.Sprintf("%.2f", r.Ratio), lab.Spread(r.Ratios), fmt.Sprintf("%.2f", r.CPURatio))
	}
	return t
}
