package skew

import (
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

// Dates is what a process knows of the time zone in which a provider writes its times, where its documents do not say. What
// shows it are orders that certainly are ours. The zero value is ready. Safe for concurrent use.
type Dates struct {
	mu       sync.Mutex
	shift    time.Duration // what has to be added to a time that was read as one of Taiwan
	measured time.Time
}

// Known is the shift, if it was measured a while ago.
func (d *Dates) Known(now time.Time) (shift time.Duration, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.shift, !d.measured.IsZero() && now.Sub(d.measured) < zoneKept
}

// Measure takes the time that the provider shows of what it did for us between two moments of ours. ok is false where that does
// not show the zone.
func (d *Dates) Measure(shown time.Time, precision time.Duration, sent, seen time.Time, clock providers.Skew, now time.Time) (shift time.Duration, ok bool) {
	if !ShowsZone(sent, seen.Add(precision)) || clock.Spread > zoneSlack {
		return 0, false
	}
	shift, ok = Zone(shown, precision, sent.Add(clock.Ahead-zoneSlack), seen.Add(clock.Ahead+zoneSlack))
	if !ok {
		return 0, false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.shift, d.measured = shift, now
	return shift, true
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
