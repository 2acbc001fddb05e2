package providers_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"issuance/providers"
)

// counting counts how often it was passed.
type counting int

func (c *counting) Pass(context.Context) error { *c++; return nil }

// A pass that is taken ahead is good for one call, soon: who stands still in between passes anew.
func TestAPrepaidPassIsGoodForOneCallSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var passed counting
		gate := providers.Prepayable(&passed)
		expect := func(ctx context.Context, want int) {
			t.Helper()
			if err := gate.Pass(ctx); err != nil || int(passed) != want {
				t.Errorf("passed %d times, want %d; %v", passed, want, err)
			}
		}
		paid, err := gate.Prepay(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		expect(paid, 1)
		expect(paid, 2)
		expect(t.Context(), 3)

		if paid, err = gate.Prepay(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second + 1)
		expect(paid, 5)
		expect(paid, 6)
	})
}

// departing counts passes and departures, which take so long.
type departing struct {
	counting
	left int
	wait time.Duration
	err  error
}

func (d *departing) Depart(context.Context) error {
	d.left++
	time.Sleep(d.wait)
	return d.err
}

// A call departs when it leaves, once, and not when it is paid for ahead.
func TestACallDepartsOnceWhenItLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &departing{}
		gate := providers.Prepayable(d)
		expect := func(passed, left int) {
			t.Helper()
			if int(d.counting) != passed || d.left != left {
				t.Errorf("passed %d times, want %d; left %d times, want %d", d.counting, passed, d.left, left)
			}
		}
		paid, err := gate.Prepay(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		expect(1, 0)
		for i, ctx := range []context.Context{paid, paid, t.Context()} {
			if err := gate.Pass(ctx); err != nil {
				t.Error(err)
			}
			expect(1+i, 1+i)
		}
		d.err = context.Canceled
		if err := gate.Pass(t.Context()); !errors.Is(err, context.Canceled) {
			t.Errorf("a departure that was given up: %v", err)
		}
		expect(4, 4)
	})
}

// A call that misses its slot passes again, prepaid or not. One that has missed three leaves with the next, whose slot nobody minds.
func TestACallThatMissesItsSlotPassesAgain(t *testing.T) {
	for _, c := range []struct{ misses, passed, minded int }{{0, 1, 1}, {1, 2, 2}, {2, 3, 3}, {3, 4, 3}} {
		for _, ahead := range []bool{false, true} {
			d := &missing{misses: c.misses}
			gate, ctx := providers.Prepayable(d), t.Context()
			var err error
			if ahead {
				if ctx, err = gate.Prepay(ctx); err != nil {
					t.Fatal(err)
				}
			}
			if err := gate.Pass(ctx); err != nil || int(d.counting) != c.passed || d.minded != c.minded {
				t.Errorf("missed %d, ahead %t: passed %d times, want %d; with a slot %d times, want %d; %v", c.misses, ahead, d.counting, c.passed, d.minded, c.minded, err)
			}
			// What the gate says the next time counts.
			d.misses, d.refuses = 1, errors.New("held")
			if err := gate.Pass(t.Context()); !errors.Is(err, d.refuses) {
				t.Errorf("missed %d: %v", c.misses, err)
			}
		}
	}
}

// missing misses so many slots.
type missing struct {
	counting
	misses, minded int
	refuses        error
}

func (m *missing) Pass(ctx context.Context) error {
	if m.refuses != nil {
		return m.refuses
	}
	if s := providers.SlotOf(ctx); s != nil {
		m.minded++
		s.Set(time.Now(), time.Now())
	}
	return m.counting.Pass(ctx)
}

func (m *missing) Depart(ctx context.Context) error {
	if _, due := providers.SlotOf(ctx).Due(); m.misses == 0 || due.IsZero() {
		return nil
	}
	m.misses--
	return providers.ErrMissed
}

// A prepaid call that would leave later than it may does not leave at all, and only that one.
func TestACallThatMayNotLeaveAnyMoreIsHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := providers.Prepayable(&departing{wait: 3 * time.Second})
		for within, may := range map[time.Duration]bool{2 * time.Second: false, 3 * time.Second: false, 4 * time.Second: true} {
			paid, err := gate.Prepay(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			providers.LeaveWithin(paid, within)
			var held *providers.HeldError
			if err := gate.Pass(paid); may && err != nil || !may && (!errors.As(err, &held) || held.RetryAfter <= 0) {
				t.Errorf("within %s: %v", within, err)
			}
			if err := gate.Pass(paid); err != nil {
				t.Errorf("another call: %v", err)
			}
		}
		providers.LeaveWithin(t.Context(), 0)
		if err := gate.Pass(t.Context()); err != nil {
			t.Errorf("a call that was not paid for: %v", err)
		}
	})
}

func TestWithoutAGateEverythingPasses(t *testing.T) {
	var none *providers.PrepayableGate
	paid, err := none.Prepay(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := providers.Prepayable(nil).Pass(paid); err != nil {
		t.Error(err)
	}
}
