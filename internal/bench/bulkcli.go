package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"issuance/internal/bench/lab"
	"issuance/internal/cli"
	"issuance/internal/seal"
)

// runBulk is "enqueue bulk FILE" in this process, from the command line to its last word.
func runBulk(ctx context.Context, url, file string, wrong int, again bool) error {
	var out, errs bytes.Buffer
	code := cli.Run(ctx, []string{"bulk", file, "--json"}, bulkEnvironment(url), cli.Streams{Out: &out, Err: &errs})
	var got struct{ Lines, Enqueued, Duplicates, Rejected int }
	for lines := json.NewDecoder(bytes.NewReader(out.Bytes())); got.Lines == 0; { // wrong lines come before the summary
		if err := lines.Decode(&got); err != nil {
			return fmt.Errorf("enqueue bulk ended with %d: %s", code, errs.String())
		}
	}
	fresh := got.Enqueued
	if again {
		fresh = got.Duplicates
	}
	if got.Rejected != wrong || fresh != got.Lines-wrong || code == cli.CouldNot {
		return fmt.Errorf("enqueue bulk ended with %d: %s%s", code, out.String(), errs.String())
	}
	return nil
}

func bulkEnvironment(url string) map[string]string {
	return map[string]string{"REDIS_URL": url, "ISSUANCE_SEAL_KEYS": seal.SandboxKey(), "ECTICKET_MERCHANT_ID": account.Merchant}
}

// memory runs the command itself, as a process of its own, over a short and a long file.
func (d *bulkDesk) memory(ctx context.Context, plan bulkPlan) ([]bulkRow, error) {
	command, err := lab.Build(ctx, d.dir, "enqueue")
	if err != nil {
		return nil, err
	}
	rdb, url, err := d.server("no log")
	if err != nil {
		return nil, err
	}
	defer rdb.stop()
	var out []bulkRow
	for _, rows := range plan.memory {
		d.progress(fmt.Sprintf("memory at %d rows", rows))
		file := filepath.Join(d.dir, "memory.csv")
		if err := writeOrders(file, rows, 100); err != nil {
			return nil, err
		}
		if err := rdb.FlushAll(ctx).Err(); err != nil {
			return nil, err
		}
		began := time.Now()
		peak, err := peakMemory(ctx, command, []string{"bulk", file, "--rejects", filepath.Join(d.dir, "rejects.csv")}, bulkEnvironment(url))
		if err != nil {
			return nil, err
		}
		out = append(out, bulkRow{What: "enqueue bulk, its own process", Sync: "no log", Rows: rows,
			PerSecond: float64(rows) / time.Since(began).Seconds(), PeakMiB: peak})
	}
	return out, nil
}

// peakMemory runs a command that ends with 2 and returns its peak resident memory in MiB, 0 where
// the system does not report it.
func peakMemory(ctx context.Context, name string, args []string, env map[string]string) (float64, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	for k, v := range env {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	var errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = io.Discard, &errs
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	peak := 0.0
	for {
		select {
		case <-look.C:
			_, high := lab.Memory(cmd.Process.Pid)
			peak = max(peak, high)
		case err := <-ended:
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.ExitCode() != cli.Wrong {
				return 0, fmt.Errorf("%s %s: %w\n%s", filepath.Base(name), strings.Join(args, " "), err, errs.String())
			}
			return peak, nil
		}
	}
}
