package vtime

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var start = time.Unix(1_700_000_000, 0)

// Processes run one at a time, in the order of their moments, and a day passes in no time.
func TestOrder(t *testing.T) {
	c := New(start)
	var got []string
	say := func(who string) { got = append(got, fmt.Sprintf("%s %s", who, c.Now().Sub(start))) }
	c.Go(func() {
		say("a")
		c.Sleep(2 * time.Hour)
		c.Go(func() { say("child") })
		say("a")
		c.Sleep(22 * time.Hour)
		say("a")
	})
	c.Go(func() {
		c.Sleep(time.Hour)
		say("b")
		c.Sleep(time.Hour)
		say("b")
	})
	if !c.Run(48 * time.Hour) {
		t.Error("it did not end by itself")
	}
	want := []string{"a 0s", "b 1h0m0s", "a 2h0m0s", "b 2h0m0s", "child 2h0m0s", "a 24h0m0s"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// What sleeps when the simulation ends runs its deferred calls and no more.
func TestEnd(t *testing.T) {
	for name, stop := range map[string]bool{"stopped": true, "out of time": false} {
		t.Run(name, func(t *testing.T) {
			c := New(start)
			var cleaned, woke int
			for range 3 {
				c.Go(func() {
					defer func() { cleaned++ }()
					c.Sleep(time.Hour)
					woke++
				})
			}
			c.Go(func() {
				c.Sleep(time.Minute)
				if stop {
					c.Stop()
				}
			})
			if c.Run(2*time.Minute) != stop || cleaned != 3 || woke != 0 || c.Now().Sub(start) != time.Minute {
				t.Errorf("%d cleaned, %d woke, at %s", cleaned, woke, c.Now().Sub(start))
			}
		})
	}
}
