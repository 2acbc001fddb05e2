package main

import (
	"context"
	"fmt"
	"os/exec"
	"time"

	"issuance/internal/bench/faults"
	"issuance/internal/bench/lab"
	"issuance/internal/cli/table"
)

func faultsBench() bench {
	return bench{
		name:  faults.Name,
		about: "How long it takes from a fault to the true status, at the simulators, in virtual time",
		run: func(_ context.Context, o options) (*report, error) {
			began := time.Now()
			child, err := lab.StartChild(faults.Name)
			if err != nil {
				return nil, err
			}
			defer child.Close()
			var rows []faults.Row
			if err := child.Ask(faults.Question{Quick: o.quick}, &rows); err != nil {
				return nil, err
			}
			redis := "miniredis"
			if _, err := exec.LookPath("redis-server"); err == nil {
				redis = "redis-server"
			}
			r := faultsReport(rows)
			r.Machine, r.Seconds = thisMachine(redis), seconds(time.Since(began))
			return r, nil
		},
	}
}

func faultsReport(rows []faults.Row) *report {
	r := &report{Rows: rows, table: faultsTable(rows), Targets: []target{atMost("faults that end wrongly or late", float64(missed(rows)), 0)}}
	for _, row := range rows {
		for _, wrong := range row.Wrong {
			r.notes = append(r.notes, fmt.Sprintf("%s, %s: %s", row.Provider, row.Fault, wrong))
		}
	}
	return r
}

func missed(rows []faults.Row) (n int) {
	for _, r := range rows {
		if !r.Met() {
			n++
		}
	}
	return n
}

func faultsTable(rows []faults.Row) *table.Table {
	t := &table.Table{Right: []int{3, 5, 7}}
	t.Row("fault", "at", "true status", "came", "after", "needed", "for", "target")
	for _, r := range rows {
		t.Row(r.Fault, r.Provider, r.End, short(r.Took), r.From, short(r.Least), r.Why, short(r.Most))
	}
	return t
}
