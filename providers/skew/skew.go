// Package skew measures how far a provider's clock is from this machine's, by the times that its
// answers carry. It may import providers.
package skew

import (
	"slices"
	"sync"
	"time"

	"issuance/providers"
)

// How many measurements count. An answer may be an old one that was sent again, or be stamped by a
// machine on the way: one such answer, or two, must not move the clock. A provider may answer by several
// machines with a clock each, so it takes more answers to say how far those are apart.
const (
	samples = 5
	kept    = 20
)

// Meter keeps the latest measurements. The zero value is ready. Safe for concurrent use.
type Meter struct {
	mu   sync.Mutex
	kept []time.Duration // the oldest first
	took []time.Duration // how long those calls took
}

// Measure takes an answer's own time, and when its call was sent and answered by our clock. It
// returns the skew that follows from the latest measurements.
func (m *Meter) Measure(theirs, sent, received time.Time) (ahead time.Duration) {
	middle := sent.Add(received.Sub(sent) / 2)
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.kept) == kept {
		m.kept, m.took = m.kept[1:], m.took[1:]
	}
	m.took = append(m.took[:len(m.took):len(m.took)], received.Sub(sent))
	m.kept = append(m.kept[:len(m.kept):len(m.kept)], theirs.Sub(middle).Round(time.Second))
	return m.median()
}

// Enough is how many answers are all that count: more would say no more.
const Enough = kept

// Skew returns what follows from the measurements.
func (m *Meter) Skew() providers.Skew {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := len(m.kept)
	if n == 0 {
		return providers.Skew{}
	}
	sorted := slices.Sorted(slices.Values(m.kept))
	if n >= samples {
		sorted = sorted[1 : n-1]
	}
	return providers.Skew{Ahead: m.median(), Spread: sorted[len(sorted)-1] - sorted[0], Answers: n, Within: (slices.Max(m.took) / 2).Round(time.Millisecond)}
}

// median is the later of the two middle ones where there are two, so that a new measurement counts.
func (m *Meter) median() time.Duration {
	sorted := slices.Sorted(slices.Values(m.kept[max(0, len(m.kept)-samples):]))
	return sorted[len(sorted)/2]
}
