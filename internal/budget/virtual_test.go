package budget

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
	"go.uber.org/goleak"

	"issuance/internal/testredis"
	"issuance/providers"
	"issuance/tasks/order"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a Redis, two workers' budgets on it, and a clock that jumps to the next event
// whenever nobody has anything to do.
type world struct {
	*testing.T
	redis   *testredis.Server
	rdb     *redis.Client
	workers [2]*Budget
	ctx     context.Context
	start   time.Time

	mu    sync.Mutex
	calls []call // in the order in which they left
}

type call struct {
	at   time.Duration // since the start
	lane order.Lane
}

const (
	rate    = 4.0                       // calls per second of every test
	spacing = 252500 * time.Microsecond // T: a hundredth more than a quarter of a second
)

// account is every test's.
var account = providers.Account{Provider: providers.ECTicket, Merchant: "1"}

// virtual runs a test in virtual time, over miniredis and over a real Redis.
func virtual(t *testing.T, cfg Config, run func(w *world)) {
	testredis.Each(t, func(t *testing.T, s *testredis.Server) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			w := &world{T: t, redis: s, ctx: ctx, start: time.Now()}
			cfg.Account, cfg.PerSecond, cfg.Now = account, rate, time.Now
			for i := range w.workers {
				rdb := redis.NewClient(&redis.Options{
					Addr: s.Addr, DialerRetries: 1, MaxRetries: -1,
					MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
				})
				defer rdb.Close()
				b, err := New(rdb, cfg)
				if err != nil {
					t.Fatal(err)
				}
				w.rdb, w.workers[i] = rdb, b
			}
			run(w)
			cancel()
			synctest.Wait()
		})
	})
}

func (w *world) since() time.Duration { return time.Since(w.start) }

// pass makes one call as worker i and reports how it went.
func (w *world) pass(i int, lane order.Lane) error {
	err := w.workers[i%2].Lane(lane).Pass(w.ctx)
	if err == nil {
		w.mu.Lock()
		w.calls = append(w.calls, call{w.since(), lane})
		w.mu.Unlock()
	}
	return err
}

// load runs n callers of a lane, spread over the workers, each calling as fast as it may until
// the time is over; held ones come back when the answer says.
func (w *world) load(wg *sync.WaitGroup, n int, lane order.Lane, until time.Duration) {
	for i := range n {
		wg.Go(func() {
			for w.since() < until {
				err := w.pass(i, lane)
				var held *providers.HeldError
				switch {
				case errors.As(err, &held):
					<-time.After(held.RetryAfter)
				case err != nil:
					w.Error(err)
					return
				}
			}
		})
	}
}

// count is how many calls of the lanes left in [from, to).
func (w *world) count(from, to time.Duration, lanes ...order.Lane) (n int) {
	for _, c := range w.calls {
		for _, l := range lanes {
			if c.lane == l && c.at >= from && c.at < to {
				n++
			}
		}
	}
	return n
}

// checkWindows is the promise itself: no window, of whatever length and wherever, holds more
// than W/T + reserve calls.
func (w *world) checkWindows(reserve int) {
	w.Helper()
	for i := range w.calls {
		for j := i; j < len(w.calls); j++ {
			span := w.calls[j].at - w.calls[i].at
			if n := j - i + 1; float64(n) > float64(span)/float64(spacing)+float64(reserve)+1e-3 {
				w.Fatalf("%d calls left within %s (from %s)", n, span, w.calls[i].at)
			}
		}
	}
}

// longestGap is the longest time in [0, to) without a call of the lane.
func (w *world) longestGap(lane order.Lane, to time.Duration) (gap time.Duration) {
	var last time.Duration
	for _, c := range append(w.calls, call{to, lane}) {
		if c.lane == lane {
			gap, last = max(gap, c.at-last), c.at
		}
	}
	return gap
}
