package providers_test

import (
	"context"
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
