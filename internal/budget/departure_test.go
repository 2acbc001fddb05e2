package budget

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"issuance/providers"
	"issuance/tasks/order"
)

// line is a budget whose departures are tried alone, in virtual time.
func line(t testing.TB, cfg Config) *Budget {
	t.Helper()
	if cfg.Account.Provider == "" {
		cfg.Account = account
	}
	if cfg.PerSecond == 0 {
		cfg.PerSecond = rate
	}
	b, err := New(nil, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// departed collects when calls have left.
type departed struct {
	mu   sync.Mutex
	at   []time.Time
	held int // calls that were held when they were to leave
}

func (d *departed) leave(ctx context.Context, b *Budget) error {
	err := b.Depart(ctx)
	if err == nil {
		d.mu.Lock()
		d.at = append(d.at, time.Now())
		d.mu.Unlock()
	}
	return err
}

// check fails when any second, both ends included, holds more than so many calls.
func (d *departed) check(t testing.TB, most int) {
	t.Helper()
	slices.SortFunc(d.at, time.Time.Compare)
	for i := most; i < len(d.at); i++ {
		if span := d.at[i].Sub(d.at[i-most]); span <= time.Second {
			t.Fatalf("%d calls left within %s", most+1, span)
		}
	}
}

// sells has so many callers, spread over workers, pass ahead, write intents that take up to so long, and leave, again and again.
func (w *world) sells(workers []*Budget, callers int, intent, during time.Duration) *departed {
	var wg sync.WaitGroup
	var left departed
	for i := range callers {
		gate := providers.Prepayable(workers[i%len(workers)].Lane(order.Bulk))
		wg.Go(func() {
			for w.since() < during {
				paid, err := gate.Prepay(w.ctx)
				if err != nil {
					<-time.After(time.Second)
					continue
				}
				<-time.After(rand.N(intent))
				err = gate.Pass(paid)
				if err != nil && !isHeld(err) {
					w.Error(err)
					return
				}
				left.mu.Lock()
				if err == nil {
					left.at = append(left.at, time.Now())
				} else {
					left.held++
				}
				left.mu.Unlock()
			}
		})
	}
	wg.Wait()
	return &left
}

// Calls that have their slots and write their intents first, for as long as that takes, leave so that no second holds more of them
// than are allowed.
func TestHoweverLongIntentsTakeNoSecondHoldsMoreCalls(t *testing.T) {
	virtual(t, Config{}, func(w *world) {
		const long = 2 * time.Minute
		left := w.sells(w.workers[:1], 8, 200*time.Millisecond, long)
		left.check(w, rate)
		if left.held > 0 {
			w.Errorf("%d calls were held", left.held)
		}
		if n := len(left.at); float64(n) < float64(long)/float64(spacing)-2 {
			w.Errorf("only %d calls in %s", n, long)
		}
	})
}

// Accounts of one allowance leave in one line, those of others do not wait for it.
func TestAccountsOfOneAllowanceLeaveInOneLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var shared Departures
		of := func(merchant, allowance string) *Budget {
			return line(t, Config{Account: providers.Account{Provider: providers.ECTicket, Merchant: merchant}, Allowance: allowance, Departures: &shared})
		}
		two := []*Budget{of("1", "platform"), of("2", "platform")}
		alone, start := of("3", ""), time.Now()
		var left departed
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() { _ = left.leave(t.Context(), two[i%2]) })
		}
		synctest.Wait()
		if err := alone.Depart(t.Context()); err != nil || time.Since(start) != 0 {
			t.Errorf("another allowance's call left after %s, %v", time.Since(start), err)
		}
		wg.Wait()
		left.check(t, rate)
		if d := time.Since(start); d != 19*spacing {
			t.Errorf("20 calls took %s", d)
		}
	})
}

// Lines are kept as long as a budget uses them.
func TestLinesDoNotOutliveTheirBudgets(t *testing.T) {
	var shared Departures
	kept := line(t, Config{Allowance: "kept", Departures: &shared})
	for i := range 100 {
		line(t, Config{Allowance: "gone" + string(rune('A'+i%26)), Departures: &shared})
	}
	lines := func() int {
		shared.mu.Lock()
		defer shared.mu.Unlock()
		return len(shared.lines)
	}
	for range 100 {
		if runtime.GC(); lines() == 1 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	if n := lines(); n != 1 || shared.of("kept") != kept.line {
		t.Errorf("%d lines are kept", n)
	}
}

// Calls whose process stood still do not leave together when it goes on.
func TestAStalledProcessLetsNoBurstGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const stall = 1700 * time.Millisecond
		start := time.Now()
		sleep := func(ctx context.Context, d time.Duration) error {
			return wait(ctx, max(d, stall-time.Since(start)))
		}
		b := line(t, Config{Sleep: sleep})
		var left departed
		var wg sync.WaitGroup
		for range 12 {
			wg.Go(func() { _ = left.leave(t.Context(), b) })
		}
		wg.Wait()
		left.check(t, rate)
		if d := time.Since(start); d > stall+11*spacing {
			t.Errorf("the last one left after %s", d)
		}
	})
}

