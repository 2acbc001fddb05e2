package skew_test

import (
	"testing"
	"time"

	"issuance/providers"
	"issuance/providers/skew"
)

func TestSkewIsMeasuredFromTheMiddleOfTheCall(t *testing.T) {
	var m skew.Meter
	if m.Skew().Answers != 0 {
		t.Error("a skew is known before the first answer")
	}
	sent := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	m.Measure(sent.Add(4*time.Minute+time.Second), sent, sent.Add(2*time.Second))
	if got := m.Skew(); got != (providers.Skew{Ahead: 4 * time.Minute, Within: time.Second, Answers: 1}) {
		t.Errorf("%+v", got)
	}
}

// An authentic old answer that is sent again carries an old time.
func TestAReplayedAnswerDoesNotMoveTheClock(t *testing.T) {
	var m skew.Meter
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for range 3 {
		m.Measure(now.Add(3*time.Minute), now, now)
	}
	for range 2 {
		m.Measure(now.Add(-time.Hour), now, now)
		if ahead := m.Skew().Ahead; ahead != 3*time.Minute {
			t.Errorf("after a replay: %s", ahead)
		}
	}
}

// What was made well before its request, by a clock that is known, is an old answer that was sent again.
func TestAnAnswerThatIsOlderThanItsRequestIsAnOldOne(t *testing.T) {
	for _, ahead := range []time.Duration{0, -5 * time.Minute, 5 * time.Minute} {
		var m skew.Meter
		now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
		answered := func(age time.Duration) bool {
			now = now.Add(time.Second)
			_, old := m.Measure(now.Add(ahead-age), now, now.Add(time.Second))
			return old
		}
		if answered(0); answered(time.Hour) {
			t.Errorf("%s ahead: a clock that one answer has shown decides", ahead)
		}
		for range skew.Enough {
			answered(0)
		}
		for range 3 {
			if !answered(7*time.Second) || !answered(time.Hour) || !answered(20*time.Minute) {
				t.Errorf("%s ahead: an old answer is taken for a new one", ahead)
			}
			if answered(0) {
				t.Errorf("%s ahead: a new answer is taken for an old one", ahead)
			}
		}
		if got := m.Skew(); (got.Ahead-ahead).Abs() > time.Second || got.Spread > time.Second {
			t.Errorf("%s ahead: old answers were measured: %+v", ahead, got)
		}
		// The same one, again and again.
		same := now.Add(ahead - time.Minute)
		for range 5 {
			now = now.Add(time.Second)
			if _, old := m.Measure(same, now, now); !old {
				t.Errorf("%s ahead: an old answer is believed when it comes often", ahead)
			}
		}
		if answered(4 * time.Second) {
			t.Errorf("%s ahead: an answer of a moment ago is not believed", ahead)
		}
	}
}

// A clock that was set back makes its answers seem old: one of them is not believed, the next one shows that it runs.
func TestAClockThatWasSetBackCostsOneAnswer(t *testing.T) {
	var m skew.Meter
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	disbelieved := 0
	for i := range 30 {
		now = now.Add(2 * time.Second)
		if _, old := m.Measure(now.Add(-time.Duration(i/10)*4*time.Minute), now, now); old {
			disbelieved++
		}
	}
	if disbelieved > 2 {
		t.Errorf("%d answers of two clocks that were set back are not believed", disbelieved)
	}
}

func TestAClockThatWasSetIsFollowed(t *testing.T) {
	var m skew.Meter
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for range 9 {
		m.Measure(now.Add(5*time.Minute), now, now)
	}
	for range 3 {
		now = now.Add(time.Second)
		m.Measure(now, now, now)
	}
	if ahead := m.Skew().Ahead; ahead != 0 {
		t.Errorf("after three answers of the new clock: %s", ahead)
	}
}

// Two machines behind a balancer, or a clock that jumps: what is measured is uncertain by how far they are apart.
func TestAnswersOfSeveralClocksAreAsUncertainAsTheyAreApart(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name   string
		theirs []time.Duration
		spread time.Duration
	}{
		{"one clock", []time.Duration{0, 0, time.Second, 0, 0, 0}, 0},
		{"two answers", []time.Duration{3 * time.Minute, -2 * time.Minute}, 5 * time.Minute},
		{"two machines", []time.Duration{0, -5 * time.Minute, 0, -5 * time.Minute, 0, 0, 0, 0, 0, 0}, 5 * time.Minute},
		{"one old answer", []time.Duration{0, 0, 0, -time.Hour, 0, 0}, 0},
		{"an old clock that was set", append([]time.Duration{5 * time.Minute, 5 * time.Minute}, make([]time.Duration, skew.Enough)...), 0},
	} {
		var m skew.Meter
		for _, off := range c.theirs {
			m.Measure(now.Add(off), now, now)
		}
		if got := m.Skew(); got.Spread != c.spread || got.Answers != min(len(c.theirs), skew.Enough) {
			t.Errorf("%s: %+v, want them %s apart", c.name, got, c.spread)
		}
	}
}
