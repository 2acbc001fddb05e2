package main

import (
	"context"
	"fmt"
	"time"

	"issuance/internal/bench/fairness"
	"issuance/internal/bench/lab"
	"issuance/internal/cli/table"
)

func fairnessBench() bench {
	return bench{
		name:  fairness.Name,
		about: "What 200 accounts notice of one with a backlog, one that is banned and one whose provider hangs; needs redis-server",
		run: func(_ context.Context, o options) (*report, error) {
			began := time.Now()
			child, err := lab.StartChild(fairness.Name)
			if err != nil {
				return nil, err
			}
			defer child.Close()
			var r fairness.Result
			if err := child.Ask(fairness.Question{Quick: o.quick}, &r); err != nil {
				return nil, err
			}
			return &report{Machine: thisMachine("redis-server"), Rows: r, Seconds: seconds(time.Since(began)), table: fairnessTable(r),
				Targets: []target{
					atMost("time to the last bulk order over alone, worst account", r.Ratio, 1.1),
					atMost("wait of checkouts, p99, s", r.CheckoutP99, 1),
					atMost("requests of the banned account", float64(r.Banned), 0),
					atLeast("calls of the backlog over its allowance", r.BacklogRate/fairness.PerSecond, 0.95),
				},
				notes: []string{fmt.Sprintf("%d accounts at %d calls per second: one with %d bulk orders, one banned, one whose provider hangs; virtual time.", r.Accounts, fairness.PerSecond, r.Backlog)}}, nil
		},
	}
}

func fairnessTable(r fairness.Result) *table.Table {
	t := &table.Table{Right: []int{1}}
	t.Row("time to the last of 20 bulk orders", "s")
	t.Row("median account", fmt.Sprintf("%.2f", r.Median))
	t.Row("the account that loses most", fmt.Sprintf("%.2f", r.Worst))
	t.Row("the same account alone", fmt.Sprintf("%.2f", r.Alone))
	t.Row(fmt.Sprintf("wait of %d checkouts, p50", r.Checkouts), fmt.Sprintf("%.2f", r.CheckoutP50))
	t.Row("p99", fmt.Sprintf("%.2f", r.CheckoutP99))
	t.Row("longest", fmt.Sprintf("%.2f", r.CheckoutMax))
	return t
}
