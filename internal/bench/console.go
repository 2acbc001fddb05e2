package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"issuance/internal/bench/pages"
	"issuance/internal/cli/table"
)

// What a page of the console may take: server time, and commands of Redis, those inside of scripts included.
const (
	pageMost     = 200 // ms
	commandsMost = 12_000
)

func consoleBench() bench {
	c := pages.Config{}
	return bench{
		name:  "console",
		about: "Every page of the console with a million orders, and what ten open consoles cost Redis",
		flags: func(cmd *cobra.Command) {
			f := cmd.Flags()
			f.IntVar(&c.Sizes.Open, "open", 100_000, "orders that are not finished")
			f.IntVar(&c.Sizes.Ended, "ended", 1_000_000, "orders that have ended; a million need 2 GB")
			f.IntVar(&c.Sizes.Reviews, "reviews", 2_000, "orders that need review")
			f.IntVar(&c.Rounds, "rounds", 200, "answers of each page")
			f.DurationVar(&c.Watch, "watch", 30*time.Second, "how long open consoles, and an idle worker, are watched")
		},
		run: func(ctx context.Context, o options) (*report, error) {
			c := c
			c.Progress = o.progress
			if o.quick {
				c.Sizes = pages.Sizes{Open: min(c.Sizes.Open, 5_000), Ended: min(c.Sizes.Ended, 20_000), Reviews: min(c.Sizes.Reviews, 200)}
				c.Rounds, c.Watch = min(c.Rounds, 10), min(c.Watch, 12*time.Second)
			}
			return benchConsole(ctx, o, c)
		},
	}
}

func benchConsole(ctx context.Context, o options, c pages.Config) (*report, error) {
	return built(ctx, o, "worker", func(command string, r *report) error {
		c.Command = command
		res, err := pages.Measure(ctx, c)
		if err != nil {
			return err
		}
		r.Machine, r.Rows, r.Targets, r.table = thisMachine(res.Redis), res, consoleTargets(res), consoleTable(res)
		s := c.Sizes
		r.notes = []string{"", fmt.Sprintf("%d orders are not finished, %d have ended, %d need review; %d answers of each page, one after another.", s.Open, s.Ended, s.Reviews, c.Rounds)}
		return nil
	})
}

func consoleTargets(res *pages.Result) []target {
	slowest, costliest := pages.Row{}, pages.Row{}
	for _, r := range res.Pages {
		if r.P99MS > slowest.P99MS {
			slowest = r
		}
		if r.Commands > costliest.Commands {
			costliest = r
		}
	}
	return []target{
		atMost("ms of server time, p99, of the slowest page ("+slowest.Page+")", slowest.P99MS, pageMost),
		atMost("Redis commands of the costliest page ("+costliest.Page+")", float64(costliest.Commands), commandsMost),
		atMost("Redis commands a second of ten consoles, to an idle worker's", res.Live.Viewers/res.Live.Worker, 1),
	}
}

func consoleTable(res *pages.Result) *table.Table {
	t := &table.Table{Right: []int{1, 2, 3, 4, 5}}
	t.Row("page", "p50", "p99", "commands", "Redis CPU", "KiB")
	for _, r := range res.Pages {
		t.Row(r.Page, fmt.Sprintf("%.1f ms", r.P50MS), fmt.Sprintf("%.1f ms", r.P99MS), fmt.Sprint(r.Commands), fmt.Sprintf("%.1f ms", r.RedisMS), fmt.Sprint(r.KiB))
	}
	l := res.Live
	t.Row("Redis commands a second", "", "", "", "", "")
	t.Row("a front door that nobody looks at", fmt.Sprintf("%.0f", l.Door), "", "", "", "")
	t.Row("ten consoles, beside it", fmt.Sprintf("%.0f", l.Viewers), "", "", "", "")
	t.Row("an idle worker", fmt.Sprintf("%.0f", l.Worker), "", "", "", "")
	return t
}
