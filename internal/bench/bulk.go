package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
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
		about: "From a CSV file into the queue: enqueue bulk against a bare asynq client, and its memory",
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
	for _, sync := range []string{"no log", "always"} {
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
	if sync == "always" {
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

// speed measures bulks against the bare client.
func (d *bulkDesk) speed(ctx context.Context, sync string, plan bulkPlan) ([]bulkRow, error) {
	rdb, url, err := d.server(sync)
	if err != nil {
		return nil, err
	}
	defer rdb.stop()
	bare, err := newBareClient(url)
	if err != nil {
		return nil, err
	}
	defer bare.close()
	good, bad := filepath.Join(d.dir, "good.csv"), filepath.Join(d.dir, "bad.csv")
	if err := errors.Join(writeOrders(good, plan.rows, 0), writeOrders(bad, plan.rows, 100)); err != nil {
		return nil, err
	}
	ways := []struct {
		what, file string
		full       bool // the queue holds everything already
		wrong      int
	}{{"enqueue bulk", good, false, 0}, {"enqueue bulk, 1% wrong lines", bad, false, (plan.rows + 99) / 100}, {"enqueue bulk, the same file again", good, true, 0}}
	rows := make([]bulkRow, 1+len(ways))
	rates, cpus := make([][]float64, len(rows)), make([][]float64, len(rows))
	rows[0] = bulkRow{What: "bare asynq client, 16 goroutines", Sync: sync, Rows: plan.rows}
	for round := range plan.rounds {
		d.progress(fmt.Sprintf("%s: round %d of %d", sync, round+1, plan.rounds))
		for i, way := range ways {
			if round > 0 && i > 0 && sync == "always" || round > 1 && i > 0 {
				continue // one or two rounds tell enough of these
			}
			var took [3]spent
			for part := range took {
				if !(way.full && part == 1) {
					if err := rdb.FlushAll(ctx).Err(); err != nil {
						return nil, err
					}
				}
				work := func() error { return bare.enqueue(ctx, plan.rows/2) }
				if part == 1 {
					work = func() error { return runBulk(ctx, url, way.file, way.wrong, way.full) }
					if way.full {
						if err := runBulk(ctx, url, way.file, way.wrong, false); err != nil {
							return nil, err
						}
					}
				}
				if took[part], err = measure(ctx, rdb, work); err != nil {
					return nil, err
				}
			}
			bareTook := spent{took[0].time + took[2].time, took[0].cpu + took[2].cpu}
			base, ours := bareTook.rate(plan.rows/2*2), took[1].rate(plan.rows)
			rates[0], cpus[0] = append(rates[0], base), append(cpus[0], bareTook.perRow(plan.rows/2*2))
			rates[i+1], cpus[i+1] = append(rates[i+1], ours), append(cpus[i+1], took[1].perRow(plan.rows))
			rows[i+1].What, rows[i+1].Sync, rows[i+1].Rows = way.what, sync, plan.rows
			rows[i+1].Ratios = append(rows[i+1].Ratios, ours/base)
		}
	}
	for i := range rows {
		rows[i].PerSecond, rows[i].CPU = median(rates[i]), median(cpus[i])
		rows[i].Ratio = median(rows[i].Ratios) // sorts
	}
	return rows, nil
}

func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	return (values[len(values)/2] + values[(len(values)-1)/2]) / 2
}

func bulkTargets(rows []bulkRow) []target {
	var targets []target
	worst := slices.MinFunc(slices.DeleteFunc(slices.Clone(rows), func(r bulkRow) bool { return r.What != "enqueue bulk" || r.Ratio == 0 }),
		func(a, b bulkRow) int { return cmp.Compare(a.Ratio, b.Ratio) })
	targets = append(targets, atLeast("lines per second to tasks per second of the bare client ("+worst.Sync+")", worst.Ratio, 0.9))
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
