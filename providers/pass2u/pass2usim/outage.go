package pass2usim

import (
	"maps"
	"time"
)

// Outage is a time in which every call misbehaved in the same way.
type Outage struct {
	// From and Until bound it; Until is zero while it lasts without an end that is set.
	From, Until time.Time
	// Calls counts the calls made meanwhile, by operation.
	Calls map[Op]int
}

func (o Outage) total() (n int) {
	for _, calls := range o.Calls {
		n += calls
	}
	return n
}

type outage struct {
	Outage
	fault Fault
}

// StartOutage makes every call misbehave like f from now on, for d by Config.Now, or until EndOutage
// when d is 0. The outage stands in front of everything else: no call limit, no key and no other fault
// counts meanwhile. CutBefore, Error5xxBefore, Unavailable503, TooMany429, HangBefore, GarbageBefore,
// EmptyBefore and OopsBefore are outages of a provider that does nothing.
func (s *Sim) StartOutage(f Fault, d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.cfg.Now()
	s.stopOutage(now)
	o := &outage{fault: f, Outage: Outage{From: now, Calls: map[Op]int{}}}
	if d > 0 {
		o.Until = now.Add(d)
	}
	s.outages = append(s.outages, o)
}

// EndOutage ends an outage that lasts, and returns the number of calls made during the latest one.
func (s *Sim) EndOutage() (calls int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopOutage(s.cfg.Now())
	if len(s.outages) == 0 {
		return 0
	}
	return s.outages[len(s.outages)-1].total()
}

func (s *Sim) stopOutage(now time.Time) {
	if o := s.outageAt(now); o != nil {
		o.Until = now
	}
}

// outageAt is the outage that lasts at now; s.mu is held.
func (s *Sim) outageAt(now time.Time) *outage {
	if len(s.outages) == 0 {
		return nil
	}
	o := s.outages[len(s.outages)-1]
	if !o.Until.IsZero() && !now.Before(o.Until) {
		return nil
	}
	return o
}

func (s *Sim) outageBooks() (all []Outage) {
	for _, o := range s.outages {
		seen := o.Outage
		seen.Calls = maps.Clone(o.Calls)
		all = append(all, seen)
	}
	return all
}

// ForbidOrder makes every generate of this number draw HTTP 403, as a firewall does that dislikes what
// is in it, until AllowOrder. No ban follows.
func (s *Sim) ForbidOrder(channelOrderID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forbidden[channelOrderID] = true
}

// AllowOrder ends ForbidOrder.
func (s *Sim) AllowOrder(channelOrderID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.forbidden, channelOrderID)
}
