package sim

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"go.uber.org/goleak"

	"issuance/internal/bench/vtime"
	"issuance/internal/queue"
	"issuance/internal/testredis"
	"issuance/tasks/order"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The limit is plain arithmetic: two calls an order, none faster than the budget, each poll after
// the job that issued the order.
func TestLimit(t *testing.T) {
	r := Limit(make([]time.Duration, 1000), 5, time.Minute)
	if r.CallsPerOrder() != 2 || r.OverBudget(5) != 0 || r.Busiest() != 5 {
		t.Errorf("%v calls an order, %d over, busiest %d", r.CallsPerOrder(), r.OverBudget(5), r.Busiest())
	}
	// 300 are sent until the first job and polled until the second; so again and again, and the
	// last 100 wait from 380 s for the job at 420 s.
	if got := r.Makespan(); got != 439800*time.Millisecond {
		t.Errorf("makespan %s", got)
	}
	one := Limit([]time.Duration{10 * time.Second}, 5, time.Minute)
	if one.Lags().Mean() != 0 || one.Totals().Mean() != 50*time.Second {
		t.Errorf("a single order: lag %s, total %s", one.Lags().Mean(), one.Totals().Mean())
	}
}

// A second with more calls than allowed is found wherever it begins; a second later is another.
func TestOverBudget(t *testing.T) {
	start := time.Unix(0, 0)
	at := func(ms ...int) *Result {
		r := &Result{}
		for _, m := range ms {
			r.Calls = append(r.Calls, start.Add(time.Duration(m)*time.Millisecond))
		}
		return r
	}
	if r := at(0, 500, 1000, 1500, 2000); r.OverBudget(2) != 0 || r.Busiest() != 2 {
		t.Errorf("even calls: %d over, busiest %d", r.OverBudget(2), r.Busiest())
	}
	if r := at(0, 700, 1400, 1600, 2300); r.OverBudget(2) != 2 || r.Busiest() != 3 {
		t.Errorf("crowded calls: %d over, busiest %d", r.OverBudget(2), r.Busiest())
	}
}

func TestDurations(t *testing.T) {
	var d Durations
	if d.Mean() != 0 || d.Quantile(0.99) != 0 {
		t.Error("none has a mean")
	}
	for i := range 200 {
		d = append(d, time.Duration(i+1))
	}
	if d.Quantile(0.5) != 100 || d.Quantile(0.99) != 198 || d.Quantile(1) != 200 || d.Quantile(0) != 1 || d.Mean() != 100 {
		t.Error(d.Quantile(0.5), d.Quantile(0.99), d.Quantile(1), d.Quantile(0), d.Mean())
	}
}

func TestBackoff(t *testing.T) {
	b := Backoff{5 * time.Second, time.Minute}
	var got []time.Duration
	for n := range 6 {
		got = append(got, b.wait(n)/time.Second)
	}
	if !slices.Equal(got, []time.Duration{5, 10, 20, 40, 60, 60}) || b.Name() != "backoff 5-60 s" {
		t.Error(got, b.Name())
	}
	fixed := Backoff{30 * time.Second, 30 * time.Second}
	if fixed.wait(0) != fixed.First || fixed.wait(9) != fixed.First || fixed.Name() != "fixed 30 s" {
		t.Error(fixed.wait(0), fixed.Name())
	}
}

// The queue keeps what asynq keeps: never more tasks at once than workers, one task per order,
// delays in whole seconds, and a wake that starts a waiting task at once.
func TestQueue(t *testing.T) {
	clock := vtime.New(time.Unix(1_700_000_000, 0))
	start := clock.Now()
	starts := map[string][]time.Duration{}
	busy, most := 0, 0
	s := &server{clock: clock, rand: rand.New(rand.NewPCG(1, 1)), workers: 2, failed: func(err error) { t.Error(err) }}
	s.handle = func(_ context.Context, task *asynq.Task) error {
		r, _, err := queue.Decode(task.Payload())
		if err != nil {
			return err
		}
		busy++
		most = max(most, busy)
		starts[r.OrderID] = append(starts[r.OrderID], clock.Now().Sub(start))
		clock.Sleep(300 * time.Millisecond)
		busy--
		if len(starts[r.OrderID]) == 1 {
			return queue.Wait(10*time.Second, "again")
		}
		return nil
	}
	s.start()
	q := &pollQueue{server: s, followed: map[string]bool{}}
	ref := func(id string) order.Ref { return order.Ref{Account: account, OrderID: id} }
	clock.Go(func() {
		for _, id := range []string{"A", "B", "C", "A"} {
			if err := q.Schedule(context.Background(), ref(id), 2*time.Second); err != nil {
				t.Error(err)
			}
		}
		clock.Sleep(6 * time.Second)
		if err := q.RunNow(context.Background(), ref("C")); err != nil {
			t.Error(err)
		}
	})
	clock.Run(time.Minute)
	if most != 2 {
		t.Errorf("%d tasks at once", most)
	}
	for id, between := range map[string][2]time.Duration{"A": {11 * time.Second, 14 * time.Second}, "B": {11 * time.Second, 14 * time.Second}, "C": {6 * time.Second, 7 * time.Second}} {
		at := starts[id]
		if len(at) != 2 || at[0] < time.Second || at[0] > 4*time.Second || at[1] < between[0] || at[1] > between[1] {
			t.Errorf("%s ran after %v", id, at)
		}
	}
}

// Every strategy takes every order to its end, with one issue call each.
func TestStrategies(t *testing.T) {
	s := testredis.Start(t)
	for _, strategy := range []Strategy{Sentinel{}, Backoff{30 * time.Second, 30 * time.Second}, Backoff{5 * time.Second, time.Minute}} {
		w, err := New(Config{Redis: s.Client(), Rate: 5, JobEvery: time.Minute, Strategy: strategy, Seed: 3})
		if err != nil {
			t.Fatal(err)
		}
		w.Arrive(order.Bulk, make([]time.Duration, 50))
		w.Arrive(order.Checkout, []time.Duration{0, time.Second})
		r, err := w.Run(time.Hour)
		if err != nil || r.Unfinished != 0 || len(r.Orders) != 52 {
			t.Fatalf("%s: %v, %d of %d unfinished", strategy.Name(), err, r.Unfinished, len(r.Orders))
		}
		for _, o := range r.Orders {
			if o.State != order.Issued || o.IssueCalls != 1 || len(o.Polls) == 0 || o.Recorded.Before(o.Issued) || o.Called.Before(o.Enqueued) {
				t.Errorf("%s: %+v", strategy.Name(), o)
			}
		}
	}
}
