package pollers_test

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"issuance/pollers"
)

// walk lists the ages at which an order that is never issued is polled, without jitter, from its
// acceptance to its deadline.
func walk(s pollers.Schedule) (ages []time.Duration) {
	for age := s.Next(0); ; age += s.Next(age) {
		ages = append(ages, age)
		if s.Overdue(age) || len(ages) > 100_000 {
			return ages
		}
	}
}

// The whole table of the default schedule. A lone order is asked every minute while it is expected;
// after that its waits grow by half each time, up to ten minutes; at 24 hours a person decides.
func TestTheWholeScheduleFromAcceptanceToDeadline(t *testing.T) {
	ages := walk(pollers.Schedule{})
	var got []string
	for _, age := range ages[:15] {
		got = append(got, age.Round(time.Second).String())
	}
	want := []string{"1m0s", "2m0s", "3m0s", "4m0s", "5m0s", // every minute
		"6m0s", "7m30s", "9m45s", "13m8s", "18m11s", "25m47s", "35m47s", "45m47s", "55m47s", "1h5m47s"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("ages at the polls (-want +got):\n%s", diff)
	}
	for i := 11; i < len(ages)-1; i++ {
		if wait := ages[i] - ages[i-1]; wait != 10*time.Minute {
			t.Errorf("poll %d waits %s, want 10m0s", i+1, wait)
		}
	}
	if last := ages[len(ages)-1]; last != 24*time.Hour || len(ages) != 153 {
		t.Errorf("%d polls, the last at %s, want 153 and exactly 24h0m0s", len(ages), last)
	}
}

func TestWaitsAreBoundedGrowAndNeverReachPastTheDeadline(t *testing.T) {
	for _, s := range []pollers.Schedule{
		{},
		{Interval: 5 * time.Second},
		{Interval: 20 * time.Minute}, // longer than MaxInterval
		{Expected: time.Second, MaxInterval: time.Minute, Deadline: time.Hour},
		{Interval: 90 * time.Second, Expected: 24 * time.Hour},
	} {
		set := s.WithDefaults()
		longest := max(set.MaxInterval, set.Interval)
		before := time.Duration(0)
		for age := time.Duration(0); age < set.Deadline; age += 7 * time.Second {
			wait := s.Next(age)
			switch left := set.Deadline - age; {
			case wait > left && wait > time.Second:
				t.Fatalf("%+v: at %s it waits %s, past the deadline", s, age, wait)
			case wait < min(set.Interval, left) || wait > longest:
				t.Fatalf("%+v: at %s it waits %s, want %s to %s", s, age, wait, set.Interval, longest)
			case wait < before && wait < min(left, longest):
				t.Fatalf("%+v: at %s it waits %s, less than %s before", s, age, wait, before)
			}
			before = wait
		}
	}
}

func TestNoAgeOverflowsOrWaitsForNothing(t *testing.T) {
	for _, age := range []time.Duration{math.MinInt64, -time.Hour, 0, 24*time.Hour - 1, 24 * time.Hour, 25 * time.Hour, math.MaxInt64} {
		if wait := (pollers.Schedule{}).Next(age); wait < time.Second || wait > 10*time.Minute {
			t.Errorf("at %s it waits %s", age, wait)
		}
	}
}

func TestAnOrderIsOverdueFromItsDeadlineOn(t *testing.T) {
	for s, deadline := range map[pollers.Schedule]time.Duration{{}: 24 * time.Hour, {Deadline: time.Hour}: time.Hour} {
		if s.Overdue(deadline-1) || !s.Overdue(deadline) || !s.Overdue(deadline+time.Hour) {
			t.Errorf("%+v does not end at %s", s, deadline)
		}
	}
}

func TestJitterTakesUpToATenthOff(t *testing.T) {
	for _, wait := range []time.Duration{10 * time.Second, time.Minute, 10 * time.Minute} {
		lowest, highest := wait, time.Duration(0)
		for range 2000 {
			got := pollers.Jitter(wait)
			lowest, highest = min(lowest, got), max(highest, got)
		}
		if lowest < wait-wait/10 || highest > wait {
			t.Errorf("%s became %s to %s", wait, lowest, highest)
		}
		if highest-lowest < wait/20 {
			t.Errorf("%s is hardly spread: %s to %s", wait, lowest, highest)
		}
	}
	for _, wait := range []time.Duration{0, time.Second, 10*time.Second - 1} {
		if got := pollers.Jitter(wait); got != wait {
			t.Errorf("%s became %s: the queue counts in whole seconds", wait, got)
		}
	}
}
