package skew_test

import (
	"testing"
	"time"

	"issuance/providers/skew"
)

func TestSkewIsMeasuredFromTheMiddleOfTheCall(t *testing.T) {
	var m skew.Meter
	if _, known := m.Skew(); known {
		t.Error("a skew is known before the first answer")
	}
	sent := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	m.Measure(sent.Add(4*time.Minute+time.Second), sent, sent.Add(2*time.Second))
	if ahead, known := m.Skew(); ahead != 4*time.Minute || !known {
		t.Errorf("%s, %t", ahead, known)
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
		if ahead, _ := m.Skew(); ahead != 3*time.Minute {
			t.Errorf("after a replay: %s", ahead)
		}
	}
}

func TestAClockThatWasSetIsFollowed(t *testing.T) {
	var m skew.Meter
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for range 9 {
		m.Measure(now.Add(5*time.Minute), now, now)
	}
	for range 3 {
		m.Measure(now, now, now)
	}
	if ahead, _ := m.Skew(); ahead != 0 {
		t.Errorf("after three answers of the new clock: %s", ahead)
	}
}
