package budget

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/keys"
	"issuance/internal/testredis"
	"issuance/providers"
	"issuance/tasks/order"
)

// Two workers with many callers in every lane never exceed the allowance together, in any
// window, and leave none of it unused.
func TestExactness(t *testing.T) {
	virtual(t, Config{}, func(w *world) {
		const long = 2 * time.Minute
		var wg sync.WaitGroup
		w.load(&wg, 6, order.Checkout, long)
		w.load(&wg, 6, order.Poll, long)
		w.load(&wg, 6, order.Bulk, long)
		wg.Wait()
		w.checkWindows(1)
		if n := w.count(0, long, order.Lanes()...); float64(n) < float64(long)/float64(spacing)-1 {
			w.Fatalf("only %d calls in %s", n, long)
		}
	})
}

// Time that was not used is not made up for: calls of no lane are closer together than the allowance says.
func TestUnusedTimeIsNotMadeUpFor(t *testing.T) {
	for _, lane := range order.Lanes() {
		t.Run(string(lane), func(t *testing.T) {
			virtual(t, Config{}, func(w *world) {
				for i := range 4 {
					if err := w.pass(i, lane); err != nil {
						w.Fatal(err)
					}
					if got, at := w.since(), time.Duration(i)*spacing; got != at {
						w.Fatalf("call %d left after %s, not %s", i, got, at)
					}
				}
			})
		})
	}
}

// With bulk using up the allowance a checkout gets the next call; behind polls it waits at most half
// a spacing longer.
func TestCheckoutGoesFirst(t *testing.T) {
	for lane, most := range map[order.Lane]time.Duration{order.Bulk: spacing, order.Poll: spacing * 3 / 2} {
		t.Run(string(lane), func(t *testing.T) {
			virtual(t, Config{}, func(w *world) {
				const long = time.Minute
				var wg sync.WaitGroup
				w.load(&wg, 10, lane, long)
				for i := range 15 { // at odd moments
					<-time.After(3*time.Second + 37*time.Millisecond)
					asked := w.since()
					if err := w.pass(i, order.Checkout); err != nil {
						w.Fatal(err)
					}
					if d := w.since() - asked; d > most {
						w.Errorf("a checkout waited %s behind %s", d, lane)
					}
				}
				wg.Wait()
				w.checkWindows(1)
			})
		})
	}
}

// With all lanes wanting more than there is, polls go before bulk, and neither ever starves.
func TestNobodyStarves(t *testing.T) {
	const long = 90 * time.Second
	gap := func(w *world, lane order.Lane, patience int) {
		w.Helper()
		// Out of patience it takes a slot up to MaxWait + 3·T ahead; before that, its callers
		// may have been sent away for up to 1.5 times what they had to wait.
		most := time.Duration(patience)*spacing*5/2 + defaultMaxWait + 3*spacing
		if g := w.longestGap(lane, long); g > most {
			w.Errorf("%s waited %s, more than %s", lane, g, most)
		}
	}
	t.Run("under checkouts", func(t *testing.T) {
		virtual(t, Config{}, func(w *world) {
			var wg sync.WaitGroup
			w.load(&wg, 40, order.Checkout, long)
			w.load(&wg, 4, order.Poll, long)
			w.load(&wg, 4, order.Bulk, long)
			wg.Wait()
			w.checkWindows(1)
			c, p, b := w.count(0, long, order.Checkout), w.count(0, long, order.Poll), w.count(0, long, order.Bulk)
			if c < 5*p || p < b || b == 0 {
				w.Errorf("checkout %d, poll %d, bulk %d", c, p, b)
			}
			gap(w, order.Poll, 8)
			gap(w, order.Bulk, 20)
		})
	})
	t.Run("under polls", func(t *testing.T) {
		virtual(t, Config{}, func(w *world) {
			var wg sync.WaitGroup
			w.load(&wg, 10, order.Poll, long)
			w.load(&wg, 10, order.Bulk, long)
			wg.Wait()
			w.checkWindows(1)
			p, b := w.count(0, long, order.Poll), w.count(0, long, order.Bulk)
			if p < 15*b || b == 0 {
				w.Errorf("poll %d, bulk %d", p, b)
			}
			gap(w, order.Bulk, 20)
		})
	})
}

// Checkouts that wait are served in the order in which they came.
func TestCheckoutsInOrder(t *testing.T) {
	virtual(t, Config{}, func(w *world) {
		var wg sync.WaitGroup
		var mu sync.Mutex
		var served []int
		for i := range 10 {
			wg.Go(func() {
				if err := w.pass(i, order.Checkout); err != nil {
					w.Error(err)
				}
				mu.Lock()
				served = append(served, i)
				mu.Unlock()
			})
			<-time.After(time.Millisecond)
		}
		wg.Wait()
		if fmt.Sprint(served) != "[0 1 2 3 4 5 6 7 8 9]" {
			w.Fatal(served)
		}
	})
}

// When no slot is within MaxWait, a caller is sent away with a time to come back, and takes
// nothing from the others.
func TestHeldWhenUsedUp(t *testing.T) {
	virtual(t, Config{MaxWait: time.Second}, func(w *world) {
		var held, passed int
		var mu sync.Mutex
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				err := w.pass(i, order.Checkout)
				var h *providers.HeldError
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil:
					passed++
				case errors.As(err, &h) && h.RetryAfter >= time.Second && strings.Contains(h.Reason, "call budget"):
					held++
				default:
					w.Error(err)
				}
			})
		}
		wg.Wait()
		// One at once, three more within the second (a fifth would be one too many), all others at once back.
		if passed != 4 || held != 16 || w.since() != 3*spacing {
			w.Fatalf("%d passed, %d held, after %s", passed, held, w.since())
		}
		if err := w.pass(0, order.Bulk); err != nil || w.since() != 4*spacing {
			w.Fatalf("the held callers took slots: %v after %s", err, w.since())
		}
	})
}

