// Package pollers is the follow-up: ECTicket only receives an order and issues it in a scheduled
// job, so somebody has to ask again until the final status is known. The package decides when to
// ask (Schedule), keeps one poll task per accepted order (Follower), and asks and records
// (Handler).
//
// It may import internal/handler and what that may import.
package pollers

import (
	"math/rand/v2"
	"time"
)

// Schedule says when an accepted order is asked for. The zero value of a field means its default.
type Schedule struct {
	// Interval is the first wait, and the one between polls until Expected. Default 60 s.
	Interval time.Duration
	// Expected is the age at which the provider should have issued (ECTicket: 5 minutes).
	// Default 5 min.
	Expected time.Duration
	// MaxInterval bounds the waits of an order that is late. Default 10 min.
	MaxInterval time.Duration
	// Deadline is the age at which a person has to decide. Default 24 h.
	Deadline time.Duration
}

// WithDefaults fills in what is not set.
func (s Schedule) WithDefaults() Schedule {
	set := func(d *time.Duration, def time.Duration) {
		if *d <= 0 {
			*d = def
		}
	}
	set(&s.Interval, time.Minute)
	set(&s.Expected, 5*time.Minute)
	set(&s.MaxInterval, 10*time.Minute)
	set(&s.Deadline, 24*time.Hour)
	return s
}

// Next is how long to wait before the next poll of an order that was accepted age ago and is not
// issued yet, without jitter. Up to Expected it is Interval; after that half of the lateness is
// added, so that waits grow by half each time, up to MaxInterval. No wait reaches past Deadline,
// but for less than the second in which the queue counts.
func (s Schedule) Next(age time.Duration) time.Duration {
	s = s.WithDefaults()
	wait := s.Interval
	if late := age - s.Expected; late > 0 {
		wait += late / 2
	}
	wait = min(wait, max(s.MaxInterval, s.Interval))
	if left := s.Deadline - age; left > 0 && wait > left {
		wait = left
	}
	return max(wait, time.Second)
}

// Jitter takes up to a tenth off a wait, so that orders accepted together are not asked together.
func Jitter(wait time.Duration) time.Duration {
	if wait < 10*time.Second {
		return wait // the queue counts in whole seconds: less is not worth it
	}
	return wait - time.Duration(rand.Int64N(int64(wait)/10+1))
}

// Overdue reports whether a person has to decide.
func (s Schedule) Overdue(age time.Duration) bool { return age >= s.WithDefaults().Deadline }
