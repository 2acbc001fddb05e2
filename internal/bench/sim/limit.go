package sim

import (
	"fmt"
	"time"
)

// Limit is the arithmetic limit: every order is issued by one call and polled by exactly one, each
// at the earliest moment that the budget allows, polls before issue calls, with a provider and a
// queue that take no time, by somebody who knows when the provider issues.
func Limit(arrivals []time.Duration, rate float64, jobEvery time.Duration) *Result {
	start := time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)
	r := &Result{Start: start, End: start, Rate: rate}
	spacing := time.Duration(float64(time.Second) / rate)
	var sent, issued, polled int
	var now time.Duration
	for polled < len(arrivals) {
		// Whatever arrived or was issued by now.
		for len(r.Orders) < len(arrivals) && arrivals[len(r.Orders)] <= now {
			r.Orders = append(r.Orders, &Order{ID: fmt.Sprint(len(r.Orders)), Enqueued: start.Add(arrivals[len(r.Orders)])})
		}
		for issued < sent && r.Orders[issued].received.Before(start.Add(now.Truncate(jobEvery))) {
			// The first job after it was received.
			got := r.Orders[issued].received.Sub(start)
			r.Orders[issued].Issued = start.Add(got.Truncate(jobEvery) + jobEvery)
			issued++
		}
		at := start.Add(now)
		switch {
		case polled < issued:
			r.Orders[polled].Polls = []time.Time{at}
			r.Orders[polled].Recorded = at
			polled++
		case sent < len(r.Orders):
			r.Orders[sent].IssueCalls, r.Orders[sent].Called, r.Orders[sent].received = 1, at, at
			sent++
		default:
			// Nothing to do until an order arrives or a job runs.
			next := now.Truncate(jobEvery) + jobEvery
			if sent < len(arrivals) {
				next = min(next, arrivals[sent])
			}
			now = next
			continue
		}
		r.Calls = append(r.Calls, at)
		now += spacing
	}
	r.End = start.Add(now)
	return r
}
