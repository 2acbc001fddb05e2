package budget

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"issuance/internal/testredis"
	"issuance/providers"
	"issuance/tasks/order"
)

// held fails unless err reports that the account is banned for d.
func (w *world) held(err error, d time.Duration) {
	w.Helper()
	var h *providers.HeldError
	if !errors.As(err, &h) || h.RetryAfter != d || !strings.Contains(h.Reason, "banned by the provider until ") {
		w.Fatalf("%v; want a ban of %s", err, d)
	}
}

// A ban reported by one worker stops every lane of all workers, for the whole of it.
func TestBanStopsEverybody(t *testing.T) {
	virtual(t, Config{Ban: 30 * time.Minute}, func(w *world) {
		w.workers[0].Banned(w.ctx, "HTTP 403")
		for i := range 6 {
			w.held(w.pass(i, order.Lanes()[i%3]), 30*time.Minute)
		}
		<-time.After(29 * time.Minute)
		w.held(w.pass(1, order.Checkout), time.Minute)
		s, err := w.workers[1].State(w.ctx)
		if err != nil || s.PerSecond != 0 || s.Ban == nil || s.Ban.Reason != "HTTP 403" || !s.Ban.Since.Equal(w.start) || !s.Ban.Until.Equal(w.start.Add(30*time.Minute)) {
			w.Fatalf("%+v %v", s, err)
		}
		<-time.After(time.Minute)
		if err := w.pass(1, order.Checkout); err != nil {
			w.Fatal(err)
		}
	})
}

// A caller that waits for its slot when the ban comes does not call any more.
func TestBanStopsWhoWaits(t *testing.T) {
	virtual(t, Config{}, func(w *world) {
		var wg sync.WaitGroup
		errs := make([]error, 9)
		for i := range errs {
			wg.Go(func() { errs[i] = w.pass(i, order.Checkout) })
		}
		<-time.After(600 * time.Millisecond) // one left at once, two more since
		w.workers[0].Banned(w.ctx, "HTTP 403")
		wg.Wait()
		var stopped int
		for _, err := range errs {
			var h *providers.HeldError
			if errors.As(err, &h) {
				stopped++
			}
		}
		if len(w.calls) != 3 || stopped != 6 {
			w.Fatalf("%d left, %d stopped: %v", len(w.calls), stopped, errs)
		}
	})
}

// A 403 that arrives during a ban prolongs it and keeps its beginning and reason; one that
// arrives after it begins a new one.
func TestBanIsProlonged(t *testing.T) {
	virtual(t, Config{Ban: 30 * time.Minute}, func(w *world) {
		w.workers[0].Banned(w.ctx, "first")
		<-time.After(15 * time.Second)
		w.workers[1].Banned(w.ctx, "second")
		w.held(w.pass(0, order.Poll), 30*time.Minute)
		ban := func() *Ban {
			w.Helper()
			s, err := w.workers[0].State(w.ctx)
			if err != nil || s.Ban == nil {
				w.Fatal(s, err)
			}
			return s.Ban
		}
		if b := ban(); b.Reason != "first" || !b.Since.Equal(w.start) {
			w.Fatal(b)
		}
		<-time.After(30*time.Minute + time.Second)
		w.workers[1].Banned(w.ctx, "third")
		if b := ban(); b.Reason != "third" || !b.Since.Equal(time.Now()) {
			w.Fatal(b)
		}
	})
}

// After a ban the rate grows from a quarter to the whole within a minute, and even a checkout
// has no reserve meanwhile.
func TestRamp(t *testing.T) {
	virtual(t, Config{Ban: time.Minute}, func(w *world) {
		w.workers[0].Banned(w.ctx, "HTTP 403")
		<-time.After(time.Minute)
		if s, err := w.workers[0].State(w.ctx); err != nil || s.PerSecond != rate/4 || s.Ban != nil {
			w.Fatal(s, err)
		}
		for i := range 2 {
			if err := w.pass(i, order.Checkout); err != nil {
				w.Fatal(err)
			}
		}
		if w.since() != time.Minute+4*spacing {
			w.Fatalf("the second call after the ban left at %s", w.since())
		}
		var wg sync.WaitGroup
		w.load(&wg, 8, order.Checkout, 4*time.Minute)
		wg.Wait()
		// The integral of the ramp, give or take the call at either end.
		for _, c := range []struct {
			from, to time.Duration
			want     float64
		}{
			{60 * time.Second, 70 * time.Second, rate * 10 * (0.25 + 0.75/12)},
			{60 * time.Second, 120 * time.Second, rate * 60 * (0.25 + 0.75/2)},
			{120 * time.Second, 240 * time.Second, rate * 120},
		} {
			if n := float64(w.count(c.from, c.to, order.Checkout)); n < c.want*0.99-4 || n > c.want+1 {
				w.Errorf("%v calls from %s to %s, want %v", n, c.from, c.to, c.want)
			}
		}
		if s, err := w.workers[0].State(w.ctx); err != nil || s.PerSecond != rate {
			w.Fatal(s, err)
		}
		w.checkWindows(1)
		w.calls = slices.DeleteFunc(w.calls, func(c call) bool { return c.at >= 119*time.Second })
		w.checkWindows(1)
	})
}

