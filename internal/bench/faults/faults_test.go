package faults

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Whatever happens, the true status is recorded, and as soon as safety permits.
func TestTheTrueStatusComesInTime(t *testing.T) {
	for _, r := range Run(t, true) {
		if r.Fault == "" { // left out by -run
			continue
		}
		t.Logf("%-70s %-8s %-25s %6.1f s after %s", r.Fault, r.Provider, r.End, r.Took, r.From)
		if !r.Met() {
			t.Errorf("%s, %s: %q", r.Provider, r.Fault, r.Wrong)
		}
	}
}
