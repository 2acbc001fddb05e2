package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"issuance/internal/cli/table"
)

// bulkRow is one way of filling a queue.
type bulkRow struct {
	What      string  `json:"what"`
	Sync      string  `json:"appendfsync"` // how Redis writes its log
	Rows      int     `json:"rows"`
	PerSecond float64 `json:"per_second"` // the median round's
	// Ratio is to the bare asynq client of the same round, the median's; 0 where there is none.
	Ratio  float64   `json:"ratio,omitempty"`
	Ratios []float64 `json:"ratios,omitempty"` // of every round, sorted
	// CPU is the processor time of one row, client and Redis together, in microseconds: what
	// remains of a rate when other programs take turns on the machine.
	CPU float64 `json:"cpu_us,omitempty"`
	// PeakMiB is the process's peak resident memory; 0 where it was not measured.
	PeakMiB float64 `json:"peak_mib,omitempty"`
}

// bulkPlan is how much is measured.
type bulkPlan struct {
	rows   int   // of the file
	rounds int   // each: half of the bare client, the bulk, the other half
	memory []int // rows of the files whose memory is measured
}

func bulkBench() bench {
	plan := bulkPlan{rows: 100_000, rounds: 5, memory: []int{10_000, 1_000_000}}
	return bench{
		name:  "bulk",
		about: "Enqueueing, in bulk and one by one, against a bare asynq client; memory of a bulk",
		flags: func(cmd *cobra.Command) {
			cmd.Flags().IntVar(&plan.rows, "rows", plan.rows, "rows of the file")
		},
		run: func(ctx context.Context, o options) (*report, error) {
			p := plan
			if o.quick {
				p = bulkPlan{rows: min(p.rows, 20_000), rounds: 3, memory: []int{10_000, 100_000}}
			}
			return benchBulk(ctx, o, p)
		},
	}
}

func benchBulk(ctx context.Context, o options, plan bulkPlan) (*report, error) {
	began := time.Now()
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	d := bulkDesk{options: o, dir: dir}
	var rows []bulkRow
	for _, sync := range []string{"no log", shipped} {
		some, err := d.speed(ctx, sync, plan)
		if err != nil {
			return nil, err
		}
		rows = append(rows, some...)
	}
	memory, err := d.memory(ctx, plan)
	if err != nil {
		return nil, err
	}
	rows = append(rows, memory...)
	d.progress("")
	return &report{Machine: thisMachine(d.what), Rows: rows, Targets: bulkTargets(rows), Seconds: seconds(time.Since(began)), table: bulkTable(rows),
		notes: []string{"Ratios are to a bare asynq client with 16 goroutines, run half before and half after each bulk; medians of the rounds."}}, nil
}

// bulkDesk is where bulks are measured.
type bulkDesk struct {
	options
	dir  string
	what string // Redis's version
}

// server starts a Redis that is reached by TCP, as those of production are.
func (d *bulkDesk) server(sync string) (*testRedis, string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0") // finds a free port
	if err != nil {
		return nil, "", err
	}
	addr := listener.Addr().(*net.TCPAddr)
	if err := listener.Close(); err != nil {
		return nil, "", err
	}
	args := []string{"--bind", "127.0.0.1", "--port", strconv.Itoa(addr.Port), "--maxmemory-policy", "noeviction"}
	if sync == shipped {
		args = append(args, "--appendonly", "yes", "--appendfsync", "always", "--auto-aof-rewrite-percentage", "0")
	}
	if d.redis == redisEmbedded {
		return nil, "", errors.New("bulk measures a real Redis: use --redis server")
	}
	r, err := startRedis(redisServer, args...)
	if err != nil {
		return nil, "", err
	}
	d.what = r.what
	return r, "redis://" + addr.String() + "/0", nil
}

func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	return (values[len(values)/2] + values[(len(values)-1)/2]) / 2
}

// shipped is how Redis writes its log with deploy/redis.conf; the targets are about that.
const shipped = "always"

func bulkTargets(rows []bulkRow) []target {
	var targets []target
	for _, t := range []struct {
		about string
		least float64
		of    func(what string) bool
	}{
		{"bulk: orders per second to tasks per second of the bare client", 0.9, func(what string) bool { return what == bulkWay }},
		{"one by one: orders per second to tasks per second of the bare client", 0.6, func(what string) bool { return strings.HasPrefix(what, oneByOneWay) }},
	} {
		var worst *bulkRow
		for i, r := range rows {
			if t.of(r.What) && r.Sync == shipped && r.Ratio > 0 && (worst == nil || r.Ratio < worst.Ratio) {
				worst = &rows[i]
			}
		}
		if worst != nil {
			targets = append(targets, atLeast(t.about+" ("+worst.What+")", worst.Ratio, t.least))
		}
	}
	for _, r := range rows {
		if r.PeakMiB > 0 {
			targets = append(targets, atMost(fmt.Sprintf("peak memory at %d rows, MiB", r.Rows), r.PeakMiB, 64))
		}
	}
	return targets
}

func atLeast(what string, got, least float64) target {
	return target{What: what, Got: got, Least: least, Met: got >= least}
}

func bulkTable(rows []bulkRow) *table.Table {
	t := &table.Table{Right: []int{2, 3, 4, 5, 6, 7}}
	t.Row("what", "appendfsync", "rows", "per second", "ratio", "worst round", "CPU a row", "peak memory")
	for _, r := range rows {
		ratio, worst, peak, cpu := "", "", "", ""
		if r.CPU > 0 {
			cpu = fmt.Sprintf("%.1f µs", r.CPU)
		}
		if len(r.Ratios) > 0 {
			ratio, worst = fmt.Sprintf("%.2f", r.Ratio), fmt.Sprintf("%.2f", r.Ratios[0])
		}
		if r.PeakMiB > 0 {
			peak = fmt.Sprintf("%.1f MiB", r.PeakMiB)
		}
		t.Row(r.What, r.Sync, fmt.Sprint(r.Rows), fmt.Sprintf("%.0f", r.PerSecond), ratio, worst, cpu, peak)
	}
	return t
}
