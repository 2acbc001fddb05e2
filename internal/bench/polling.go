package main

import (
	"context"
	"fmt"
	"math"
	"os"
	"time"

	"github.com/spf13/cobra"

	"issuance/internal/bench/sim"
	"issuance/internal/cli/table"
	"issuance/tasks"
)

// pollingRate is the calls per second of the account.
const pollingRate = 5

// scenario is a load that every strategy has to bear.
type scenario struct {
	name     string
	job      time.Duration
	arrivals []time.Duration
	alone    bool // no order meets another: the lag of a single one
	limit    time.Duration
}

// scenarios of the polling benchmark.
func scenarios(quick bool) []scenario {
	singles, crowd, long := 120, 1000, time.Hour
	if quick {
		singles, crowd, long = 24, 500, 10*time.Minute
	}
	var all []scenario
	for _, job := range []time.Duration{time.Minute, 5 * time.Minute} {
		all = append(all,
			scenario{"single order", job, alone(singles, job), true, 10000 * time.Hour},
			scenario{fmt.Sprintf("%d at once", crowd), job, make([]time.Duration, crowd), false, 6 * time.Hour},
			scenario{"1 per second", job, steadily(1, long), false, 6 * time.Hour},
			scenario{"2 per second", job, steadily(2, long), false, 6 * time.Hour})
	}
	return all
}

// alone lets n orders arrive, each long after the one before, at phases of the job that are spread
// evenly and in step with nobody's interval.
func alone(n int, job time.Duration) []time.Duration {
	const goldenRatio = 0.6180339887498949
	after := make([]time.Duration, n)
	for i := range after {
		_, phase := math.Modf(float64(i) * goldenRatio)
		after[i] = time.Duration(i)*3*job + time.Duration(phase*float64(job))
	}
	return after
}

func steadily(perSecond int, long time.Duration) (after []time.Duration) {
	for d := time.Duration(0); d < long; d += time.Second / time.Duration(perSecond) {
		after = append(after, d)
	}
	return after
}

func strategies() []sim.Strategy {
	return []sim.Strategy{
		sim.Sentinel{},
		sim.Backoff{First: 30 * time.Second, Max: 30 * time.Second},
		sim.Backoff{First: 5 * time.Second, Max: time.Minute},
	}
}

// pollingRow is what one strategy made of one scenario. Durations are in seconds.
type pollingRow struct {
	Scenario      string  `json:"scenario"`
	Job           float64 `json:"job"`
	Strategy      string  `json:"strategy"`
	Orders        int     `json:"orders"`
	Calls         int     `json:"calls"`
	CallsPerOrder float64 `json:"calls_per_order"`
	LagMean       float64 `json:"lag_mean"` // from issued at the provider to recorded
	LagP99        float64 `json:"lag_p99"`
	TotalMean     float64 `json:"total_mean"` // from enqueued to recorded
	Makespan      float64 `json:"makespan"`   // from the first enqueued to the last recorded
	MakespanRatio float64 `json:"makespan_ratio"`
	Busiest       int     `json:"busiest_second"`
	OverBudget    int     `json:"seconds_over_budget"`
	Unfinished    int     `json:"unfinished"`

	alone bool
}

const limitName = "limit"

func rowOf(s scenario, strategy string, r *sim.Result) pollingRow {
	return pollingRow{
		Scenario: s.name, Job: seconds(s.job), Strategy: strategy, alone: s.alone,
		Orders: len(r.Orders), Calls: len(r.Calls), CallsPerOrder: r.CallsPerOrder(),
		LagMean: seconds(r.Lags().Mean()), LagP99: seconds(r.Lags().Quantile(0.99)),
		TotalMean: seconds(r.Totals().Mean()), Makespan: seconds(r.Makespan()),
		Busiest: r.Busiest(), OverBudget: r.OverBudget(pollingRate), Unfinished: r.Unfinished,
	}
}

