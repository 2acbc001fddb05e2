package pollers

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"issuance/internal/testredis"
)

// Whatever happened before, with answers and wakes lost at any point: once the provider has issued
// everything and nothing more gets lost, every order is asked within the sentinel's silence, one
// interval of the schedule and the cascade.
func TestAnyHistory(t *testing.T) {
	rdb := testredis.Start(t).Client()
	rapid.Check(t, func(t *rapid.T) {
		ctx := context.Background()
		if err := rdb.FlushDB(ctx).Err(); err != nil {
			t.Fatal(err)
		}
		now := time.Unix(1_700_000_000, 0)
		s := NewSentinel(rdb, account, SentinelConfig{Every: every, Expected: expected, Now: func() time.Time { return now }})
		type order struct {
			id       string
			accepted time.Time
			issued   bool
			next     time.Time // its own poll
		}
		var pending []*order
		must := func(err error) {
			if err != nil {
				t.Fatal(err)
			}
		}
		// poll runs an order's poll task; what it wakes is polled at once, unless it gets lost.
		var poll func(o *order, lossy bool)
		wake := func(ids []string, lossy bool) {
			for _, id := range ids {
				if lossy && rapid.IntRange(0, 3).Draw(t, "lost") == 0 {
					continue
				}
				if i := slices.IndexFunc(pending, func(o *order) bool { return o.id == id }); i >= 0 {
					pending[i].next = now
				}
			}
		}
		poll = func(o *order, lossy bool) {
			o.next = now.Add(time.Minute)
			a, err := s.MaySkip(ctx, o.id, o.accepted, every, trust)
			must(err)
			wake(a.Wake, lossy)
			if a.Skip {
				if a.Sentinel {
					o.next = now.Add(a.Again)
				}
				return
			}
			if lossy && rapid.IntRange(0, 4).Draw(t, "dies") == 0 {
				o.next = now.Add(90 * time.Second)
				return
			}
			if !o.issued {
				a, err := s.StillPending(ctx, o.id, o.accepted, every)
				must(err)
				wake(a.Wake, lossy)
				if a.Sentinel {
					o.next = now.Add(a.Again)
				}
				return
			}
			woken, err := s.Finished(ctx, o.id, time.Time{})
			must(err)
			pending = slices.DeleteFunc(pending, func(p *order) bool { return p == o })
			wake(woken, lossy)
		}
		pass := func(d time.Duration, lossy bool) {
			for end := now.Add(d); now.Before(end); now = now.Add(time.Second) {
				for _, o := range slices.Clone(pending) {
					if !o.next.After(now) {
						poll(o, lossy)
					}
				}
			}
		}
		n := 0
		for range rapid.IntRange(1, 25).Draw(t, "steps") {
			switch rapid.SampledFrom([]string{"enter", "enter", "pass", "pass", "job", "odd", "forget"}).Draw(t, "step") {
			case "enter":
				n++
				o := &order{id: fmt.Sprintf("O%03d", n), accepted: now, next: now.Add(time.Minute)}
				oldest, err := s.Enter(ctx, o.id, o.accepted)
				must(err)
				if oldest {
					o.next = now.Add(every)
				}
				pending = append(pending, o)
			case "pass":
				pass(time.Duration(rapid.IntRange(1, 100).Draw(t, "seconds"))*time.Second, true)
			case "job":
				for _, o := range pending {
					o.issued = true
				}
			case "odd":
				if len(pending) > 0 {
					pending[rapid.IntRange(0, len(pending)-1).Draw(t, "which")].issued = true
				}
			case "forget":
				if rapid.IntRange(0, 3).Draw(t, "forgotten") == 0 {
					must(rdb.FlushDB(ctx).Err())
				}
			}
		}
		for _, o := range pending {
			o.issued = true
		}
		pass(90*time.Second+3*every+2*time.Minute, false)
		if len(pending) > 0 {
			t.Fatalf("%d orders are not noticed, %s among them", len(pending), pending[0].id)
		}
	})
}
