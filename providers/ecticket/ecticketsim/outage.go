package ecticketsim

import (
	"time"

	"issuance/providers/outage"
)

// Outage is a time in which every call misbehaved in the same way.
type Outage = outage.Outage[string, Fault]

// StartOutage makes every call misbehave like f from now on, for d by Config.Now, or until EndOutage
// when d is 0. The outage stands in front of everything else: no call limit and no other fault counts
// meanwhile. CutBefore, Error5xxBefore, TooMany429, HangBefore, GarbageBefore, EmptyBefore and
// TransRefused are outages of a provider that does nothing.
func (s *Sim) StartOutage(f Fault, d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.outages.Start(f, s.cfg.Now(), d)
}

// EndOutage ends an outage that lasts, and returns the number of calls made during the latest one.
func (s *Sim) EndOutage() (calls int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.outages.Stop(s.cfg.Now())
}

// out counts a call that an outage meets, and returns how it misbehaves.
func (s *Sim) out(c Call) (f Fault, lasts bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.outages.Meet(c.Op, s.cfg.Now())
}
