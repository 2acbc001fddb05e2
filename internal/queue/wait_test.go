package queue

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"issuance/providers"
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

// Ids and names are what dashboards, scripts and the other programs expect.
func TestIDsAndQueues(t *testing.T) {
	for got, want := range map[string]string{
		Queue(providers.ECTicket, Checkout): "ecticket-checkout", Queue(providers.Pass2U, Bulk): "pass2u-bulk", Queue(providers.ECTicket, Poll): "ecticket-poll",
		IssueType(providers.ECTicket): "issue:ecticket", RefundType(providers.Pass2U): "refund:pass2u", PollType(providers.ECTicket): "poll:ecticket",
		IssueID(providers.ECTicket, "O1"): "issue:ecticket:O1", RefundID(providers.Pass2U, "O1", "R1"): "refund:pass2u:O1:R1",
		PollID(providers.ECTicket, "O1"): "poll:ecticket:O1",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if !slices.Equal(Lanes(), []Lane{Checkout, Poll, Bulk}) {
		t.Errorf("lanes %v", Lanes())
	}
}

// Producers choose between checkout and bulk; the pollers' lane is not theirs.
func TestParseLane(t *testing.T) {
	for s, want := range map[string]Lane{"": Checkout, "checkout": Checkout, "bulk": Bulk} {
		if l, err := ParseLane(s); err != nil || l != want {
			t.Errorf("%q: %s, %v", s, l, err)
		}
	}
	for _, s := range []string{"poll", "Checkout", " bulk", "x"} {
		if l, err := ParseLane(s); err == nil {
			t.Errorf("%q is taken as %s", s, l)
		}
	}
}