// lift ends a ban as an operator does who knows better.
func lift(b *Budget) error { return b.rdb.Del(context.Background(), b.keys.ban).Err() }

// An operator may end a ban, by deleting its key.
func TestLift(t *testing.T) {
	virtual(t, Config{}, func(w *world) {
		w.workers[0].Banned(w.ctx, "HTTP 403")
		if err := lift(w.workers[1]); err != nil {
			w.Fatal(err)
		}
		if err := w.pass(0, order.Bulk); err != nil {
			w.Fatal(err)
		}
		if s, err := w.workers[0].State(w.ctx); err != nil || s.PerSecond != rate {
			w.Fatal(s, err)
		}
	})
}

// A ban is an alarm, once for all calls that were answered with it.
func TestABanIsAnAlarmOnce(t *testing.T) {
	testredis.Each(t, func(t *testing.T, s *testredis.Server) {
		var lines bytes.Buffer
		var workers [2]*Budget
		for i := range workers {
			b, err := New(s.Client(), Config{Account: account, PerSecond: rate, Log: slog.New(slog.NewTextHandler(&lines, nil))})
			if err != nil {
				t.Fatal(err)
			}
			workers[i] = b
		}
		for _, b := range []*Budget{workers[0], workers[1], workers[0]} {
			b.Banned(t.Context(), "HTTP 403")
		}
		if n := strings.Count(lines.String(), `level=ERROR msg="alarm: the account is banned: no worker calls it for a while"`); n != 1 || strings.Count(lines.String(), "\n") != 1 {
			t.Fatalf("one ban is %d alarms: %s", n, lines.String())
		}
	})
}

// A ban that comes while Redis is down is not forgotten: this worker makes no call until Redis
// knows of it, and then nobody does. It is reported even when the caller's context has ended.
func TestBanWhileRedisIsDown(t *testing.T) {
	testredis.Each(t, func(t *testing.T, s *testredis.Server) {
		var lines bytes.Buffer
		log := slog.New(slog.NewTextHandler(&lines, nil))
		var workers [2]*Budget
		for i := range workers {
			b, err := New(s.Client(), Config{Account: account, PerSecond: rate, Log: log})
			if err != nil {
				t.Fatal(err)
			}
			workers[i] = b
		}
		s.Kill()
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		workers[0].Banned(ended, "HTTP 403")
		if !strings.Contains(lines.String(), "the ban could not be published") {
			t.Fatal(lines.String())
		}
		s.Restart()
		for _, b := range workers {
			var h *providers.HeldError
			if err := b.Pass(context.Background()); !errors.As(err, &h) {
				t.Fatal(err)
			}
		}
		workers[0].Banned(ended, "HTTP 403")
		if n := strings.Count(lines.String(), `level=ERROR msg="alarm: banned by the provider`); n != 1 || strings.Count(lines.String(), "msg=\"alarm: ") != 1 {
			t.Fatalf("one ban was logged %d times: %s", n, lines.String())
		}
	})
}

// State counts the calls of the last minute by lane, forgets older ones, and keeps its counters
// few.
func TestState(t *testing.T) {
	virtual(t, Config{}, func(w *world) {
		for i := range 3 {
			if err := w.pass(i, order.Lanes()[i]); err != nil {
				w.Fatal(err)
			}
		}
		s, err := w.workers[0].State(w.ctx)
		if err != nil || s.Account != account || s.Limit != rate || s.PerSecond != rate || s.Ban != nil ||
			s.Used[order.Checkout] != 1 || s.Used[order.Poll] != 1 || s.Used[order.Bulk] != 1 || s.Ahead <= 0 || s.Ahead > 500*time.Millisecond {
			w.Fatalf("%+v %v", s, err)
		}
		var wg sync.WaitGroup
		w.load(&wg, 2, order.Bulk, 3*time.Minute)
		wg.Wait()
		s, err = w.workers[0].State(w.ctx)
		if err != nil || s.Used[order.Checkout] != 0 || s.Used[order.Bulk] < 54*rate || s.Used[order.Bulk] > 60*rate-1 {
			w.Fatalf("%+v %v", s, err)
		}
		if n := w.rdb.HLen(w.ctx, w.workers[0].keys.used).Val(); n > keep*int64(len(order.Lanes())) {
			w.Fatalf("%d counters are kept", n)
		}
	})
}

