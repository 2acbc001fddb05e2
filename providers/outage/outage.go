// Package outage plays and records outages, for the simulators of providers. It imports nothing of ours.
package outage

import (
	"maps"
	"time"
)

// Outage is a time in which every call misbehaved in the same way.
type Outage[Op comparable, Fault any] struct {
	Fault Fault
	// From and Until bound it; Until is zero while it lasts without an end that is set.
	From, Until time.Time
	// Calls counts the calls made meanwhile, by operation.
	Calls map[Op]int
}

// Log holds the outages of a simulator. The zero value has none. It is not safe for concurrent use.
type Log[Op comparable, Fault any] struct {
	list []*Outage[Op, Fault] // the latest may last
}

// Start begins an outage, which ends the one that lasts; for d, or until Stop when d is 0.
func (l *Log[Op, Fault]) Start(f Fault, now time.Time, d time.Duration) {
	l.end(now)
	o := &Outage[Op, Fault]{Fault: f, From: now, Calls: map[Op]int{}}
	if d > 0 {
		o.Until = now.Add(d)
	}
	l.list = append(l.list, o)
}

// Stop ends an outage that lasts, and returns the number of calls made during the latest one.
func (l *Log[Op, Fault]) Stop(now time.Time) (calls int) {
	l.end(now)
	if len(l.list) == 0 {
		return 0
	}
	for _, n := range l.list[len(l.list)-1].Calls {
		calls += n
	}
	return calls
}

// Meet counts a call that the lasting outage meets, and returns how it misbehaves.
func (l *Log[Op, Fault]) Meet(op Op, now time.Time) (f Fault, lasts bool) {
	o := l.at(now)
	if o == nil {
		return f, false
	}
	o.Calls[op]++
	return o.Fault, true
}

// All returns a copy of the outages, in the order in which they began.
func (l *Log[Op, Fault]) All() (all []Outage[Op, Fault]) {
	for _, o := range l.list {
		seen := *o
		seen.Calls = maps.Clone(o.Calls)
		all = append(all, seen)
	}
	return all
}

func (l *Log[Op, Fault]) end(now time.Time) {
	if o := l.at(now); o != nil {
		o.Until = now
	}
}

// at is the outage that lasts at now.
func (l *Log[Op, Fault]) at(now time.Time) *Outage[Op, Fault] {
	if len(l.list) == 0 {
		return nil
	}
	o := l.list[len(l.list)-1]
	if !o.Until.IsZero() && !now.Before(o.Until) {
		return nil
	}
	return o
}
