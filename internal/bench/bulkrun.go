package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"time"
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
