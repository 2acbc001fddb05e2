package skew

import "time"

// ZoneStep is what time zones differ by at the least.
const ZoneStep = 30 * time.Minute

// farthestZone is how far the zones of the world are apart from Taiwan's.
const farthestZone = 20 * time.Hour

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
