package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"issuance/internal/cli"
	"issuance/internal/redisconn"
	"issuance/internal/seal"
	"issuance/providers"
	"issuance/tasks"
)

// writeOrders writes a file of electronic orders. Of every so many lines, one is wrong; 0: none.
func writeOrders(name string, rows, wrongEvery int) error {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(f)
	fmt.Fprintln(w, "MerchantTradeNo,IssueType,IsImmediate,Operator,CustomerName,CustomerPhone,CustomerEmail,ItemNo1,TicketAmount1,ItemNo2,TicketAmount2")
	for i := range rows {
		phone := "0912345678"
		if wrongEvery > 0 && i%wrongEvery == 0 {
			phone = phone[1:] // as spreadsheets like to write it
		}
		fmt.Fprintf(w, "BENCH%010d,3,1,Angela,王珊珊,%s,customer%d@example.com,VQT04959,2,VNS21400,1\n", i, phone, i)
	}
	return errors.Join(w.Flush(), f.Close())
}

// bareClient is what the bulk is compared with: asynq's client, nothing around it.
type bareClient struct {
	rdb     redis.UniversalClient
	queue   *asynq.Client
	payload []byte // as long as those of the file
	n       atomic.Int64
}

func newBareClient(url string) (*bareClient, error) {
	o, err := redisconn.Parse(redisconn.Source{URL: url})
	if err != nil {
		return nil, err
	}
	rdb := o.New()
	b := &bareClient{rdb: rdb, queue: asynq.NewClientFromRedisClient(rdb)}
	if b.payload, err = b.typical(); err != nil {
		b.close()
	}
	return b, err
}

func (b *bareClient) close() { _ = b.rdb.Close() }

// typical enqueues one order of the file and takes its payload.
func (b *bareClient) typical() ([]byte, error) {
	c, err := tasks.NewClient(b.rdb, tasks.Options{SealKeys: seal.SandboxKey()})
	if err != nil {
		return nil, err
	}
	_, err = c.Enqueue(context.Background(), []byte(`{"provider":"ecticket","request":{"MerchantTradeNo":"BENCH0000000000","IssueType":"3","IsImmediate":"1","Operator":"Angela",
"CustomerName":"王珊珊","CustomerPhone":"0912345678","CustomerEmail":"customer10000@example.com","TicketInfo":[{"ItemNo":"VQT04959","TicketAmount":2},{"ItemNo":"VNS21400","TicketAmount":1}]}}`), tasks.InLane(tasks.Bulk))
	if err != nil {
		return nil, err
	}
	info, err := asynq.NewInspectorFromRedisClient(b.rdb).GetTaskInfo("ecticket-bulk", "issue:ecticket:BENCH0000000000")
	if err != nil {
		return nil, err
	}
	return info.Payload, nil
}

// bareGoroutines is with how many the bare client was the fastest.
const bareGoroutines = 16

// enqueue enqueues n tasks as fast as it can.
func (b *bareClient) enqueue(ctx context.Context, n int) error {
	var g errgroup.Group
	first := b.n.Add(int64(n)) - int64(n)
	var next atomic.Int64
	for range bareGoroutines {
		g.Go(func() error {
			for i := next.Add(1); i <= int64(n); i = next.Add(1) {
				id := "issue:ecticket:BARE" + strconv.FormatInt(1e10+first+i, 10)
				_, err := b.queue.EnqueueContext(ctx, asynq.NewTask(tasks.IssueType(providers.ECTicket), b.payload), asynq.Queue("bare"),
					asynq.TaskID(id), asynq.MaxRetry(tasks.MaxRetry), asynq.Timeout(tasks.DefaultTimeout), asynq.Retention(tasks.DefaultRetention))
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// spent is what something took: time by the clock, and processor time of this process and Redis.
type spent struct{ time, cpu time.Duration }

func (s spent) rate(rows int) float64   { return float64(rows) / s.time.Seconds() }
func (s spent) perRow(rows int) float64 { return float64(s.cpu.Nanoseconds()) / 1000 / float64(rows) }

func measure(ctx context.Context, rdb *testRedis, work func() error) (s spent, err error) {
	runtime.GC() // nobody cleans up behind the one before
	before, err := processorTime(ctx, rdb)
	if err != nil {
		return s, err
	}
	began := time.Now()
	if err := work(); err != nil {
		return s, err
	}
	s.time = time.Since(began)
	after, err := processorTime(ctx, rdb)
	s.cpu = after - before
	return s, err
}

func processorTime(ctx context.Context, rdb *testRedis) (time.Duration, error) {
	var own syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &own); err != nil {
		return 0, err
	}
	info, err := rdb.InfoMap(ctx, "cpu").Result()
	if err != nil {
		return 0, err
	}
	sum := time.Duration(own.Utime.Nano() + own.Stime.Nano())
	for _, name := range []string{"used_cpu_sys", "used_cpu_user"} {
		seconds, err := strconv.ParseFloat(info["CPU"][name], 64)
		if err != nil {
			return 0, err
		}
		sum += time.Duration(seconds * float64(time.Second))
	}
	return sum, nil
}

// runBulk is "enqueue bulk FILE" in this process, from the command line to its last word.
func runBulk(ctx context.Context, url, file string, wrong int, again bool) error {
	var out, errs bytes.Buffer
	code := cli.Run(ctx, []string{"bulk", file, "--json"}, bulkEnvironment(url), cli.Streams{Out: &out, Err: &errs})
	var got struct{ Lines, Enqueued, Duplicates, Rejected int }
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		return fmt.Errorf("enqueue bulk ended with %d: %s", code, errs.String())
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
	return map[string]string{"REDIS_URL": url, "ISSUANCE_SEAL_KEYS": seal.SandboxKey()}
}

// memory runs the command itself, as a process of its own, over a short and a long file.
func (d *bulkDesk) memory(ctx context.Context, plan bulkPlan) ([]bulkRow, error) {
	command := filepath.Join(d.dir, "enqueue")
	if text, err := exec.CommandContext(ctx, "go", "build", "-o", command, "issuance/cmd/enqueue").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("go build issuance/cmd/enqueue: %w\n%s", err, text)
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

// peakMemory runs a command that ends with 2 and tells its peak resident memory in MiB, 0 where
// the system does not tell it.
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
			peak = max(peak, highWater(cmd.Process.Pid))
		case err := <-ended:
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.ExitCode() != cli.Wrong {
				return 0, fmt.Errorf("%s %s: %w\n%s", filepath.Base(name), strings.Join(args, " "), err, errs.String())
			}
			return peak, nil
		}
	}
}

// highWater is the peak resident memory of a process so far, which Linux tells.
func highWater(pid int) float64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, _ := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 64)
			return kib / 1024
		}
	}
	return 0
}