// Timers that are late, by a little or by much, let no second hold more calls; a little costs no calls at all.
func TestLateTimersMakeNoSecondFuller(t *testing.T) {
	for _, c := range []struct{ late, lost time.Duration }{{slack, 0}, {150 * time.Millisecond, 150 * time.Millisecond}} {
		synctest.Test(t, func(t *testing.T) {
			b := line(t, Config{Sleep: func(ctx context.Context, d time.Duration) error {
				return wait(ctx, d+rand.N(c.late))
			}})
			const n = 400
			var left departed
			var wg sync.WaitGroup
			start := time.Now()
			for range n {
				wg.Go(func() { _ = left.leave(t.Context(), b) })
			}
			wg.Wait()
			left.check(t, rate)
			if d := time.Since(start); d > n*(spacing+c.lost)+c.late {
				t.Errorf("timers late by up to %s: %d calls took %s", c.late, n, d)
			}
		})
	}
}

// A thousand calls whose intents take longer and shorter leave as fast as those that write none, but for the longest intent.
func TestDeparturesCostNoCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n, longest = 1000, 200 * time.Millisecond
		b, start := line(t, Config{}), time.Now()
		var left departed
		var wg sync.WaitGroup
		for i := range n {
			at := time.Duration(i)*spacing + rand.N(longest)
			wg.Go(func() {
				<-time.After(at)
				called := time.Now()
				if err := left.leave(t.Context(), b); err != nil {
					t.Error(err)
				}
				if d := time.Since(called); d > longest {
					t.Errorf("a call waited %s", d)
				}
			})
		}
		wg.Wait()
		left.check(t, rate)
		if d := time.Since(start); d > n*spacing+longest {
			t.Errorf("%d calls took %s", n, d)
		}
	})
}

// A call that is given up while it waits does not leave, and takes nothing from those that come later.
func TestACallThatIsGivenUpDoesNotDepart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, start := line(t, Config{}), time.Now()
		if err := b.Depart(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		time.AfterFunc(10*time.Millisecond, stop)
		if err := b.Depart(ctx); !errors.Is(err, context.Canceled) || time.Since(start) != 10*time.Millisecond {
			t.Errorf("%v after %s", err, time.Since(start))
		}
		if err := b.Depart(t.Context()); err != nil || time.Since(start) != spacing {
			t.Errorf("%v after %s", err, time.Since(start))
		}
		<-time.After(time.Minute)
		if start = time.Now(); b.Depart(t.Context()) != nil || time.Since(start) != 0 {
			t.Errorf("a call that nobody is before waited %s", time.Since(start))
		}
	})
}

// A clock that is set back stops no departure for long.
func TestDeparturesOutlastAClockThatIsSetBack(t *testing.T) {
	now := time.Now()
	b := line(t, Config{Now: func() time.Time { return now }, Sleep: func(context.Context, time.Duration) error {
		now = now.Add(-time.Hour)
		return nil
	}})
	for range 4 {
		if err := b.Depart(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// What a departure costs where the allowance does not bind: calls come a hundred times as rarely as it permits.
func BenchmarkDepart(b *testing.B) {
	now := time.Now()
	l := line(b, Config{PerSecond: 1e5, Now: func() time.Time { now = now.Add(time.Millisecond); return now }})
	b.ReportAllocs()
	for b.Loop() {
		if err := l.Depart(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

// Workers that share an allowance leave at their slots or not at all, however long their intents take: no second holds more calls of
// all of them, and most slots are used once it is known how long intents take.
func TestWorkersThatShareAnAllowanceLeaveAtTheirSlots(t *testing.T) {
	for _, intent := range []time.Duration{3 * time.Millisecond, 80 * time.Millisecond, 250 * time.Millisecond} {
		shared := func(context.Context) bool { return true }
		virtual(t, Config{Shared: shared}, func(w *world) {
			const long = 45 * time.Second
			left := w.sells(w.workers[:], 16, intent, long)
			left.check(w, rate)
			if n, want := len(left.at), int(long/spacing)*9/10; n < want {
				w.Errorf("intents of up to %s: %d left, want %d", intent, n, want)
			}
		})
	}
}

// A call that shares its slots leaves at its own, a moment after it has passed; one that was held up longer has missed it. Alone, it may
// leave late.
func TestACallThatSharesItsSlotsMayMissItsOwn(t *testing.T) {
	for _, shared := range []bool{true, false} {
		virtual(t, Config{Shared: func(context.Context) bool { return shared }}, func(w *world) {
			b := w.workers[0]
			for late, missed := range map[time.Duration]bool{0: false, onTime: false, onTime + time.Millisecond: true, 400 * time.Millisecond: true} {
				gate := &seeing{Budget: b}
				if _, err := providers.Prepayable(gate).Prepay(w.ctx); err != nil {
					t.Fatal(err)
				}
				passed, due := gate.slot.Due()
				if !shared {
					if !due.IsZero() {
						t.Errorf("a slot at %v", due)
					}
					continue
				}
				if lead := due.Sub(passed); lead < leastLead || lead > mostLead+spacing {
					t.Errorf("it passed %s ahead of its slot", lead)
				}
				<-time.After(time.Until(due) + late)
				if err := b.Depart(gate.ctx); errors.Is(err, providers.ErrMissed) != missed || !missed && err != nil {
					t.Errorf("%s late: %v", late, err)
				}
			}
		})
	}
}

// seeing is a gate that keeps the slot of the last call, and its context.
type seeing struct {
	*Budget
	slot *providers.Slot
	ctx  context.Context
}

func (s *seeing) Pass(ctx context.Context) error {
	s.slot, s.ctx = providers.SlotOf(ctx), ctx
	return s.Budget.Pass(ctx)
}
