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
