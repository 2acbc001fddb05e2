package ecticketsim

import "time"

// Outage is a time in which every call misbehaved in the same way.
type Outage struct {
	Kind FaultKind
	// From and Until bound it; Until is zero while it lasts without an end that is set.
	From, Until time.Time
	// Calls counts the calls made meanwhile, by operation.
	Calls map[string]int
}

// total is the number of calls made during the outage.
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
// when d is 0. The outage stands in front of everything else: no call limit and no other fault counts
// meanwhile. CutBefore, Error5xxBefore, TooMany429, HangBefore, GarbageBefore, EmptyBefore and
// TransRefused are outages of a provider that does nothing.
func (s *Sim) StartOutage(f Fault, d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.cfg.Now()
	s.stopOutage(now)
	o := &outage{fault: f, Outage: Outage{Kind: f.Kind, From: now, Calls: map[string]int{}}}
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

// out counts a call that an outage meets, and returns how it misbehaves.
func (s *Sim) out(c Call) (f Fault, lasts bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.outageAt(s.cfg.Now())
	if o == nil {
		return Fault{}, false
	}
	o.Calls[c.Op]++
	return o.fault, true
}