// A caller whose context would end before its slot comes takes none and learns it at once; one
// that is cancelled while it waits stops waiting.
func TestContext(t *testing.T) {
	virtual(t, Config{}, func(w *world) {
		for i := range 4 {
			if err := w.pass(i, order.Bulk); err != nil {
				w.Fatal(err)
			}
		}
		var held *providers.HeldError
		short, cancel := context.WithTimeout(w.ctx, 100*time.Millisecond)
		defer cancel()
		before := w.since()
		if err := w.workers[0].Lane(order.Bulk).Pass(short); !errors.As(err, &held) || w.since() != before {
			w.Fatalf("%v after %s", err, w.since()-before)
		}
		gone, stop := context.WithCancel(w.ctx)
		time.AfterFunc(10*time.Millisecond, stop)
		if err := w.workers[0].Lane(order.Bulk).Pass(gone); !errors.Is(err, context.Canceled) || w.since() != before+10*time.Millisecond {
			w.Fatalf("%v after %s", err, w.since()-before)
		}
		if err := w.pass(0, order.Bulk); err != nil || w.since() != before+spacing {
			w.Fatalf("a slot was lost: %v after %s", err, w.since()-before)
		}
	})
}

// The lane of the context wins over the gate's; a call without any lane is bulk.
func TestLaneOfContext(t *testing.T) {
	virtual(t, Config{}, func(w *world) {
		b := w.workers[0]
		must := func(err error) {
			w.Helper()
			if err != nil {
				w.Fatal(err)
			}
		}
		must(b.Lane(order.Bulk).Pass(WithLane(w.ctx, order.Checkout)))
		must(b.Pass(WithLane(w.ctx, order.Poll)))
		must(b.Pass(w.ctx))
		s, err := b.State(w.ctx)
		must(err)
		if s.Used[order.Checkout] != 1 || s.Used[order.Poll] != 1 || s.Used[order.Bulk] != 1 {
			w.Fatal(s.Used)
		}
		if err := b.Pass(WithLane(w.ctx, "vip")); err == nil {
			w.Fatal("an unknown lane passed")
		}
	})
}

// When Redis is gone no call leaves, and the error is not a HeldError: nobody knows.
func TestRedisDown(t *testing.T) {
	testredis.Each(t, func(t *testing.T, s *testredis.Server) {
		ctx := context.Background()
		b, err := New(s.Client(), Config{Account: account, PerSecond: rate})
		if err != nil {
			t.Fatal(err)
		}
		s.Kill()
		for _, l := range order.Lanes() {
			var held *providers.HeldError
			if err := b.Lane(l).Pass(ctx); err == nil || errors.As(err, &held) {
				t.Fatalf("%s: %v", l, err)
			}
		}
		if _, err := b.State(ctx); err == nil {
			t.Fatal("a state out of nothing")
		}
		s.Restart()
		if err := b.Lane(order.Checkout).Pass(ctx); err != nil {
			t.Fatal(err)
		}
	})
}

// A clock that is set back by an hour stops nobody for an hour.
func TestClockSetBack(t *testing.T) {
	testredis.Each(t, func(t *testing.T, s *testredis.Server) {
		now := time.Now()
		b, err := New(s.Client(), Config{Account: account, PerSecond: rate, Now: func() time.Time { return now }})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		for range 2 {
			if err := b.Lane(order.Checkout).Pass(ctx); err != nil {
				t.Fatal(err)
			}
			now = now.Add(-time.Hour)
		}
	})
}

// Redis' own clock is the default: the second call waits for its slot in real time.
func TestRedisClock(t *testing.T) {
	testredis.Each(t, func(t *testing.T, s *testredis.Server) {
		b, err := New(s.Client(), Config{Account: account, PerSecond: 50})
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		for range 4 {
			if err := b.Lane(order.Bulk).Pass(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
		if d := time.Since(start); d < 60*time.Millisecond {
			t.Fatalf("four calls at 50 a second took %s", d)
		}
	})
}

// On a Redis Cluster all keys of an account lie in one slot, so that every script runs there.
func TestCluster(t *testing.T) {
	ctx := context.Background()
	c := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{testredis.Mini(t).Addr}})
	defer c.Close()
	b, err := New(c, Config{Account: account, PerSecond: rate})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Lane(order.Checkout).Pass(ctx); err != nil {
		t.Fatal(err)
	}
	b.Banned(ctx, "HTTP 403")
	s, err := b.State(ctx)
	if err != nil || s.Used[order.Checkout] != 1 || s.Ban == nil {
		t.Fatalf("%+v %v", s, err)
	}
	for _, k := range b.keys.all() {
		if !strings.HasPrefix(k, keys.Budget(account.String())) {
			t.Errorf("%s lies in another slot", k)
		}
	}
}

// Mistakes in the configuration are reported when the budget is made.
func TestNew(t *testing.T) {
	for _, c := range []Config{
		{PerSecond: 1}, {Account: account}, {Account: account, PerSecond: -1},
		{Account: providers.Account{Provider: providers.Pass2U}, PerSecond: 1}, // a document may leave it open, a worker may not
		{Account: account, PerSecond: 1, Allowance: "a}b"},
	} {
		if _, err := New(nil, c); err == nil {
			t.Errorf("%+v was accepted", c)
		}
	}
}