// Whatever arrives when, in whatever lane: no window holds more slots than promised, and no slot
// lies before its request. Straight on the script, with arbitrary times.
func TestAnyArrivals(t *testing.T) {
	s := testredis.Start(t)
	rdb := s.Client()
	ctx := context.Background()
	rapid.Check(t, func(t *rapid.T) {
		if err := rdb.FlushDB(ctx).Err(); err != nil {
			t.Fatal(err)
		}
		now := time.Unix(1_700_000_000, 0)
		b, err := New(rdb, Config{Account: account, PerSecond: rate, Now: func() time.Time { return now }})
		if err != nil {
			t.Fatal(err)
		}
		var slots []time.Time
		for range rapid.IntRange(1, 40).Draw(t, "calls") {
			now = now.Add(time.Duration(rapid.IntRange(0, 700).Draw(t, "ms")) * time.Millisecond)
			lane := rapid.SampledFrom(order.Lanes()).Draw(t, "lane")
			p, _ := b.policy(lane)
			a, err := b.ask(ctx, lane, p, time.Hour, 0, false)
			if err != nil {
				t.Fatal(err)
			}
			if a.wait < 0 {
				t.Fatalf("a slot in the past: %+v", a)
			}
			if a.verdict == leave {
				slots = append(slots, now.Add(a.wait))
			}
		}
		for _, from := range slots {
			for _, to := range slots {
				n := 0
				for _, s := range slots {
					if !s.Before(from) && !s.After(to) {
						n++
					}
				}
				if span := to.Sub(from); n > 0 && float64(n) > rate*span.Seconds()+1+1e-3 {
					t.Fatalf("%d slots within %s", n, span)
				}
			}
		}
	})
}

// A ban that is reported late, because Redis could not be reached, does not shorten one that another
// worker has met since.
func TestALateReportDoesNotShortenANewerBan(t *testing.T) {
	virtual(t, Config{Ban: 10 * time.Minute}, func(w *world) {
		var losing atomic.Bool
		w.workers[1].rdb.(hooked).AddHook(refusing{&lossy{on: &losing}})
		losing.Store(true)
		w.workers[1].Banned(w.ctx, "HTTP 403") // ends at 10 min, and nobody else knows
		<-time.After(4 * time.Minute)
		w.workers[0].Banned(w.ctx, "HTTP 403") // ends at 14 min
		losing.Store(false)
		<-time.After(time.Minute)
		w.held(w.pass(1, order.Checkout), 9*time.Minute) // published now
		for i := range w.workers {
			s, err := w.workers[i].State(w.ctx)
			if err != nil || s.Ban == nil || s.Ban.Until.Sub(w.start) != 14*time.Minute {
				w.Fatalf("%+v %v", s.Ban, err)
			}
		}
		<-time.After(9*time.Minute - time.Millisecond)
		w.held(w.pass(0, order.Checkout), time.Second)
	})
}

// What Redis knows of a ban lives until the allowance is whole again: until then the ramp depends on it.
func TestABanIsRememberedUntilTheAllowanceIsWhole(t *testing.T) {
	virtual(t, Config{Ban: time.Minute, Ramp: 10 * time.Minute}, func(w *world) {
		whole := 11 * time.Minute
		lives := func(d time.Duration) {
			w.Helper()
			if ttl := w.rdb.PTTL(w.ctx, w.workers[0].keys.ban).Val(); ttl < d-time.Second || ttl > d+2*time.Second {
				w.Errorf("the ban is kept for %s, the allowance is whole after %s", ttl, d)
			}
		}
		pass := func(d time.Duration) {
			<-time.After(d)
			w.redis.FastForward(d)
		}
		w.workers[0].Banned(w.ctx, "HTTP 403")
		lives(whole)
		if w.redis.Kind == testredis.Real {
			return // its keys expire by its own clock
		}
		pass(30 * time.Second)
		w.workers[0].Banned(w.ctx, "HTTP 403") // prolongs it
		lives(whole)
		pass(6 * time.Minute) // half of the ramp
		s, err := w.workers[1].State(w.ctx)
		if err != nil || s.PerSecond != rate*(rampFrom+(1-rampFrom)/2) {
			w.Fatalf("%+v %v", s, err)
		}
		pass(5*time.Minute - time.Second)
		if s, err = w.workers[1].State(w.ctx); err != nil || s.PerSecond >= rate {
			w.Fatalf("just before the end: %+v %v", s, err)
		}
		pass(5 * time.Second)
		if n := w.rdb.Exists(w.ctx, w.workers[0].keys.ban).Val(); n != 0 {
			w.Error("it is kept for ever")
		}
	})
}
