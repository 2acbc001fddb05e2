package pollers_test

import (
	"context"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"issuance/internal/bench/sim"
	"issuance/internal/testredis"
	"issuance/tasks/order"
)

// rate is the calls per second of the simulated account, load how many orders come.
const (
	rate = 5
	load = 600
)

// simulate lets an order a second arrive for ten minutes and the provider's job run every minute,
// unless changed, and the poller follow them for two hours.
func simulate(t *testing.T, change func(cfg *sim.Config, w func() *sim.World)) *sim.Result {
	t.Helper()
	s := testredis.Start(t)
	cfg := sim.Config{Redis: s.Client(), Rate: rate, JobEvery: time.Minute, Strategy: sim.Sentinel{}, Seed: 1}
	var w *sim.World
	if change != nil {
		change(&cfg, func() *sim.World { return w })
	}
	w, err := sim.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	after := make([]time.Duration, load)
	for i := range after {
		after[i] = time.Duration(i) * time.Second
	}
	w.Arrive(order.Bulk, after)
	r, err := w.Run(2 * time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if over := r.OverBudget(rate); over > 0 {
		t.Errorf("%d times over the budget", over)
	}
	t.Logf("%.3f calls an order, lag %s on average, p99 %s, at most %s; %d not finished", r.CallsPerOrder(), r.Lags().Mean(), r.Lags().Quantile(0.99),
		r.Lags().Quantile(1), r.Unfinished)
	return r
}

// bounds fails when an order costs more or is noticed later than promised.
func bounds(t *testing.T, r *sim.Result, calls float64, mean, most time.Duration, unfinished int) {
	t.Helper()
	if got := r.CallsPerOrder(); got > calls {
		t.Errorf("%.3f calls an order, more than %.2f", got, calls)
	}
	if got := r.Lags().Mean(); got > mean {
		t.Errorf("noticed after %s on average, more than %s", got, mean)
	}
	if got := r.Lags().Quantile(1); got > most {
		t.Errorf("an order was noticed after %s, more than %s", got, most)
	}
	if r.Unfinished != unfinished {
		t.Errorf("%d orders are not finished, want %d", r.Unfinished, unfinished)
	}
}

// Under load an order costs its issue call and one poll, and a little for the sentinel.
func TestUnderLoad(t *testing.T) {
	bounds(t, simulate(t, nil), 2.2, 12*time.Second, 30*time.Second, 0)
}

// Orders that fail are no jobs, and hold nobody up. Each costs one call more than one that is issued: a second look, after as
// long as a provider may be behind.
func TestFailingOrders(t *testing.T) {
	r := simulate(t, func(cfg *sim.Config, _ func() *sim.World) {
		cfg.Faults.Order = func(o *sim.Order) { o.Fails = strings.HasSuffix(o.ID, "1") }
	})
	bounds(t, r, 2.2+0.1, 13*time.Second, 62*time.Second, 0)
	for _, o := range r.Orders {
		if lag := o.Recorded.Sub(o.Issued); !o.Fails && lag > 30*time.Second {
			t.Errorf("%s, which was issued, was noticed after %s", o.ID, lag)
		}
		if want := map[bool]order.State{true: order.Failed, false: order.Issued}[o.Fails]; o.State != want {
			t.Fatalf("%s is %s", o.ID, o.State)
		}
	}
}

// Orders that the provider never issues hold nobody up, and are asked for less and less often.
func TestStuckOrders(t *testing.T) {
	r := simulate(t, func(cfg *sim.Config, _ func() *sim.World) {
		cfg.Faults.Order = func(o *sim.Order) { o.Stuck = strings.HasSuffix(o.ID, "01") }
	})
	bounds(t, r, 2.6, 12*time.Second, 45*time.Second, 6)
	for _, o := range r.Orders {
		if o.Stuck && (len(o.Polls) < 10 || len(o.Polls) > 40) {
			t.Errorf("%s was asked %d times in two hours", o.ID, len(o.Polls))
		}
	}
}

// Dozens of orders that are never issued do not keep the others waiting, while the budget idles.
func TestACrowdOfStuckOrdersHoldsNobodyUp(t *testing.T) {
	const stuck = 150
	n := 0
	cfg := sim.Config{Redis: testredis.Start(t).Client(), Rate: rate, JobEvery: time.Minute, Strategy: sim.Sentinel{}, Seed: 1}
	cfg.Faults.Order = func(o *sim.Order) { n++; o.Stuck = n <= stuck }
	w, err := sim.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	var after []time.Duration
	for i := range stuck {
		after = append(after, time.Duration(i)*100*time.Millisecond)
	}
	for d := 20 * time.Minute; d < time.Hour; d += 30 * time.Second {
		after = append(after, d)
	}
	w.Arrive(order.Checkout, after)
	r, err := w.Run(70 * time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("lag %s on average, at most %s", r.Lags().Mean(), r.Lags().Quantile(1))
	bounds(t, r, 20, 8*time.Second, 20*time.Second, stuck)
	polls := 0
	for _, o := range r.Orders {
		if o.Stuck {
			polls += len(o.Polls)
		}
	}
	if polls > 20*stuck {
		t.Errorf("the stuck orders were asked %d times each in 70 minutes", polls/stuck)
	}
}

// A provider that issues each order by itself, in no order, costs more calls, but no order is
// forgotten.
func TestIssuedOutOfOrder(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	r := simulate(t, func(cfg *sim.Config, _ func() *sim.World) {
		cfg.Faults.Order = func(o *sim.Order) { o.Alone = time.Second + time.Duration(random.Int64N(int64(2*time.Minute))) }
	})
	bounds(t, r, 4.5, 60*time.Second, 5*time.Minute, 0)
}

// Workers that die with a poll in their hands, the sentinel's included, and wakes that get lost
// delay those orders until their tasks come back, and hardly the others.
func TestDeadWorkersAndLostWakes(t *testing.T) {
	random := rand.New(rand.NewPCG(2, 2))
	hit := map[string]bool{}
	r := simulate(t, func(cfg *sim.Config, _ func() *sim.World) {
		cfg.Faults.Dies = func(id string) bool {
			dies := random.IntN(30) == 0
			hit[id] = hit[id] || dies
			return dies
		}
		cfg.Faults.LosesWake = func(id string) bool {
			lost := random.IntN(30) == 0
			hit[id] = hit[id] || lost
			return lost
		}
	})
	bounds(t, r, 2.5, 25*time.Second, 8*time.Minute, 0)
	for _, o := range r.Orders {
		if lag := o.Recorded.Sub(o.Issued); !hit[o.ID] && lag > 2*time.Minute {
			t.Errorf("%s, which nothing happened to, was noticed after %s", o.ID, lag)
		}
	}
}

// A sentinel whose state was lost with Redis's memory comes back by itself.
func TestSentinelStateLost(t *testing.T) {
	r := simulate(t, func(cfg *sim.Config, w func() *sim.World) {
		cfg.Faults.Order = func(o *sim.Order) {
			if strings.HasSuffix(o.ID, "50") {
				w().At(0, func() {
					for _, key := range cfg.Redis.Keys(context.Background(), "issuance:{pending:*").Val() {
						cfg.Redis.Del(context.Background(), key)
					}
				})
			}
		}
	})
	bounds(t, r, 3.2, 30*time.Second, 90*time.Second, 0)
}

// A provider that stands still for twenty minutes costs a few polls an order, not hundreds, and
// what it issues then is noticed as quickly as ever.
func TestProviderStandsStill(t *testing.T) {
	r := simulate(t, func(cfg *sim.Config, _ func() *sim.World) { cfg.JobEvery = 20 * time.Minute })
	bounds(t, r, 5, 3*time.Minute, 6*time.Minute, 0)
}

// Orders about which the provider never answers clearly hold nobody up.
func TestOrdersWithoutAClearAnswerHoldNobodyUp(t *testing.T) {
	r := simulate(t, func(cfg *sim.Config, _ func() *sim.World) {
		cfg.Faults.Order = func(o *sim.Order) {
			if strings.HasSuffix(o.ID, "01") || strings.HasSuffix(o.ID, "02") { // two in a row
				o.Garbled = func(time.Time) bool { return true }
			}
		}
	})
	bounds(t, r, 2.8, 12*time.Second, 30*time.Second, 12)
	for _, o := range r.Orders {
		if o.Garbled != nil && (len(o.Polls) < 10 || len(o.Polls) > 60) {
			t.Errorf("%s was asked %d times in two hours", o.ID, len(o.Polls))
		}
	}
}

// No answer is clear for ten minutes, whatever the order: that costs few calls, and is over within half as long.
func TestAnAccountWithoutAClearAnswerIsAskedForFewOrders(t *testing.T) {
	asked := 0
	var over time.Time
	r := simulate(t, func(cfg *sim.Config, w func() *sim.World) {
		cfg.Faults.Order = func(o *sim.Order) {
			if over.IsZero() {
				over = w().Now().Add(10 * time.Minute)
			}
			o.Garbled = func(now time.Time) bool {
				if now.Before(over) {
					asked++
				}
				return now.Before(over)
			}
		}
	})
	bounds(t, r, 5.5, 6*time.Minute, 15*time.Minute, 0)
	t.Logf("%d calls in vain for %d orders", asked, load)
	for _, o := range r.Orders {
		if after := o.Recorded.Sub(over); after > 5*time.Minute {
			t.Errorf("%s was noticed %s after the end", o.ID, after)
		}
	}
}
