package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"issuance/internal/bench/door"
	"issuance/internal/bench/lab"
	"issuance/internal/cli/table"
)

// hooksPlan is how much is measured of webhooks.
type hooksPlan struct {
	steady    int     // final statuses that come steadily
	perSecond float64 // of them
	replay    int     // events that came while the front door was away
}

// hooksRows is what was measured.
type hooksRows struct {
	Steady []steadyRow `json:"steady"`
	Replay []door.Mark `json:"replay"`
}

// steadyRow is how soon an endpoint got the events of a steady load.
type steadyRow struct {
	Beside    string  `json:"beside"` // which other endpoints there were
	PerSecond float64 `json:"per_second"`
	P50MS     float64 `json:"p50_ms"`
	P99MS     float64 `json:"p99_ms"`
}

func webhooksBench() bench {
	plan := hooksPlan{steady: 3000, perSecond: 50, replay: 1_000_000}
	return bench{
		name:  "webhooks",
		about: "From a final status to its delivery, and a million events replayed, in a process of its own",
		flags: func(cmd *cobra.Command) {
			cmd.Flags().IntVar(&plan.replay, "replay", plan.replay, "events that came while the front door was away")
			cmd.Flags().Float64Var(&plan.perSecond, "rate", plan.perSecond, "final statuses a second of the steady load")
		},
		run: func(ctx context.Context, o options) (*report, error) {
			p := plan
			if o.quick {
				p.steady, p.replay = min(p.steady, 500), min(p.replay, 20_000)
			}
			return benchWebhooks(ctx, o, p)
		},
	}
}

func benchWebhooks(ctx context.Context, o options, plan hooksPlan) (*report, error) {
	return built(ctx, o, "enqueue", func(command string, r *report) (err error) {
		rows := hooksRows{}
		for _, beside := range []bool{false, true} {
			o.progress("a steady load")
			row, redis, err := steadyHooks(ctx, command, plan, beside)
			if err != nil {
				return err
			}
			r.Machine = thisMachine(redis)
			rows.Steady = append(rows.Steady, row)
			r.Targets = append(r.Targets, atMost("seconds from a final status to its delivery, p99, beside "+row.Beside, row.P99MS/1000, 1))
		}
		rows.Replay, err = replayHooks(ctx, command, plan.replay, r, o.progress)
		r.Rows, r.table = rows, hooksTable(rows)
		return err
	})
}

// steadyHooks measures a steady load, over a Redis that writes its log as it is shipped.
func steadyHooks(ctx context.Context, command string, plan hooksPlan, beside bool) (row steadyRow, redis string, err error) {
	rdb, err := shippedRedis(ctx)
	if err != nil {
		return row, "", err
	}
	defer rdb.Close()
	h, err := door.OpenHooks(ctx, command, rdb, plan.steady, beside)
	if err != nil {
		return row, "", err
	}
	defer h.Close()
	took, err := h.End(ctx, plan.steady, plan.perSecond)
	if err != nil {
		return row, "", fmt.Errorf("%w\n%s", err, h.Output())
	}
	row = steadyRow{Beside: "no other endpoint", PerSecond: plan.perSecond, P50MS: ms(door.Median(took)), P99MS: ms(door.P99(took))}
	if beside {
		row.Beside = "a slow and a dead endpoint"
	}
	return row, "redis-server " + rdb.Version(ctx), nil
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// replayHooks has events come while the front door is away, and then delivered.
func replayHooks(ctx context.Context, command string, events int, r *report, progress func(string)) ([]door.Mark, error) {
	rdb, err := lab.StartRedis(ctx, lab.InMemory...)
	if err != nil {
		return nil, err
	}
	defer rdb.Close()
	h, err := door.OpenHooks(ctx, command, rdb, events/2, true)
	if err != nil {
		return nil, err
	}
	defer h.Close()
	h.Stop()
	progress("writing events")
	if err := h.Fill(ctx, events/2); err != nil {
		return nil, err
	}
	marks, err := h.Replay(ctx, events/2*2, func(m door.Mark) {
		progress(fmt.Sprintf("%.0f%% at %.0f events/s, %.0f MiB", 100*m.Share, m.PerSecond, m.MiB))
	})
	if err != nil {
		return nil, fmt.Errorf("%w\n%s", err, h.Output())
	}
	_, again, wrong := h.Good.Got()
	r.Targets = append(r.Targets, replayTargets(marks)...)
	r.Targets = append(r.Targets, atMost("events that came behind a later one of their order", float64(wrong), 0))
	r.notes = append(r.notes, "", fmt.Sprintf("%d of %d events came twice.", again, events/2*2))
	return marks, nil
}

// replayTargets are about the first tenth: what follows has to be as fast, and takes no more memory.
func replayTargets(marks []door.Mark) []target {
	if len(marks) < 3 {
		return nil
	}
	early, late := marks[1], marks[len(marks)-1]
	slowest := late.PerSecond
	for _, m := range marks[2:] {
		slowest = min(slowest, m.PerSecond)
	}
	return []target{atLeast("pace of a replay after its first tenth, the slowest part to the first", slowest/early.PerSecond, 0.8),
		atMost("peak memory at the end of a replay to that at a tenth", late.PeakMiB/early.PeakMiB, 1.25)}
}

func hooksTable(rows hooksRows) *table.Table {
	t := &table.Table{Right: []int{1, 2, 3, 4, 5}}
	t.Row("final status to delivery, beside", "per second", "p50", "p99", "", "")
	for _, r := range rows.Steady {
		t.Row(r.Beside, fmt.Sprintf("%.0f", r.PerSecond), fmt.Sprintf("%.0f ms", r.P50MS), fmt.Sprintf("%.0f ms", r.P99MS), "", "")
	}
	t.Row("replay, up to", "per second", "events", "MiB", "peak MiB", "Redis MiB")
	for _, m := range rows.Replay {
		t.Row(fmt.Sprintf("%.0f%%", 100*m.Share), fmt.Sprintf("%.0f", m.PerSecond), fmt.Sprint(m.Events), fmt.Sprintf("%.0f", m.MiB), fmt.Sprintf("%.0f", m.PeakMiB), fmt.Sprintf("%.0f", m.RedisMiB))
	}
	return t
}
