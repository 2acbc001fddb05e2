package budget

import (
	"context"
	"runtime"
	"sync"
	"time"
	"weak"

	"issuance/providers"
)

// slack is how late a call may leave without putting those behind it off: half of what the margin makes of a second. A timer that is
// a little late then costs no calls, and PerSecond calls and one more still span more than a second.
const slack = time.Duration(margin / 2 * float64(time.Second))

// onTime is by how much a call may miss its slot that others share: less than the margin makes of a second (10 ms), because a call on its
// way takes a little longer now and then. (Measured with used-up processors: two workers made 0.70 of their calls with 5 ms, and 0.84
// with 8 ms.)
const onTime = 8 * time.Millisecond

// A call that shares its slots passes so far ahead of its own as its intent takes to be written, by what was needed lately.
const (
	leastLead = 20 * time.Millisecond
	mostLead  = 300 * time.Millisecond
)

// lead is how far ahead of their slots calls pass.
func (b *Budget) lead() time.Duration {
	b.line.mu.Lock()
	defer b.line.mu.Unlock()
	return max(b.line.lead, leastLead)
}

// needed takes note of how long a call took from its pass until it was ready to leave. The lead grows at once to what would have been
// enough, with some reserve, and shrinks slowly.
func (l *departures) needed(took time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if want := took + leastLead/2; want > l.lead {
		l.lead = min(want, mostLead)
	} else {
		l.lead -= (l.lead - want) / 64
	}
}

// Departures are the lines in which the calls of one process leave, one for each allowance. The zero value is ready; it keeps a line
// only as long as a budget does. Safe for concurrent use.
type Departures struct {
	mu    sync.Mutex
	lines map[string]weak.Pointer[departures]
}

// of is an allowance's line. A nil registry makes one that nobody shares.
func (d *Departures) of(allowance string) *departures {
	if d == nil {
		return &departures{}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if l := d.lines[allowance].Value(); l != nil {
		return l
	}
	if d.lines == nil {
		d.lines = map[string]weak.Pointer[departures]{}
	}
	l := &departures{}
	d.lines[allowance] = weak.Make(l)
	runtime.AddCleanup(l, d.drop, allowance)
	return l
}

// drop forgets a line that no budget uses any more.
func (d *Departures) drop(allowance string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.lines[allowance].Value() == nil { // unless another one has taken its place
		delete(d.lines, allowance)
	}
}

// departures is one line: when the last call left, and how many wait to leave.
type departures struct {
	mu      sync.Mutex
	left    time.Time // by the process's clock; earlier than it was by slack, where it was late by more than that
	waiting int
	lead    time.Duration // how far ahead of their slots calls had to pass lately, see needed
}

// Depart implements providers.Departer: calls of this process and allowance that have passed leave T apart, in the order in which they
// come. Each has a place T behind the one before it, so that timers that are late do not add up. Of those that wake up together,
// because their process stood still, one leaves at once and the others T later each.
//
// A call waits T at most for each one that has passed and has not left. Calls that wait for their slots, checkouts up to MaxWait,
// are none of these: they join the line when they leave. As slots are T apart, too, and a prepayment is good for a second, the wait
// is no longer than a call before it was held up since its slot: a second, and what a slot may be missed by. That is short beside a
// lease; after a stall providers.LeaveWithin holds those for which it was too long. A context that ends while its call
// waits leaves a place unused, nothing worse. A ban, a pause or an outage that comes meanwhile does not stop a call here, as it
// does not stop one that is under way.
//
// Where other processes call under the allowance, too, a call leaves at its slot, for which it has passed a little ahead (lead), and
// not later than that by more than onTime: else another one would leave right behind it. ErrMissed says that it has to pass again.
func (b *Budget) Depart(ctx context.Context) error {
	if passed, due := providers.SlotOf(ctx).Due(); !due.IsZero() {
		b.line.needed(b.clock().Sub(passed))
		if wait := due.Sub(b.clock()); wait > 0 {
			if err := b.cfg.Sleep(ctx, wait); err != nil {
				return err
			}
		}
		if b.clock().Sub(due) > onTime {
			return providers.ErrMissed
		}
	}
	asked := b.clock()
	for wait := b.line.join(asked, b.spacing); wait > 0; wait = b.line.leave(asked, b.clock(), b.spacing) {
		if err := b.cfg.Sleep(ctx, wait); err != nil {
			b.line.giveUp()
			return err
		}
	}
	return nil
}

// join lets a call leave now (0), or says how far away its place behind those that wait is.
func (l *departures) join(now time.Time, spacing time.Duration) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.setBack(now, spacing)
	place := l.left.Add(time.Duration(l.waiting+1) * spacing)
	if !now.Before(place) {
		l.left = now
		return 0
	}
	l.waiting++
	return place.Sub(now)
}

// leave lets a call that has waited leave now (0), or says how much longer it waits, because another one left late.
func (l *departures) leave(asked, now time.Time, spacing time.Duration) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.setBack(now, spacing)
	place := l.left.Add(spacing)
	if asked.After(place) && !asked.After(now) {
		place = asked
	}
	if now.Before(place) {
		return place.Sub(now)
	}
	l.waiting--
	l.left = place
	if late := now.Add(-slack); late.After(place) {
		l.left = late
	}
	return 0
}

// setBack has nobody wait for a moment that the clock has come to twice.
func (l *departures) setBack(now time.Time, spacing time.Duration) {
	if now.Before(l.left) {
		l.left = now.Add(-spacing)
	}
}

func (l *departures) giveUp() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting--
}
