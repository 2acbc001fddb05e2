// Package skew measures how far a provider's clock is from this machine's, by the times that its
// answers carry. It imports nothing of ours.
package skew

import (
	"slices"
	"sync"
	"time"
)

// samples is how many measurements count. An answer may be an old one that was sent again, or be
// stamped by a machine on the way: one such answer, or two, must not move the clock.
const samples = 5

// Meter keeps the latest measurements. The zero value is ready. Safe for concurrent use.
type Meter struct {
	mu   sync.Mutex
	kept []time.Duration // the oldest first
}

// Measure takes an answer's own time, and when its call was sent and answered by our clock. It
// returns the skew that follows from all measurements kept.
func (m *Meter) Measure(theirs, sent, received time.Time) (ahead time.Duration) {
	middle := sent.Add(received.Sub(sent) / 2)
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.kept) == samples {
		m.kept = m.kept[1:]
	}
	m.kept = append(m.kept[:len(m.kept):len(m.kept)], theirs.Sub(middle).Round(time.Second))
	return m.median()
}

// Skew is how far the provider's clock is ahead of ours, to a second or so: the median of the last
// five measurements. known is false before the first.
func (m *Meter) Skew() (ahead time.Duration, known bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.kept) == 0 {
		return 0, false
	}
	return m.median(), true
}

// median is the later of the two middle ones where there are two, so that a new measurement counts.
func (m *Meter) median() time.Duration {
	sorted := slices.Sorted(slices.Values(m.kept))
	return sorted[len(sorted)/2]
}
