package budget

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/testredis"
	"issuance/providers"
	"issuance/tasks/order"
)

// Callers that waited for their slots and wake up late, all together, because their process or Redis
// stood still, do not leave together.
func TestNobodyLeavesLate(t *testing.T) {
	const stall = 2800 * time.Millisecond
	start := time.Time{}
	sleep := func(ctx context.Context, d time.Duration) error {
		if since := time.Since(start); since < stall {
			d = max(d, stall-since)
		}
		return wait(ctx, d)
	}
	virtual(t, Config{Sleep: sleep}, func(w *world) {
		start = w.start
		var wg sync.WaitGroup
		for i := range 16 {
			wg.Go(func() {
				if err := w.pass(i, order.Checkout); err != nil && !isHeld(err) {
					w.Error(err)
				}
			})
		}
		wg.Wait()
		w.checkWindows(2) // one may leave late by a spacing
		if n := w.count(0, time.Minute, order.Checkout); n < 10 {
			w.Errorf("only %d left at all", n)
		}
	})
}

// A Redis that forgets its line gives the same times to others: a caller that waits in the forgotten one
// asks anew.
func TestAForgottenLineIsNotUsed(t *testing.T) {
	virtual(t, Config{}, func(w *world) {
		var wg sync.WaitGroup
		load := func() {
			for i := range 16 {
				wg.Go(func() { _ = w.pass(i, order.Checkout) })
			}
		}
		load()
		<-time.After(300 * time.Millisecond)
		if err := w.rdb.Del(w.ctx, w.workers[0].keys.tat).Err(); err != nil {
			w.Fatal(err)
		}
		load()
		wg.Wait()
		w.checkWindows(2)
	})
}

// lossy is a Redis that does what it is asked for, and whose answers are lost while on is set.
type lossy struct {
	testredis.Hook
	on *atomic.Bool
}

func (l lossy) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if err := next(ctx, cmd); err != nil || !l.on.Load() {
			return err
		}
		cmd.SetErr(&net.OpError{Op: "read", Err: context.DeadlineExceeded})
		return cmd.Err()
	}
}

// A ban counts from the provider's answer, however late it is published, or published again.
func TestABanIsNotPublishedAnew(t *testing.T) {
	virtual(t, Config{Ban: 10 * time.Second}, func(w *world) {
		var losing atomic.Bool
		w.rdb.AddHook(lossy{on: &losing}) // the second worker's
		losing.Store(true)
		w.workers[1].Banned(w.ctx, "HTTP 403")
		losing.Store(false)
		w.workers[0].Banned(w.ctx, "HTTP 403") // another call that was answered so
		<-time.After(4 * time.Second)
		if s, err := w.workers[1].State(w.ctx); err != nil || s.Ban == nil || s.Ban.Until.Sub(w.start) != 10*time.Second {
			w.Fatalf("%+v %v", s.Ban, err)
		}
		<-time.After(6 * time.Second)
		if err := w.pass(0, order.Checkout); err != nil {
			w.Error("after the ban:", err)
		}

		losing.Store(true)
		w.workers[1].Banned(w.ctx, "HTTP 403")
		losing.Store(false)
		<-time.After(10 * time.Second)
		for i := range 2 { // and one that nobody published again, and that is over
			if err := w.pass(i, order.Checkout); err != nil {
				w.Errorf("worker %d after the second ban: %v", i, err)
			}
		}
	})
}

// A ban that could not be published is published by the next reading of the budget, not only by the
// next call.
func TestReadingTheStatePublishesABan(t *testing.T) {
	virtual(t, Config{}, func(w *world) {
		var losing atomic.Bool
		hook := &lossy{on: &losing}
		w.rdb.AddHook(refusing{hook})
		losing.Store(true)
		w.workers[1].Banned(w.ctx, "HTTP 403")
		losing.Store(false)
		if _, err := w.workers[1].State(w.ctx); err != nil {
			w.Fatal(err)
		}
		if s, err := w.workers[0].State(w.ctx); err != nil || s.Ban == nil {
			w.Errorf("%+v %v", s, err)
		}
	})
}

// refusing is a Redis that cannot be reached while on is set.
type refusing struct{ *lossy }

func (r refusing) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if r.on.Load() {
			cmd.SetErr(errors.New("connection refused"))
			return cmd.Err()
		}
		return next(ctx, cmd)
	}
}

// hooked is a client that takes hooks.
type hooked interface{ AddHook(redis.Hook) }

// lateAnswers is a Redis whose scripts' answers, but for the first skip of them, travel long, once.
type lateAnswers struct {
	testredis.Hook
	delay time.Duration
	skip  int
	done  bool
}

func (l *lateAnswers) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := next(ctx, cmd)
		if err != nil || cmd.Name() != "evalsha" && cmd.Name() != "eval" || l.done {
			return err
		}
		if l.skip--; l.skip < 0 {
			l.done = true
			<-time.After(l.delay)
		}
		return nil
	}
}

// meanwhile does something before the first command of a name.
type meanwhile struct {
	testredis.Hook
	command string
	before  func(context.Context, redis.Cmder)
	done    bool
}

func (m *meanwhile) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if cmd.Name() == m.command && !m.done {
			m.done = true
			m.before(ctx, cmd)
		}
		return next(ctx, cmd)
	}
}

func isHeld(err error) bool {
	var held *providers.HeldError
	return errors.As(err, &held)
}

// far is a Redis whose answers travel long.
type far struct {
	testredis.Hook
	rtt time.Duration
}

func (f far) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		<-time.After(f.rtt / 2)
		err := next(ctx, cmd)
		<-time.After(f.rtt / 2)
		return err
	}
}

// However far Redis is, the allowance can be used, and no more than that.
func TestAFarRedisCostsNoCalls(t *testing.T) {
	for _, rtt := range []time.Duration{20 * time.Millisecond, 240 * time.Millisecond, 450 * time.Millisecond} {
		for _, lane := range []order.Lane{order.Checkout, order.Poll} {
			virtual(t, Config{}, func(w *world) {
				for _, b := range w.workers {
					b.rdb.(hooked).AddHook(far{rtt: rtt})
				}
				var wg sync.WaitGroup
				w.load(&wg, 12, lane, 20*time.Second)
				wg.Wait()
				if n := w.count(0, 20*time.Second, lane); n < 60 || n > 20*rate+2 {
					w.Errorf("%s away, %d calls of %s left in 20 s", rtt, n, lane)
				}
			})
		}
	}
}
