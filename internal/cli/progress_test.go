package cli

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Where there is no terminal, a line is printed every few seconds, and none with --json.
func TestProgressWithoutATerminal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var text bytes.Buffer
		a := &app{err: &text}
		done := int64(0)
		stop := a.follow(func() state { done += 20; return state{done: done, all: 80, text: "some lines"} })
		time.Sleep(2*lineEvery + time.Second) // the bubble's clock
		stop()
		time.Sleep(2 * lineEvery)
		if want := "enqueue: 25%, some lines\nenqueue: 50%, some lines\n"; text.String() != want {
			t.Errorf("%q, want %q", text.String(), want)
		}
		text.Reset()
		a.json = true
		stop = a.follow(func() state { return state{text: "some lines"} })
		time.Sleep(2 * lineEvery)
		stop()
		if text.Len() > 0 {
			t.Errorf("with --json: %q", text.String())
		}
	})
}

// A bar shows how far it is and goes away when all is done; without a known end it still turns.
func TestTheBar(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, all := range []int64{100, 0} {
			var text bytes.Buffer
			a := &app{err: &text}
			done := int64(0)
			stop := a.followBar(func() state { done = min(done+10, 100); return state{done: done, all: all, text: "some lines"} })
			time.Sleep(5*barEvery + barEvery/2)
			synctest.Wait()
			shown := text.String()
			if !strings.Contains(shown, "some lines") || all > 0 && !strings.Contains(shown, "50%") || strings.Contains(shown, "\n") {
				t.Errorf("of %d: %q", all, shown)
			}
			stop()
			if cleared := strings.TrimPrefix(text.String(), shown); cleared == "" || strings.Contains(cleared, "lines") {
				t.Errorf("of %d, at the end: %q", all, cleared)
			}
		}
	})
}

// What knows better than the bar how long it takes is not contradicted by it.
func TestTheBarLeavesEstimatesToWhoKnowsBetter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, estimated := range []bool{false, true} {
			var text bytes.Buffer
			a := &app{err: &text}
			done := int64(0)
			stop := a.followBar(func() state { done++; return state{done: done, all: 100, text: "some lines", estimated: estimated} })
			time.Sleep(20 * barEvery)
			synctest.Wait()
			shown := text.String()
			stop()
			if guessed := strings.Contains(shown, "s:"); guessed == estimated {
				t.Errorf("estimated %t: %q", estimated, shown)
			}
		}
	})
}

func TestNumbersForPeople(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", -1234: "-1,234", 1234567: "1,234,567"} {
		if got := thousands(n); got != want {
			t.Errorf("%d is %s, want %s", n, got, want)
		}
	}
	for d, want := range map[time.Duration]string{
		0: "0 s", 400 * time.Millisecond: "1 s", 119 * time.Second: "119 s", 2 * time.Minute: "2 min",
		5000 * time.Second: "84 min", // 10,000 orders of 2 calls at 4 calls/s
		3 * time.Hour:      "3 h 0 min", 50000 * time.Second: "13 h 54 min",
	} {
		if got := about(d); got != want {
			t.Errorf("%s is about %s, want %s", d, got, want)
		}
	}
}

func TestBits(t *testing.T) {
	var b bits
	for _, n := range []int{0, 63, 64, 1000} {
		if b.has(n) {
			t.Errorf("%d is set", n)
		}
		if b.set(n); !b.has(n) || b.has(n+1) {
			t.Errorf("%d: %t, %d: %t", n, b.has(n), n+1, b.has(n+1))
		}
	}
}
