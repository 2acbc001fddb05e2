package sim

import (
	"slices"
	"time"
)

// Result is what came of a simulation.
type Result struct {
	Orders     []*Order
	Calls      []time.Time // when every call to the provider left, in order
	Start, End time.Time
	Unfinished int // orders not recorded when the time was up
	Rate       float64
}

// CallsPerOrder counts every call, to issue and to poll.
func (r *Result) CallsPerOrder() float64 {
	if len(r.Orders) == 0 {
		return 0
	}
	return float64(len(r.Calls)) / float64(len(r.Orders))
}

// Lags are the times from issued at the provider to recorded, in ascending order.
func (r *Result) Lags() Durations {
	return r.durations(func(o *Order) (from, to time.Time) { return o.Issued, o.Recorded })
}

// Totals are the times from enqueued to recorded, in ascending order.
func (r *Result) Totals() Durations {
	return r.durations(func(o *Order) (from, to time.Time) { return o.Enqueued, o.Recorded })
}

// Waits are the times from enqueued to the issue call, in ascending order, of the orders that keep
// says.
func (r *Result) Waits(keep func(*Order) bool) Durations {
	return r.durations(func(o *Order) (from, to time.Time) {
		if !keep(o) {
			return
		}
		return o.Enqueued, o.Called
	})
}

func (r *Result) durations(of func(*Order) (from, to time.Time)) Durations {
	var d Durations
	for _, o := range r.Orders {
		if from, to := of(o); !from.IsZero() && !to.IsZero() {
			d = append(d, to.Sub(from))
		}
	}
	slices.Sort(d)
	return d
}

// Makespan is the time from the first order enqueued to the last one recorded.
func (r *Result) Makespan() time.Duration {
	var last time.Time
	for _, o := range r.Orders {
		if o.Recorded.After(last) {
			last = o.Recorded
		}
	}
	if last.IsZero() {
		return 0
	}
	return last.Sub(r.Orders[0].Enqueued)
}

// Busiest is the largest number of calls in any second, wherever it begins.
func (r *Result) Busiest() (most int) {
	for i, from := range r.Calls {
		n := 0
		for _, at := range r.Calls[i:] {
			if !at.Before(from.Add(time.Second)) {
				break
			}
			n++
		}
		most = max(most, n)
	}
	return most
}

// OverBudget counts the calls that begin a second with more calls than allowed.
func (r *Result) OverBudget(allowed int) (over int) {
	for i, from := range r.Calls {
		if j := i + allowed; j < len(r.Calls) && r.Calls[j].Before(from.Add(time.Second)) {
			over++
		}
	}
	return over
}

// Durations are in ascending order.
type Durations []time.Duration

// Mean of the durations, 0 of none.
func (d Durations) Mean() time.Duration {
	if len(d) == 0 {
		return 0
	}
	var sum time.Duration
	for _, x := range d {
		sum += x
	}
	return sum / time.Duration(len(d))
}

// Quantile is the smallest duration that at least the share q (0 to 1) does not exceed, 0 of none.
func (d Durations) Quantile(q float64) time.Duration {
	if len(d) == 0 {
		return 0
	}
	i := int(q*float64(len(d))+0.999999) - 1
	return d[min(max(i, 0), len(d)-1)]
}
