package pass2usim

import (
	"time"

	"issuance/providers/outage"
)

// Outage is a time in which every call misbehaved in the same way.
type Outage = outage.Outage[Op, Fault]

// StartOutage makes every call misbehave like f from now on, for d by Config.Now, or until EndOutage
// when d is 0. The outage stands in front of everything else: no call limit, no key and no other fault
// counts meanwhile. CutBefore, Error5xxBefore, Unavailable503, TooMany429, HangBefore, GarbageBefore,
// EmptyBefore and OopsBefore are outages of a provider that does nothing.
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
