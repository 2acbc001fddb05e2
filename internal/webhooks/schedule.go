package webhooks

import "time"

// schedule is how long after a failed try the next one follows. The first is made at once.
var schedule = []time.Duration{5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour,
	14 * time.Hour, 20 * time.Hour, 24 * time.Hour}

// wholeSchedule is the time between the first try and the last.
func wholeSchedule() (sum time.Duration) {
	for _, d := range schedule {
		sum += d
	}
	return sum
}

// retryAfter is when the next try follows one that failed, as one of so many that failed before; last reports that
// the schedule has none. An endpoint that takes nothing at all is tried on then, so that it misses nothing.
func retryAfter(before int) (next time.Duration, last bool) {
	if before >= len(schedule) {
		return schedule[len(schedule)-1], true
	}
	return schedule[before], false
}

const (
	// window is how many deliveries to one endpoint are under way at a time, over all front doors; slowWindow
	// after an answer that took slow or longer.
	window     = 8
	slowWindow = 2
	slow       = 2 * time.Second
	// failing is how many failures in a row make an endpoint one that takes nothing. Such a one gets one delivery at a time, a
	// probe, after a pause that begins with firstProbe, doubles, and is probeEvery at most; a part of it, up to probeJitter, is
	// taken off at random.
	failing     = 10
	firstProbe  = 5 * time.Second
	probeEvery  = time.Hour
	probeJitter = 0.2
	// timeout bounds one delivery; lease is for how long a task is believed to be on its way or under way.
	timeout = 15 * time.Second
	lease   = 30 * time.Second
	// An endpoint that takes nothing for alarmAfter is reported, and again every alarmEvery.
	alarmAfter = 5 * 24 * time.Hour
	alarmEvery = 24 * time.Hour
	// After a failure that is not the endpoint's.
	ownFault = time.Minute
	// mostOutstanding is how many events of an endpoint are admitted before they are delivered; a replay goes on
	// only below half of it.
	mostOutstanding = 1000
	// batch is how many events are admitted at a time.
	batch = 200
)
