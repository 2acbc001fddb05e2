package ecticketsim

import "time"

// Ban is one time a merchant was too fast.
type Ban struct {
	MerchantID string
	// From and Until bound the ban; every call between them gets HTTP 403.
	From, Until time.Time
	// Calls counts the calls refused, the one that caused the ban included.
	Calls int
}

// limits is a token bucket per merchant. Its fields are guarded by Sim.mu.
type limits struct {
	buckets map[string]*bucket
	bans    []*Ban
}

type bucket struct {
	tokens float64
	at     time.Time
	ban    *Ban // the latest
}

// tooFast takes one call off the merchant's allowance and reports whether the call is refused.
func (s *Sim) tooFast(merchant string) bool {
	if _, known := s.accounts[merchant]; !known {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	b := s.bucket(merchant, now)
	if b.ban != nil && now.Before(b.ban.Until) {
		b.ban.Calls++
		return true
	}
	if s.cfg.CallsPerSecond <= 0 {
		return false
	}
	b.tokens = min(b.tokens+now.Sub(b.at).Seconds()*s.cfg.CallsPerSecond, float64(s.cfg.Burst))
	b.at = now
	if b.tokens >= 1-1e-9 { // the sum of many small refills may fall short of 1 by rounding
		b.tokens--
		return false
	}
	s.ban(merchant, b, now, 1)
	return true
}

// Ban bans a merchant from now on for Config.BanFor, as if it had been too fast.
func (s *Sim) Ban(merchantID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	s.ban(merchantID, s.bucket(merchantID, now), now, 0)
}

func (s *Sim) bucket(merchant string, now time.Time) *bucket {
	if s.limits.buckets == nil {
		s.limits.buckets = map[string]*bucket{}
	}
	b := s.limits.buckets[merchant]
	if b == nil {
		b = &bucket{tokens: float64(s.cfg.Burst), at: now}
		s.limits.buckets[merchant] = b
	}
	return b
}

func (s *Sim) ban(merchant string, b *bucket, now time.Time, calls int) {
	b.ban = &Ban{MerchantID: merchant, From: now, Until: now.Add(s.cfg.BanFor), Calls: calls}
	s.limits.bans = append(s.limits.bans, b.ban)
}