// poll lets one strategy bear one scenario.
func poll(rdb *testRedis, s scenario, strategy sim.Strategy, seed uint64) (pollingRow, error) {
	w, err := sim.New(sim.Config{Redis: rdb, Rate: pollingRate, JobEvery: s.job, Strategy: strategy, Seed: seed})
	if err != nil {
		return pollingRow{}, err
	}
	w.Arrive(tasks.Bulk, s.arrivals)
	r, err := w.Run(s.limit)
	if err != nil {
		return pollingRow{}, fmt.Errorf("%s, job every %s, %s: %w", s.name, s.job, strategy.Name(), err)
	}
	return rowOf(s, strategy.Name(), r), nil
}

func pollingBench() bench {
	var svg string
	return bench{
		name:  "polling",
		about: "Calls per order and lag of our poller, fixed interval, backoff and the arithmetic limit",
		flags: func(cmd *cobra.Command) {
			cmd.Flags().StringVar(&svg, "svg", "", "also draw calls and lag into this file")
		},
		run: func(ctx context.Context, o options) (*report, error) {
			began := time.Now()
			all := scenarios(o.quick)
			perScenario := len(strategies()) + 1
			rows := make([]pollingRow, len(all)*perScenario)
			var work []job
			for i, s := range all {
				rows[i*perScenario] = rowOf(s, limitName, sim.Limit(s.arrivals, pollingRate, s.job))
				for j, strategy := range strategies() {
					work = append(work, func(rdb *testRedis) (err error) {
						rows[i*perScenario+1+j], err = poll(rdb, s, strategy, uint64(i)+1)
						return err
					})
				}
			}
			what, err := inParallel(ctx, o, work)
			if err != nil {
				return nil, err
			}
			for i := range rows {
				if limit := rows[i/perScenario*perScenario]; limit.Makespan > 0 {
					rows[i].MakespanRatio = rows[i].Makespan / limit.Makespan
				}
			}
			if svg != "" {
				if err := os.WriteFile(svg, plot(rows), 0o644); err != nil {
					return nil, err
				}
			}
			return &report{Machine: thisMachine(what), Rows: rows, Targets: pollingTargets(rows),
				Seconds: seconds(time.Since(began)), table: pollingTable(rows)}, nil
		},
	}
}

func pollingTargets(rows []pollingRow) []target {
	var calls, lag, makespan float64
	over, unfinished := 0, 0
	for _, r := range rows {
		if r.Strategy != (sim.Sentinel{}).Name() {
			continue
		}
		over, unfinished = over+r.OverBudget, unfinished+r.Unfinished
		if r.alone {
			lag = max(lag, r.LagMean)
			continue
		}
		calls, makespan = max(calls, r.CallsPerOrder), max(makespan, r.MakespanRatio)
	}
	return []target{
		atMost("sentinel: calls per order under load, worst scenario", calls, 2.2),
		atMost("sentinel: mean lag of a single order, s, worst scenario", lag, 3),
		atMost("sentinel: makespan under load, ratio to the limit's, worst scenario", makespan, 1.05),
		atMost("sentinel: seconds over budget", float64(over), 0),
		atMost("sentinel: orders not finished", float64(unfinished), 0),
	}
}

func pollingTable(rows []pollingRow) *table.Table {
	t := &table.Table{Right: []int{3, 4, 5, 6, 7, 8, 9}}
	t.Row("scenario", "job", "strategy", "calls/order", "lag mean", "lag p99", "total mean", "makespan", "to limit", "over budget")
	for _, r := range rows {
		makespan, ratio := short(r.Makespan), fmt.Sprintf("%.3f", r.MakespanRatio)
		if r.Unfinished > 0 {
			makespan, ratio = fmt.Sprintf("%d left", r.Unfinished), ""
		}
		if r.alone {
			makespan, ratio = "", ""
		}
		t.Row(r.Scenario, fmt.Sprintf("%.0f s", r.Job), r.Strategy, fmt.Sprintf("%.2f", r.CallsPerOrder), short(r.LagMean), short(r.LagP99),
			short(r.TotalMean), makespan, ratio, fmt.Sprint(r.OverBudget))
	}
	return t
}
