package main

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"issuance/internal/bench/sim"
	"issuance/internal/testredis"
)

func aRedis(t *testing.T) *testRedis {
	return &testRedis{UniversalClient: testredis.Start(t).Client()}
}

// The targets of the polling benchmark hold in small scenarios.
func TestPollingTargets(t *testing.T) {
	rdb := aRedis(t)
	var rows []pollingRow
	for i, s := range []scenario{
		{"single order", time.Minute, alone(24, time.Minute), true, 100 * time.Hour},
		{"500 at once", time.Minute, make([]time.Duration, 500), false, time.Hour},
		{"1 per second", time.Minute, steadily(1, 5*time.Minute), false, time.Hour},
	} {
		row, err := poll(rdb, s, sim.Sentinel{}, uint64(i)+1)
		if err != nil {
			t.Fatal(err)
		}
		row.MakespanRatio = row.Makespan / rowOf(s, limitName, sim.Limit(s.arrivals, pollingRate, s.job)).Makespan
		t.Logf("%+v", row)
		rows = append(rows, row)
	}
	for _, target := range pollingTargets(rows) {
		if !target.Met {
			t.Errorf("%+v", target)
		}
	}
}

// The targets of the checkout benchmark hold for a short while, and bulk is not starved.
func TestCheckoutTargets(t *testing.T) {
	s := stream{"at random, 60 a minute", atRandom(60, 5*time.Minute), true}
	row, err := checkouts(aRedis(t), s, 5*time.Minute, 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", row)
	for _, target := range checkoutTargets([]checkoutRow{row}) {
		if !target.Met {
			t.Errorf("%+v", target)
		}
	}
	if row.BulkPerMinute < 30 {
		t.Errorf("%.0f bulk orders a minute", row.BulkPerMinute)
	}
}

var someRows = []pollingRow{
	{Scenario: "a & b", Job: 60, Strategy: limitName, CallsPerOrder: 2, Makespan: 100, MakespanRatio: 1},
	{Scenario: "a & b", Job: 60, Strategy: "sentinel", CallsPerOrder: 2.5, LagMean: 3, LagP99: 5, Makespan: 120, MakespanRatio: 1.2, OverBudget: 1},
	{Scenario: "single", Job: 60, Strategy: limitName, CallsPerOrder: 2, alone: true},
	{Scenario: "single", Job: 60, Strategy: "sentinel", CallsPerOrder: 7, LagMean: 4, alone: true, Unfinished: 1},
}

// A missed target is seen in the table and in JSON.
func TestReport(t *testing.T) {
	r := &report{Name: "polling", Machine: thisMachine("redis"), Rows: someRows, Targets: pollingTargets(someRows), table: pollingTable(someRows)}
	if r.met() {
		t.Error("all targets are met")
	}
	var text, raw bytes.Buffer
	if err := errors.Join(r.print(&text, false), r.print(&raw, true)); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(text.String(), "MISSED"); n != 5 || !strings.Contains(text.String(), "2.50") || !strings.Contains(text.String(), "1.200") {
		t.Errorf("%d missed in\n%s", n, text.String())
	}
	var back struct {
		Rows    []pollingRow
		Targets []target
		Machine machine
	}
	if err := json.Unmarshal(raw.Bytes(), &back); err != nil {
		t.Fatal(err)
	}
	if len(back.Rows) != 4 || back.Rows[1].CallsPerOrder != 2.5 || len(back.Targets) != 5 || back.Targets[0].Met || back.Machine.CPUs == 0 {
		t.Errorf("%+v", back)
	}
}

// The plot is well-formed and names every strategy and scenario.
func TestPlot(t *testing.T) {
	svg := plot(someRows)
	d := xml.NewDecoder(bytes.NewReader(svg))
	for {
		if _, err := d.Token(); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{"limit", "sentinel", "a &amp; b", "single", "2.50", "1.20"} {
		if !bytes.Contains(svg, []byte(want)) {
			t.Errorf("no %q in the plot", want)
		}
	}
}

// Arrivals are what they are called.
func TestArrivals(t *testing.T) {
	random := atRandom(60, 10*time.Minute)
	if n := len(random); n < 480 || n > 600 || random[0] < time.Minute || random[n-1] >= 10*time.Minute {
		t.Errorf("%d at random, from %s to %s", n, random[0], random[n-1])
	}
	if n := len(steadily(2, time.Minute)); n != 120 {
		t.Errorf("%d in a minute", n)
	}
	singles := alone(10, time.Minute)
	for i := range singles[1:] {
		if singles[i+1]-singles[i] < 2*time.Minute {
			t.Errorf("orders %d and %d meet", i, i+1)
		}
	}
}

// Both kinds of Redis start and end; a wrong kind and a wrong command say so.
func TestCommandLine(t *testing.T) {
	for _, kind := range []string{redisAuto, redisEmbedded} {
		r, err := startRedis(kind)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Ping(context.Background()).Err(); err != nil || r.what == "" {
			t.Error(kind, r.what, err)
		}
		r.stop()
	}
	for _, args := range [][]string{{"polling", "--redis", "mine"}, {"nothing"}, {"polling", "more"}} {
		if err := run(context.Background(), args, io.Discard, io.Discard); err == nil {
			t.Errorf("%v is no error", args)
		}
	}
}
