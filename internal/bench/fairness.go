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
			var r fairness.Result
			if err := askFairness(fairness.Question{Quick: o.quick}, &r); err != nil {
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

func askFairness(q fairness.Question, answer any) error {
	child, err := lab.StartChild(fairness.Name)
	if err != nil {
		return err
	}
	defer child.Close()
	return child.Ask(q, answer)
}

func accountsBench() bench {
	return bench{
		name:  "accounts",
		about: "Calls per second of 1 to 1,000 accounts over the sum of their allowances, and what an order costs then; needs redis-server",
		run: func(_ context.Context, o options) (*report, error) {
			began := time.Now()
			var rows []fairness.SumRow
			if err := askFairness(fairness.Question{Quick: o.quick, Sum: true}, &rows); err != nil {
				return nil, err
			}
			t := &table.Table{Right: []int{0, 1, 2, 3, 4, 5}}
			t.Row("accounts", "orders", "calls over allowances", "commands an order", "idle, a second", "real time, s")
			least := rows[0].Share
			for _, r := range rows {
				least = min(least, r.Share)
				t.Row(fmt.Sprint(r.Accounts), fmt.Sprint(r.Orders), fmt.Sprintf("%.3f", r.Share), fmt.Sprintf("%.1f", r.Commands), fmt.Sprintf("%.1f", r.PerSecond), fmt.Sprintf("%.1f", r.Real))
			}
			return &report{Machine: thisMachine("redis-server"), Rows: rows, Seconds: seconds(time.Since(began)), table: t, Targets: []target{
				atLeast("calls per second over the sum of allowances, least", least, 0.95),
				atMost("commands an order, most accounts over one", rows[len(rows)-1].Commands/rows[0].Commands, 1.1),
			}, notes: []string{fmt.Sprintf("%d calls per second each, in virtual time: the machine is no limit. Commands are the worker's, a script as one.", fairness.PerSecond)}}, nil
		},
	}
}
