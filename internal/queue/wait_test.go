package queue

import (
	"errors"
	"fmt"
	"math"
	"testing"
	"time"
)

// A backoff doubles from its first to its last wait and stays there; a fifth at most is taken off,
// and nothing overflows.
func TestBackoff(t *testing.T) {
	const s, m = time.Second, time.Minute
	for _, c := range []struct {
		n           int
		first, last time.Duration
		want        time.Duration // before the jitter
	}{
		{0, 2 * s, 2 * m, 2 * s}, {1, 2 * s, 2 * m, 4 * s}, {2, 2 * s, 2 * m, 8 * s}, {3, 2 * s, 2 * m, 16 * s}, {4, 2 * s, 2 * m, 32 * s},
		{5, 2 * s, 2 * m, 64 * s}, {6, 2 * s, 2 * m, 2 * m}, {7, 2 * s, 2 * m, 2 * m}, {31, 2 * s, 2 * m, 2 * m}, {32, 2 * s, 2 * m, 2 * m},
		{63, 2 * s, 2 * m, 2 * m}, {64, 2 * s, 2 * m, 2 * m}, {1_000_000, 2 * s, 2 * m, 2 * m}, {math.MaxInt, 2 * s, 2 * m, 2 * m},
		{-1, 2 * s, 2 * m, 2 * s}, {math.MinInt, 2 * s, 2 * m, 2 * s},
		{0, m, m, m}, {3, m, s, s}, {5, 0, 0, 0}, {40, s, math.MaxInt64, math.MaxInt64}, {31, s, math.MaxInt64, s << 31}, {30, 1, math.MaxInt64, 1 << 30},
	} {
		low, high := time.Duration(math.MaxInt64), time.Duration(-1)
		for range 200 {
			d := Backoff(c.n, c.first, c.last)
			low, high = min(low, d), max(high, d)
		}
		if low < c.want-c.want/5 || high > c.want {
			t.Errorf("Backoff(%d, %s, %s) is %s to %s, want up to a fifth below %s", c.n, c.first, c.last, low, high, c.want)
		}
		if c.want >= s && low == high {
			t.Errorf("Backoff(%d, %s, %s) has no jitter", c.n, c.first, c.last)
		}
	}
}

// Waiting says itself when to come back, whole seconds at least, and is no failure; anything else
// is one and backs off.
func TestWaitingIsNoFailure(t *testing.T) {
	for after, want := range map[time.Duration]time.Duration{-time.Hour: time.Second, 0: time.Second, 300 * time.Millisecond: time.Second,
		time.Second: time.Second, 90 * time.Minute: 90 * time.Minute} {
		for _, err := range []error{Wait(after, "r"), fmt.Errorf("in a task: %w", Wait(after, "r"))} {
			if IsFailure(err) {
				t.Errorf("%v counts as a failure", err)
			}
			if got := RetryDelay(17, err, nil); got != want {
				t.Errorf("%v comes back after %s, want %s", err, got, want)
			}
		}
	}
	if text := Wait(61*time.Second, "the call budget is spent").Error(); text != "the call budget is spent; next look in 1m1s" {
		t.Error(text)
	}
	if IsFailure(nil) {
		t.Error("success is a failure")
	}
	boom := errors.New("boom")
	if !IsFailure(boom) {
		t.Error("an unexpected error is none")
	}
	for n, want := range map[int]time.Duration{0: 2 * time.Second, 3: 16 * time.Second, 100: 2 * time.Minute} {
		if got := RetryDelay(n, boom, nil); got > want || got < want-want/5 {
			t.Errorf("retry %d after %s, want about %s", n, got, want)
		}
	}
}

// What a wait is for, and until when, is read back from its text, such as asynq keeps of a task's last run.
func TestAWaitIsReadBackFromItsText(t *testing.T) {
	until := time.Date(2026, 11, 26, 10, 0, 0, 0, time.FixedZone("CST", 8*3600))
	for _, c := range []struct {
		after  time.Duration
		reason string
		until  time.Time
	}{
		{time.Second, "the call budget is spent", time.Time{}},
		{90 * time.Minute, "the account is banned", until},
		{0, "", time.Time{}},
		{25*time.Hour + 300*time.Millisecond, "a reason, until further notice; with punctuation", time.Time{}},
		{time.Minute, "a reason, until further notice", until},
		{time.Minute, "held; next look in the morning", until},
	} {
		err := WaitUntil(c.after, c.reason, c.until)
		reason, got, ok := ParseWait(err.Error())
		if !ok || reason != c.reason || !got.Equal(c.until) || got.IsZero() != c.until.IsZero() {
			t.Errorf("%q is read as %q until %s, %t", err, reason, got, ok)
		}
	}
	for _, text := range []string{"", "dial tcp: connection refused", "next look in 5s", "x; next look in", "x; next look in 5 seconds"} {
		if reason, until, ok := ParseWait(text); ok || reason != "" || !until.IsZero() {
			t.Errorf("%q is read as a wait for %q until %s", text, reason, until)
		}
	}
	// A text that only looks like a time is none.
	if reason, until, ok := ParseWait("x, until 99:99; next look in 5s"); !ok || reason != "x" || !until.IsZero() {
		t.Errorf("%q until %s, %t", reason, until, ok)
	}
}
