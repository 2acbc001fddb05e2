package console

import (
	"testing"
	"time"

	"issuance/internal/budget"
	"issuance/providers"
	"issuance/tasks/order"
)

// Nothing is done faster than calls may leave, and nothing is estimated while they may not.
func TestAnEstimateKeepsToTheAllowance(t *testing.T) {
	now := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	state := func(perSecond float64, paused ...budget.Hold) budget.State {
		var s budget.State
		s.PerSecond, s.Paused = perSecond, paused
		return s
	}
	for what, c := range map[string]struct {
		of      account
		rate    float64
		perHour int64
	}{
		"below the allowance": {account{State: state(4), Health: providers.HealthOK, Open: 3600}, 1, 3600},
		"above it":            {account{State: state(4), Health: providers.HealthOK, Open: 3600}, 1000, 14400},
		"nothing has ended":   {account{State: state(4), Health: providers.HealthOK, Open: 6}, 0, 0},
		"a missing key":       {account{State: state(4), Health: providers.HealthKeyMissing, Open: 6}, 4, 0},
		"a ban":               {account{State: state(4), Health: providers.HealthBanned, Open: 6}, 4, 0},
		"no worker":           {account{State: state(4), Health: providers.HealthNoWorker, Open: 6}, 4, 0},
		"a lane is paused":    {account{State: state(4, budget.Hold{Lane: order.Bulk}), Health: providers.HealthOK, Open: 6}, 4, 0},
	} {
		c.of.estimate(c.rate, now)
		if c.of.PerHour != c.perHour || c.of.DoneAt.IsZero() != (c.perHour == 0) {
			t.Errorf("%s: %d an hour, done at %s", what, c.of.PerHour, c.of.DoneAt)
		}
		if c.perHour > 0 && c.of.DoneAt.Sub(now) != time.Duration(c.of.Open)*time.Hour/time.Duration(c.perHour) {
			t.Errorf("%s: done after %s", what, c.of.DoneAt.Sub(now))
		}
	}
}
