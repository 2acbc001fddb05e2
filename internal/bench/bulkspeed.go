package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
)

// way is one way of enqueueing orders.
type way struct {
	what   string
	rows   int
	rounds int
	bare   int                         // goroutines of the bare client that it is compared with
	before func(context.Context) error // fills the queue first; nil for an empty Redis
	run    func(context.Context) error
}

const (
	bulkWay     = "enqueue bulk"
	oneByOneWay = "one by one"
)

// ways of enqueueing that are measured.
func (d *bulkDesk) ways(url string, p *producers, plan bulkPlan) ([]way, error) {
	good, bad := filepath.Join(d.dir, "good.csv"), filepath.Join(d.dir, "bad.csv")
	if err := errors.Join(writeOrders(good, plan.rows, 0), writeOrders(bad, plan.rows, 100)); err != nil {
		return nil, err
	}
	bulk := func(file string, wrong int, again bool) func(context.Context) error {
		return func(ctx context.Context) error { return runBulk(ctx, url, file, wrong, again) }
	}
	all := []way{
		{bulkWay, plan.rows, plan.rounds, many, nil, bulk(good, 0, false)},
		{bulkWay + ", 1% wrong lines", plan.rows, min(plan.rounds, 2), many, nil, bulk(bad, (plan.rows+99)/100, false)},
		{bulkWay + ", the same file again", plan.rows, min(plan.rounds, 2), many, bulk(good, 0, false), bulk(good, 0, true)},
	}
	for _, goroutines := range []int{many, 1} {
		n := max(plan.rows*goroutines/(4*many), 100)
		all = append(all, way{fmt.Sprintf("%s, %s", oneByOneWay, from(goroutines)), n, plan.rounds, goroutines, nil,
			func(ctx context.Context) error { return p.enqueueOneByOne(ctx, n, goroutines) }})
	}
	return all, nil
}

func from(goroutines int) string {
	if goroutines == 1 {
		return "1 goroutine"
	}
	return fmt.Sprintf("%d goroutines", goroutines)
}

// speed measures each way against the bare client.
func (d *bulkDesk) speed(ctx context.Context, sync string, plan bulkPlan) ([]bulkRow, error) {
	rdb, url, err := d.server(sync)
	if err != nil {
		return nil, err
	}
	defer rdb.stop()
	p, err := newProducers(ctx, url)
	if err != nil {
		return nil, err
	}
	defer p.close()
	ways, err := d.ways(url, p, plan)
	if err != nil {
		return nil, err
	}
	m := measurements{}
	for round := range plan.rounds {
		d.progress(fmt.Sprintf("%s: round %d of %d", sync, round+1, plan.rounds))
		for _, w := range ways {
			if round < w.rounds {
				if err := m.round(ctx, rdb, p, w); err != nil {
					return nil, fmt.Errorf("%s: %w", w.what, err)
				}
			}
		}
	}
	return m.rows(sync), nil
}

// measurements are the rounds of every way, in the order in which they began.
type measurements struct{ all []*measurement }

type measurement struct {
	bulkRow
	rates, cpus []float64
}

func (m *measurements) of(what string, rows int) *measurement {
	for _, one := range m.all {
		if one.What == what && one.Rows == rows {
			return one
		}
	}
	m.all = append(m.all, &measurement{bulkRow: bulkRow{What: what, Rows: rows}})
	return m.all[len(m.all)-1]
}

// round measures one way once: half of the bare client before it, half after it.
func (m *measurements) round(ctx context.Context, rdb *testRedis, p *producers, w way) error {
	half := func(ctx context.Context) error { return p.enqueueBare(ctx, w.rows/2, w.bare) }
	var took [3]spent
	for part, run := range []func(context.Context) error{half, w.run, half} {
		if err := rdb.FlushAll(ctx).Err(); err != nil {
			return err
		}
		if part == 1 && w.before != nil {
			if err := w.before(ctx); err != nil {
				return err
			}
		}
		var err error
		if took[part], err = measure(ctx, rdb, func() error { return run(ctx) }); err != nil {
			return err
		}
	}
	bare := spent{took[0].time + took[2].time, took[0].cpu + took[2].cpu}
	base, ours := bare.rate(w.rows/2*2), took[1].rate(w.rows)
	b := m.of("bare asynq client, "+from(w.bare), w.rows)
	b.rates, b.cpus = append(b.rates, base), append(b.cpus, bare.perRow(w.rows/2*2))
	o := m.of(w.what, w.rows)
	o.rates, o.cpus, o.Ratios = append(o.rates, ours), append(o.cpus, took[1].perRow(w.rows)), append(o.Ratios, ours/base)
	return nil
}

func (m *measurements) rows(sync string) []bulkRow {
	var rows []bulkRow
	for _, one := range m.all {
		r := one.bulkRow
		r.Sync, r.PerSecond, r.CPU = sync, median(one.rates), median(one.cpus)
		r.Ratio = median(r.Ratios) // sorts
		rows = append(rows, r)
	}
	return rows
}
