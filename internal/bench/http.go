package main

import (
	"context"
	"encoding/json"
	"fmt"

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

// httpDesk is where the front door is measured.
type httpDesk struct {
	options
	*producers
	plan    httpPlan
	command string // enqueue
	redis   *lab.Redis
}

func benchHTTP(ctx context.Context, o options, plan httpPlan) (*report, error) {
	return built(ctx, o, "enqueue", func(command string, r *report) error {
		rdb, err := shippedRedis(ctx)
		if err != nil {
			return err
		}
		defer rdb.Close()
		p, err := newProducers(ctx, rdb.URL())
		if err != nil {
			return err
		}
		defer p.close()
		r.Machine = thisMachine("redis-server " + rdb.Version(ctx))
		d := httpDesk{options: o, producers: p, plan: plan, command: command, redis: rdb}
		if err := d.compare(ctx, r); err != nil {
			return err
		}
		o.progress(fmt.Sprintf("%d requests that wait", plan.waiting))
		if err := d.waiting(ctx, r); err != nil {
			return err
		}
		r.notes = append(r.notes, fmt.Sprintf("%d connections; callers, front door, bare handler and Redis (appendfsync always) are processes of one machine.", plan.connections))
		return nil
	})
}

// compare puts orders into the front door and the bare handler, in turns.
func (d httpDesk) compare(ctx context.Context, r *report) error {
	product, err := door.Open(ctx, d.command, d.redis.URL(), "")
	if err != nil {
		return err
	}
	defer product.Close()
	bare, err := door.OpenBare(d.redis.Addr, d.payload)
	if err != nil {
		return err
	}
	defer bare.Close()
	var got [2][]door.Speed
	for round := range d.plan.rounds + 1 {
		d.progress(fmt.Sprintf("round %d of %d", round, d.plan.rounds))
		for i := range 2 {
			which := (i + round) % 2
			at, token := bare.URL, ""
			if which == 1 {
				at, token = product.URL(), product.Token
			}
			s, err := d.load(d.plan).Put(ctx, at, token)
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

// waiting has many requests wait at a fresh front door.
func (d httpDesk) waiting(ctx context.Context, r *report) error {
	product, err := door.Open(ctx, d.command, d.redis.URL(), "")
	if err != nil {
		return err
	}
	defer product.Close()
	if _, err := d.product.Enqueue(ctx, document("HWAIT"), tasks.InLane(tasks.Bulk)); err != nil {
		return err
	}
	n := d.plan.waiting
	w, err := product.Wait(ctx, d.redis.RDB, "HWAIT", n)
	if err != nil {
		return err
	}
	r.Targets = append(r.Targets, atMost(fmt.Sprintf("MiB of %d requests that wait", n), w.MiB, 200*float64(n)/10_000),
		atMost("Redis commands a second of a request that waits", w.Commands, 0.001))
	r.notes = append(r.notes, "", fmt.Sprintf("Memory is that of the front door's process beyond what it had before; its peak, while they came %d at a time, was %.0f MiB.", door.Arriving, w.Peak))
	return nil
}
