package ledger

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"issuance/internal/keys"
	"issuance/tasks/order"
)

// An order's story can be read: what happened, when, and by whom.
func TestTheHistoryTellsTheStory(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		k := b.order()
		start := b.clock.Now()
		f := b.claim(t, k).Record.Fence
		b.submit(t, k, f)
		b.clock.pass(time.Second)
		a, err := b.GiveBack(b.ctx, k, f, Unknown, Reason{Code: "timeout"})
		applied(t, a, err)
		f = b.claim(t, k).Record.Fence
		a, err = b.Finish(b.ctx, k, f, Ending{State: order.Review, Reason: Reason{Code: "in_doubt"}})
		applied(t, a, err)
		a, err = b.Resolve(b.ctx, k, Resolution{State: order.Failed, Who: "ann", Reason: "never arrived"})
		applied(t, a, err)
		end := start.Add(time.Second)
		want := []Step{{start, "queued", "checkout"}, {start, "submitting", "attempt 1 by runner"}, {end, "unknown", "timeout"},
			{end, "review", "in_doubt"}, {end, "resolved", "failed by ann: never arrived"}}
		if got := b.load(t, k).History; fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("got  %v\nwant %v", got, want)
		}
	})
}

// What happens again and again is one line: an outage must not drown the story.
func TestARepeatedLineStandsOnce(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		k := b.order()
		for range 5 {
			f := b.claim(t, k).Record.Fence
			a, err := b.GiveBack(b.ctx, k, f, NotSent, Reason{Code: "dial"})
			applied(t, a, err)
			b.clock.pass(time.Minute)
		}
		h := b.load(t, k).History
		if len(h) != 2 || h[1].Event != "not_sent" || !h[1].At.Equal(b.load(t, k).CreatedAt) {
			t.Errorf("%v", h)
		}
	})
}

// A very long story keeps its beginning and its end, and every line that is left is a whole one.
func TestALongStoryIsCutInTheMiddle(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		k := b.order()
		long := strings.Repeat("é", 60) // a line's detail, in bytes twice as long
		whole := map[string]bool{}
		for i := range 300 {
			f := b.claim(t, k).Record.Fence
			code := fmt.Sprintf("n%d-%s", i, long)
			a, err := b.GiveBack(b.ctx, k, f, NotSent, Reason{Code: code})
			applied(t, a, err)
			whole[code] = true
		}
		raw := b.rdb.HGet(b.ctx, keys.Record(k), "history").Val()
		if len(raw) > 13_000 || !strings.HasSuffix(raw, "\n") {
			t.Errorf("the history has %d bytes", len(raw))
		}
		h := b.load(t, k).History
		if h[0].Event != "queued" || !strings.HasPrefix(h[1].Detail, "n0-") || !strings.HasPrefix(h[len(h)-1].Detail, "n299-") {
			t.Errorf("begins with %v, %v and ends with %v", h[0], h[1], h[len(h)-1])
		}
		cuts := 0
		for i, s := range h[1:] {
			switch {
			case s.Event == "…":
				cuts++
			case s.Event != "not_sent" || !whole[s.Detail] || s.At.IsZero():
				t.Errorf("line %d is %+v", i+1, s)
			}
		}
		if cuts != 1 {
			t.Errorf("%d marks of the cut", cuts)
		}
	})
}

// A line break in a code or in a reason cannot forge a line of its own.
func TestALineBreakForgesNoHistory(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		k := b.order()
		f := b.claim(t, k).Record.Fence
		a, err := b.Finish(b.ctx, k, f, Ending{State: order.Review, Reason: Reason{Code: "x\n1700000000000 issued y"}})
		applied(t, a, err)
		a, err = b.Resolve(b.ctx, k, Resolution{State: order.Failed, Who: "ann\r\n0 issued", Reason: "a\nb"})
		applied(t, a, err)
		h := b.load(t, k).History
		if len(h) != 3 || h[1].Event != "review" || h[2].Event != "resolved" {
			t.Errorf("%q", h)
		}
	})
}
