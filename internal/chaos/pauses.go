package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"issuance/internal/budget"
	"issuance/providers"
	"issuance/tasks/order"
)

// pauseSpan is a pause of all lanes of an account, from when it was in force until it was ended.
type pauseSpan struct {
	span
	provider providers.Name
}

// pauseFor is how long an account is paused.
const pauseFor = 5 * time.Second

// pauseAccount pauses an account, or a lane of it, as an operator does, and resumes it.
func (d *Disasters) pauseAccount(ctx context.Context, r *rand.Rand) {
	a := accounts()[r.IntN(2)]
	lane := order.Lane("")
	if r.IntN(2) == 0 {
		lane = order.Lanes()[r.IntN(3)]
	}
	d.rig.Log("pausing %s %s for %s", a, lane, pauseFor)
	d.outage(time.Second, func() {
		if _, _, err := budget.Pause(ctx, d.rdb, a, lane, "chaos", "a pause in the middle of everything"); err != nil {
			d.fail("pause %s %s: %v", a, lane, err)
			return
		}
		at := time.Now()
		pause(ctx, pauseFor)
		until := time.Now()
		if _, err := budget.Resume(ctx, d.rdb, a, lane); err != nil {
			d.fail("resume %s %s: %v", a, lane, err)
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		d.paused++
		if lane == "" {
			d.pauses = append(d.pauses, pauseSpan{span{at.Add(onTheWay), until}, a.Provider})
		}
	})
}

// onTheWay is how long a call that was permitted before a pause may need until it arrives.
const onTheWay = 2 * time.Second

// duringPauses lists the calls that arrived while their account was paused.
func (d *Disasters) duringPauses() []Difference {
	w := d.rig.Weather
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []Difference
	for _, p := range d.pauses {
		// A worker that was stalled with the permission to call in its hands may use it later.
		if overlaps(d.stalled, span{p.from.Add(-onTheWay), p.to}) {
			continue
		}
		for _, at := range w.arrivals[p.provider] {
			if at.After(p.from) && at.Before(p.to) {
				out = append(out, Difference{PausedCall, string(p.provider), fmt.Sprintf("a call arrived %s after the pause began", at.Sub(p.from)+onTheWay)})
			}
		}
	}
	return out
}

func overlaps(spans []span, s span) bool {
	for _, o := range spans {
		if o.from.Before(s.to) && (o.to.IsZero() || o.to.After(s.from)) {
			return true
		}
	}
	return false
}
