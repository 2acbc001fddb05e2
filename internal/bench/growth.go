package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"issuance/internal/bench/growth"
	"issuance/internal/cli/table"
)

func growthBench() bench {
	c := growth.Config{}
	return bench{
		name:  "growth",
		about: "What an order costs with up to a million others pending, in time and in bytes of Redis",
		flags: func(cmd *cobra.Command) {
			f := cmd.Flags()
			f.IntSliceVar(&c.Sizes, "pending", []int{10_000, 100_000, 1_000_000}, "pending orders, half queued and half accepted; a million need 3 GB")
			f.IntVar(&c.Rounds, "rounds", 15, "rounds, interleaved")
			f.IntVar(&c.Orders, "orders", 300, "orders an operation is done to in a round")
			f.IntVar(&c.BytesOf, "bytes-of", 20_000, "orders the bytes are measured over")
		},
		run: func(ctx context.Context, o options) (*report, error) {
			began := time.Now()
			c.Progress = o.progress
			if o.quick {
				c.Sizes, c.Rounds, c.BytesOf = []int{10_000, 50_000}, 3, 2_000
			}
			rows, redis, err := growth.Measure(ctx, c)
			if err != nil {
				return nil, err
			}
			bytes, err := growth.MeasureBytes(ctx, c.BytesOf, o.progress)
			if err != nil {
				return nil, err
			}
			o.progress("")
			var small bytesTable
			if _, err := bytesOf(bytes).WriteTo(&small); err != nil {
				return nil, err
			}
			return &report{Machine: thisMachine(redis), Rows: growthRows{rows, bytes}, Targets: append(growthTargets(rows), bytesTargets(bytes)...), Seconds: seconds(time.Since(began)),
				table: growthTable(rows), notes: append([]string{""}, small...)}, nil
		},
	}
}

// growthRows are all that was measured.
type growthRows struct {
	Costs []growth.Row   `json:"costs"`
	Bytes []growth.Bytes `json:"bytes"`
}

// bytesTable is a table as the lines of a note.
type bytesTable []string

// Write implements io.Writer.
func (b *bytesTable) Write(text []byte) (int, error) {
	*b = append(*b, strings.TrimRight(string(text), "\n"))
	return len(text), nil
}

func bytesOf(rows []growth.Bytes) *table.Table {
	t := &table.Table{Right: []int{1, 2, 3, 4, 5}}
	t.Row("Redis bytes of an order", "product", "bare tasks", "ratio", "listpack 2048", "of product")
	for _, r := range rows {
		bare, ratio := "-", "-"
		if r.Bare > 0 {
			bare, ratio = fmt.Sprintf("%.0f", r.Bare), fmt.Sprintf("%.2f", r.Ratio)
		}
		t.Row(r.State, fmt.Sprintf("%.0f", r.Bytes), bare, ratio, fmt.Sprintf("%.0f", r.Small), fmt.Sprintf("%.2f", r.Share))
	}
	return t
}

// growthMost is how much more an order may cost with many others pending.
const growthMost = 1.1

func growthTargets(rows []growth.Row) []target {
	worst := map[string]float64{}
	var names []string
	for _, r := range rows {
		if !r.Target {
			continue
		}
		if _, known := worst[r.What]; !known {
			names = append(names, r.What)
		}
		worst[r.What] = max(worst[r.What], r.Ratio)
	}
	var all []target
	for _, name := range names {
		all = append(all, atMost("cost an order, "+name, worst[name], growthMost))
	}
	return all
}

// Most bytes of Redis that an order may take, with the settings of deploy/redis.conf: as many in its queue as
// its task took when that held the document, and what is kept of a settled one.
const (
	queuedMost = 1052
	bareMost   = 600
)

func bytesTargets(rows []growth.Bytes) []target {
	var all []target
	for _, r := range rows {
		switch r.State {
		case growth.Queued:
			all = append(all, atMost("bytes, "+r.State+", listpack 2048", r.Small, queuedMost))
		case growth.BareRecord:
			all = append(all, atMost("bytes, "+r.State+", listpack 2048", r.Small, bareMost))
		}
	}
	return all
}

func growthTable(rows []growth.Row) *table.Table {
	t := &table.Table{Right: []int{1, 2, 3, 4, 5}}
	t.Row("what", "pending", "us/order", "ratio", "Redis CPU us", "ratio")
	for _, r := range rows {
		t.Row(r.What, fmt.Sprint(r.Pending), fmt.Sprintf("%.0f", r.Micros), fmt.Sprintf("%.2f", r.Ratio),
			fmt.Sprintf("%.1f", r.RedisMicros), fmt.Sprintf("%.2f", r.RedisRatio))
	}
	return t
}
