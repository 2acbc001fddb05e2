package skew

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"issuance/providers"
)

// ZoneStep is what time zones differ by at the least.
const ZoneStep = 30 * time.Minute

// farthestZone is how far the zones of the world are apart from Taiwan's.
const farthestZone = 20 * time.Hour

const (
	zoneKept  = time.Hour   // how long what was measured counts
	zoneSlack = time.Minute // what a provider's times may be off besides
)

// Zone is what has to be added to a time, whose unit is precision, so that it is between two moments: a whole number of
// half hours, 0 if that will do, else the least. ok is false when no zone makes it so.
func Zone(shown time.Time, precision time.Duration, from, to time.Time) (shift time.Duration, ok bool) {
	within := func(shift time.Duration) bool {
		start := shown.Add(shift)
		return start.Add(max(precision, 1)).After(from) && !start.After(to)
	}
	for d := time.Duration(0); d <= farthestZone; d += ZoneStep {
		for _, shift := range []time.Duration{d, -d} {
			if within(shift) {
				return shift, true
			}
		}
	}
	return 0, false
}

// ShowsZone reports whether what was done between two moments is dated exactly enough to show in which zone that is.
func ShowsZone(sent, seen time.Time) bool { return seen.Sub(sent)+2*zoneSlack < ZoneStep }

// Witness is an order that certainly is ours: the provider received it after Sent and had made it at Seen.
type Witness struct {
	Of []string `json:"of,omitempty"` // what the provider's client asks for it by
	// Sent and Seen are by this machine's clock, unless it is a remembered one.
	Sent       time.Time `json:"sent"`
	Seen       time.Time `json:"seen"`
	remembered bool      // Sent and Seen are by the provider's clock
}

// Dates is what is known of the time zone in which a provider writes its times, where its documents do not say. What shows it are
// orders that certainly are ours. What was measured counts for an hour. After that, and after a restart, a witness that is
// remembered has to show it again: which orders are taken for ours is never decided by how times were written long ago.
// Safe for concurrent use.
type Dates struct {
	memory providers.Memory
	fact   string

	mu       sync.Mutex
	shift    time.Duration // what has to be added to a time that was read as one of Taiwan
	measured time.Time
	sure     bool // measured by a clock that is known well, and so of use to other processes
	witness  Witness
	recalled string // what was taken over from the memory last
}

// NewDates makes the one of a client that calls a site (providers.Site). Another key may be another account's, whose order under
// a witness's number shows nothing.
func NewDates(m providers.Memory, site string) *Dates { return &Dates{memory: m, fact: "zone@" + site} }

// remembered is the fact in memory.
type remembered struct {
	Shift    time.Duration `json:"shift"`
	Measured time.Time     `json:"measured,omitzero"` // zero: the witness was not asked for yet
	Witness
}

// recall takes over what is remembered and newer. The lock is held.
func (d *Dates) recall() {
	text, ok := d.memory.Recall(d.fact)
	if !ok || text == d.recalled {
		return
	}
	d.recalled = text
	var r remembered
	if json.Unmarshal([]byte(text), &r) != nil {
		return
	}
	if r.Measured.After(d.measured) {
		d.shift, d.measured, d.sure = r.Shift, r.Measured, true
	}
	if r.Sent.After(d.witness.Sent) {
		d.witness = r.Witness
		d.witness.remembered = true
	}
}

// Keep remembers what is known now. Times of ours are of use to another process by the provider's clock alone, which has to
// be known well.
func (d *Dates) Keep(ctx context.Context, clock providers.Skew) {
	d.mu.Lock()
	r := remembered{Witness: d.witness}
	if d.sure {
		r.Shift, r.Measured = d.shift, d.measured.UTC()
	}
	d.mu.Unlock()
	if r.Sent.IsZero() || !r.remembered && !wellKnown(clock) {
		return
	}
	if !r.remembered {
		r.Sent, r.Seen = r.Sent.Add(clock.Ahead), r.Seen.Add(clock.Ahead)
	}
	r.Sent, r.Seen = r.Sent.UTC(), r.Seen.UTC()
	value, err := json.Marshal(r)
	if err != nil {
		return // no such value
	}
	var before remembered
	text, known := d.memory.Recall(d.fact)
	known = known && json.Unmarshal([]byte(text), &before) == nil
	d.memory.Remember(ctx, d.fact, string(value), !known || !r.Measured.IsZero() && (before.Measured.IsZero() || before.Shift != r.Shift))
}

func wellKnown(clock providers.Skew) bool {
	return clock.Answers >= samples && clock.Spread <= zoneSlack
}

// Known is the shift, if it was measured a while ago.
func (d *Dates) Known(now time.Time) (shift time.Duration, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.recall()
	return d.shift, !d.measured.IsZero() && now.Sub(d.measured).Abs() < zoneKept
}

// Last is the shift that was measured last, however long ago.
func (d *Dates) Last() time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.recall()
	return d.shift
}

// Saw notes a witness, in place of the one before. ok is false where it does not show the zone.
func (d *Dates) Saw(w Witness) (ok bool) {
	if ok = ShowsZone(w.Sent, w.Seen); ok {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.witness = w
	}
	return ok
}

// Witness is the latest one; ok is false where there was none.
func (d *Dates) Witness() (w Witness, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.recall()
	return d.witness, !d.witness.Sent.IsZero()
}

// Measure takes the time that the provider shows of a witness. ok is false where that does not show the zone.
func (d *Dates) Measure(ctx context.Context, shown time.Time, precision time.Duration, w Witness, clock providers.Skew, now time.Time) (shift time.Duration, ok bool) {
	sure := w.remembered || wellKnown(clock)
	if w.remembered {
		shift, ok = inZone(shown, precision, w, providers.Skew{})
	} else {
		shift, ok = inZone(shown, precision, w, clock)
	}
	if !ok {
		return 0, false
	}
	d.mu.Lock()
	d.shift, d.measured, d.sure = shift, now, sure
	d.mu.Unlock()
	d.Keep(ctx, clock)
	return shift, true
}

func inZone(shown time.Time, precision time.Duration, w Witness, clock providers.Skew) (shift time.Duration, ok bool) {
	if !ShowsZone(w.Sent, w.Seen.Add(precision)) || clock.Spread > zoneSlack {
		return 0, false
	}
	return Zone(shown, precision, w.Sent.Add(clock.Ahead-zoneSlack), w.Seen.Add(clock.Ahead+zoneSlack))
}

// Place corrects the time of a sight by the zone. Where that is not known, and the time is so old that it matters, measure is
// asked for it.
func (d *Dates) Place(s *providers.Sight, now time.Time, clock providers.Skew, measure func() (time.Duration, bool)) {
	s.Unzoned, s.AskedAt = true, now
	shift, ok := d.Known(now)
	if !ok && s.CreatedAt.Before(now.Add(clock.Ahead-ZoneStep+2*zoneSlack)) {
		shift, ok = measure()
	}
	if ok {
		s.CreatedAt, s.Unzoned = s.CreatedAt.Add(shift), false
	}
}
