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
	odd  answered        // the last answer that was older than its request
}

// answered is an answer's own time, and when its request was sent and answered by our clock.
type answered struct{ theirs, sent, received time.Time }

// Measure takes an answer's own time, and when its call was sent and answered by our clock. It
// returns the skew that follows from the latest measurements, and whether the answer is an old one that was sent again: it
// was made before the request was, by a clock that was known. Such an answer does not count.
func (m *Meter) Measure(theirs, sent, received time.Time) (ahead time.Duration, old bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	a := answered{theirs, sent, received}
	if m.early(a) {
		before := m.odd
		m.odd = a
		if !before.fits(a) {
			return m.median(), true
		}
		m.add(before)
	}
	m.add(a)
	return m.median(), false
}

func (m *Meter) add(a answered) {
	if len(m.kept) == kept {
		m.kept, m.took = m.kept[1:], m.took[1:]
	}
	took := a.received.Sub(a.sent)
	m.took = append(m.took[:len(m.took):len(m.took)], took)
	m.kept = append(m.kept[:len(m.kept):len(m.kept)], a.theirs.Sub(a.sent.Add(took/2)).Round(time.Second))
}

// sure is how far what the answers of one clock say may be apart. It is no less because old answers of so short a time
// ago, which are measured, must not make the clock uncertain.
const sure = 5 * time.Second

// early reports whether an answer was made before its request, by a clock that is known.
func (m *Meter) early(a answered) bool {
	return len(m.kept) >= samples && m.spread() <= sure && a.theirs.Before(a.sent.Add(m.median()-sure))
}

// fits reports whether two such answers are readings of one clock that runs: it was set back, or is another machine's.
func (a answered) fits(next answered) bool {
	ran, passed := next.theirs.Sub(a.theirs), next.sent.Sub(a.sent)
	return !a.sent.IsZero() && ran > 0 && (ran-passed).Abs() <= sure
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
	return providers.Skew{Ahead: m.median(), Spread: m.spread(), Answers: n, Within: (slices.Max(m.took) / 2).Round(time.Millisecond)}
}

// spread is how far the answers are apart; see providers.Skew.
func (m *Meter) spread() time.Duration {
	sorted := slices.Sorted(slices.Values(m.kept))
	if n := len(sorted); n >= samples {
		sorted = sorted[1 : n-1]
	}
	return sorted[len(sorted)-1] - sorted[0]
}

// median is the later of the two middle ones where there are two, so that a new measurement counts.
func (m *Meter) median() time.Duration {
	sorted := slices.Sorted(slices.Values(m.kept[max(0, len(m.kept)-samples):]))
	return sorted[len(sorted)/2]
}
