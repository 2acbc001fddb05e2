package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"issuance/internal/bench/door"
	"issuance/internal/bench/lab"
	"issuance/internal/cli/table"
	"issuance/tasks"
)

// httpPlan is how much is measured of the front door.
type httpPlan struct{ requests, rounds, connections, waiting int }

// httpRow is what one of the two servers did in the median round.
type httpRow struct {
	What      string  `json:"what"`
	PerSecond float64 `json:"per_second"`
	P99MS     float64 `json:"p99_ms"`
}

func httpBench() bench {
	plan := httpPlan{requests: 6000, rounds: 5, connections: 64, waiting: 10_000}
	return bench{
		name:  "http",
		about: "The front door: enqueueing over HTTP against a bare handler, and requests that wait",
		flags: func(cmd *cobra.Command) {
			cmd.Flags().IntVar(&plan.requests, "requests", plan.requests, "requests in a round")
			cmd.Flags().IntVar(&plan.waiting, "waiting", plan.waiting, "requests that wait at the same time")
		},
		run: func(ctx context.Context, o options) (*report, error) {
			p := plan
			if o.quick {
				p.requests, p.rounds, p.waiting = min(p.requests, 1000), 3, min(p.waiting, 1000)
			}
			return benchHTTP(ctx, o, p)
		},
	}
}

func benchHTTP(ctx context.Context, o options, plan httpPlan) (*report, error) {
	began := time.Now()
	command, remove, err := builtEnqueue(ctx)
	if err != nil {
		return nil, err
	}
	defer remove()
	desk := bulkDesk{options: o, dir: filepath.Dir(command)}
	rdb, url, err := desk.server(shipped)
	if err != nil {
		return nil, err
	}
	defer rdb.stop()
	p, err := newProducers(ctx, url)
	if err != nil {
		return nil, err
	}
	defer p.close()
	r := &report{Machine: thisMachine(rdb.what)}
	if err := compareHTTP(ctx, r, p, command, url, plan, o.progress); err != nil {
		return nil, err
	}
	o.progress(fmt.Sprintf("%d requests that wait", plan.waiting))
	if err := waitHTTP(ctx, r, rdb, p, command, url, plan.waiting); err != nil {
		return nil, err
	}
	r.Seconds = seconds(time.Since(began))
	r.notes = append(r.notes, fmt.Sprintf("%d connections; callers, front door, bare handler and Redis (appendfsync always) are processes of one machine.", plan.connections))
	return r, nil
}

// builtEnqueue is the product's command, built into a folder of its own.
func builtEnqueue(ctx context.Context) (command string, remove func(), err error) {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return "", nil, err
	}
	remove = func() { _ = os.RemoveAll(dir) }
	if command, err = lab.Build(ctx, dir, "enqueue"); err != nil {
		remove()
	}
	return command, remove, err
}

// compareHTTP puts orders into the front door and the bare handler, in turns.
func compareHTTP(ctx context.Context, r *report, p *producers, command, url string, plan httpPlan, progress func(string)) error {
	product, err := door.Open(ctx, command, url, "")
	if err != nil {
		return err
	}
	defer product.Close()
	bare, err := door.OpenBare(strings.TrimSuffix(strings.TrimPrefix(url, "redis://"), "/0"), p.payload)
	if err != nil {
		return err
	}
	defer bare.Close()
	var got [2][]door.Speed
	for round := range plan.rounds + 1 {
		progress(fmt.Sprintf("round %d of %d", round, plan.rounds))
		for i := range 2 {
			which := (i + round) % 2
			at, token := bare.URL, ""
			if which == 1 {
				at, token = product.URL(), product.Token
			}
			s, err := p.load(plan).Put(ctx, at, token)
			if err != nil {
				return err
			}
			if round > 0 { // the first warms up
				got[which] = append(got[which], s)
			}
		}
	}
	rows := []httpRow{httpRowOf("bare handler", got[0]), httpRowOf("front door", got[1])}
	var rates, tails []float64
	for i := range got[0] {
		rates = append(rates, got[1][i].PerSecond/got[0][i].PerSecond)
		tails = append(tails, got[1][i].P99.Seconds()/got[0][i].P99.Seconds())
	}
	r.table = &table.Table{Right: []int{1, 2}}
	r.table.Row("", "requests/s", "p99 ms")
	for _, row := range rows {
		r.table.Row(row.What, fmt.Sprintf("%.0f", row.PerSecond), fmt.Sprintf("%.1f", row.P99MS))
	}
	r.Rows = rows
	r.Targets = append(r.Targets, atLeast("requests per second, ratio", lab.Median(rates), 0.5), atMost("p99, ratio", lab.Median(tails), 2))
	return nil
}

// load is of orders whose numbers were not used before.
func (p *producers) load(plan httpPlan) door.Load {
	first := p.n.Add(int64(plan.requests)) - int64(plan.requests)
	return door.Load{Requests: plan.requests, Connections: plan.connections, Order: func(n int) (string, []byte) {
		number := fmt.Sprintf("H%d", 10_000_000_000+first+int64(n))
		var d struct{ Request json.RawMessage }
		_ = json.Unmarshal(document(number), &d) // it is ours
		return number, d.Request
	}}
}

func httpRowOf(what string, list []door.Speed) httpRow {
	var rates, tails []float64
	for _, s := range list {
		rates, tails = append(rates, s.PerSecond), append(tails, float64(s.P99.Microseconds())/1000)
	}
	return httpRow{What: what, PerSecond: lab.Median(rates), P99MS: lab.Median(tails)}
}

// waitHTTP has many requests wait at a fresh front door.
func waitHTTP(ctx context.Context, r *report, rdb *testRedis, p *producers, command, url string, n int) error {
	d, err := door.Open(ctx, command, url, "")
	if err != nil {
		return err
	}
	defer d.Close()
	if _, err := p.product.Enqueue(ctx, document("HWAIT"), tasks.InLane(tasks.Bulk)); err != nil {
		return err
	}
	w, err := d.Wait(ctx, rdb, "HWAIT", n)
	if err != nil {
		return err
	}
	r.Targets = append(r.Targets, atMost(fmt.Sprintf("MiB of %d requests that wait", n), w.MiB, 200*float64(n)/10_000),
		atMost("Redis commands a second of a request that waits", w.Commands, 0.001))
	r.notes = append(r.notes, "", fmt.Sprintf("Memory is that of the front door's process beyond what it had before; its peak, while they came %d at a time, was %.0f MiB.", door.Arriving, w.Peak))
	return nil
}
