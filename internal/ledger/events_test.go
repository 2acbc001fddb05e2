package ledger

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/keys"
	"issuance/internal/testredis"
	"issuance/tasks/order"
)

// A finished record has one event, is out of the open set, and expires; a review stays.
func TestAFinalRecordIsPublishedOnceAndExpires(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		for i, s := range []order.State{order.Issued, order.Failed, order.Review} {
			k := b.order()
			finished(s)(t, b, k)
			id := fmt.Sprintf("%s/%s/1", k, s)
			if ids := b.events(t); len(ids) != i+1 || ids[i] != id {
				t.Errorf("events %v, want %s last", ids, id)
			}
			ttl := b.rdb.PTTL(b.ctx, keys.Record(k)).Val()
			if s == order.Review && ttl >= 0 {
				t.Errorf("a review expires in %s", ttl)
			}
			if s != order.Review && (ttl <= 399*24*time.Hour || ttl > 400*24*time.Hour) {
				t.Errorf("%s expires in %s", s, ttl)
			}
		}
		if open := b.open(t); len(open) != 0 {
			t.Errorf("still open: %v", open)
		}
	})
}

// The event holds what a checkout needs, and nothing else.
func TestAnEventReportsTheEnd(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		k, rk := b.order(), b.refund()
		finished(order.Failed)(t, b, k)
		f := b.claim(t, rk).Record.Fence
		a, err := b.Finish(b.ctx, rk, f, Ending{State: order.Refunded, Refunded: 2})
		applied(t, a, err)
		list, err := b.Events(b.ctx, "0", 10, 0)
		must(t, err)
		at := b.clock.Now()
		want := []Event{
			{ID: k.String() + "/failed/1", Ref: k, State: order.Failed, Code: "C", At: at},
			{ID: rk.String() + "/refunded/1", Ref: rk, State: order.Refunded, At: at},
		}
		for i := range list {
			if list[i].StreamID == "" {
				t.Error("no stream id")
			}
			list[i].StreamID = ""
		}
		if !slices.Equal(list, want) {
			t.Errorf("got %+v\nwant %+v", list, want)
		}
	})
}

// An event whose publishing failed is due, and Publish makes up for it.
func TestAnEventThatWasNotPublishedIsMadeUpFor(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		k, rk := b.order(), b.refund()
		finished(order.Issued)(t, b, k)
		f := b.claim(t, rk).Record.Fence
		a, err := b.Finish(b.ctx, rk, f, Ending{State: order.PartiallyRefunded, Refunded: 1})
		applied(t, a, err)
		must(t, b.rdb.Del(b.ctx, keys.Events).Err())
		for _, r := range []order.Ref{k, rk} {
			// As a crash between the transition and its event leaves it.
			must(t, b.rdb.HDel(b.ctx, keys.Record(r), "event").Err())
			must(t, b.rdb.Persist(b.ctx, keys.Record(r)).Err())
			must(t, b.rdb.ZAdd(b.ctx, keys.Open(shop), redis.Z{Score: 1, Member: keys.Member(r)}).Err())
		}
		c, err := b.begin(k, "late")
		if err != nil || c.Verdict != IsFinal || c.Record.Event != "" {
			t.Errorf("%+v, %v", c, err)
		}
		if n := len(b.open(t)); n != 2 {
			t.Fatalf("%d open before the events are published", n)
		}
		for range 2 { // the second time marks nothing and appends nothing
			must(t, b.Publish(b.ctx, k))
			must(t, b.Publish(b.ctx, rk))
		}
		if ids := b.events(t); !slices.Equal(ids, []string{k.String() + "/issued/1", rk.String() + "/partially_refunded/1"}) {
			t.Errorf("events %v", ids)
		}
		if b.load(t, k).Event == "" || b.load(t, rk).Event == "" || len(b.open(t)) != 0 {
			t.Error("not marked, or still open")
		}
		if b.rdb.PTTL(b.ctx, keys.Record(k)).Val() <= 0 || b.rdb.PTTL(b.ctx, keys.Record(rk)).Val() <= 0 || b.rdb.PTTL(b.ctx, keys.Refunds(rk)).Val() <= 0 {
			t.Error("kept for ever")
		}
		c, err = b.begin(k, "late")
		if err != nil || c.Verdict != IsFinal || c.Record.Event == "" {
			t.Errorf("%+v, %v", c, err)
		}
		if open := b.open(t); len(open) != 0 {
			t.Errorf("a task that came late left %v in the open set", open)
		}
	})
}

// An end whose event cannot be written is recorded all the same, says so, and stays open until the
// event is made up for.
func TestAnEndThatCannotBePublishedStaysOpen(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		k, rk := b.order(), b.refund()
		f, rf := b.claim(t, k).Record.Fence, b.claim(t, rk).Record.Fence
		must(t, b.rdb.Set(b.ctx, keys.Events, "no stream", 0).Err())
		if a, err := b.Finish(b.ctx, k, f, Ending{State: order.Failed}); err == nil || !a.Applied {
			t.Errorf("order: %+v, %v", a, err)
		}
		if a, err := b.Finish(b.ctx, rk, rf, Ending{State: order.Refunded}); err == nil || !a.Applied {
			t.Errorf("refund: %+v, %v", a, err)
		}
		b.unclaimed(t, k)
		b.unclaimed(t, rk)
		must(t, b.rdb.Del(b.ctx, keys.Events).Err())
		if c, err := b.begin(k, "late"); err != nil || c.Verdict != IsFinal || c.Record.Event != "" {
			t.Errorf("%+v, %v", c, err)
		}
		if open := b.open(t); len(open) != 2 {
			t.Fatalf("open: %v", open)
		}
		for _, r := range []order.Ref{k, rk} {
			must(t, b.Publish(b.ctx, r))
		}
		if ids := b.events(t); !slices.Equal(ids, []string{k.String() + "/failed/1", rk.String() + "/refunded/1"}) || len(b.open(t)) != 0 {
			t.Errorf("events %v, open %v", ids, b.open(t))
		}
	})
}

// Publish leaves alone what is not finished, or not there.
func TestOnlyFinalRecordsArePublished(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		k := b.order()
		b.claim(t, k)
		before := b.snapshot(t, k)
		must(t, b.Publish(b.ctx, k))
		must(t, b.Publish(b.ctx, b.order()))
		if after := b.snapshot(t, k); after != before {
			t.Errorf("changed\n%s\ninto\n%s", before, after)
		}
	})
}

// A resolution is a new end with an event of its own, even when it comes while the event of the
// review is just being published.
func TestAResolutionIsPublishedInEveryOrderOfThings(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		for _, between := range []bool{false, true} {
			k := b.order()
			f := b.claim(t, k).Record.Fence
			slow := b.Ledger
			if between {
				// The decision comes before the review is marked as published.
				slow = slowPublisher(t, b, func() {
					a, err := b.Resolve(b.ctx, k, Resolution{State: order.Issued, Who: "ann", Reason: "seen in the back office"})
					applied(t, a, err)
				})
			}
			a, err := slow.Finish(b.ctx, k, f, Ending{State: order.Review, Reason: Reason{Code: "in_doubt"}})
			applied(t, a, err)
			if between {
				must(t, b.Publish(b.ctx, k))
			} else {
				a, err := b.Resolve(b.ctx, k, Resolution{State: order.Issued, Who: "ann", Reason: "seen in the back office"})
				applied(t, a, err)
			}
			ids := b.events(t)
			for n, s := range []order.State{order.Review, order.Issued} {
				if id := fmt.Sprintf("%s/%s/%d", k, s, n+1); !slices.Contains(ids, id) {
					t.Errorf("between %t: no event %s in %v", between, id, ids)
				}
			}
			r := b.load(t, k)
			if r.State != order.Issued || r.ResolvedBy != "ann" || r.Resolved != "seen in the back office" || len(b.open(t)) != 0 {
				t.Errorf("%+v, open %v", r, b.open(t))
			}
			if b.rdb.PTTL(b.ctx, keys.Record(k)).Val() <= 0 {
				t.Error("a resolved record never expires")
			}
		}
	})
}

// slowPublisher is a ledger in which f happens between an event's way to the stream and its mark.
func slowPublisher(t testing.TB, b *bench, f func()) *Ledger {
	rdb := redis.NewClient(b.rdb.Options())
	t.Cleanup(func() { _ = rdb.Close() })
	rdb.AddHook(afterXAdd{f: f})
	l := New(rdb, b.opt)
	l.sharded = true // where they are on one node, nothing can happen in between
	return l
}

type afterXAdd struct {
	testredis.Hook
	f func()
}

func (h afterXAdd) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := next(ctx, cmd)
		if cmd.Name() == "xadd" {
			h.f()
		}
		return err
	}
}

// A resolution that dies before its event leaves the record where the sweeper finds it.
func TestAResolutionIsNotOverlookedWhenItsEventIsLost(t *testing.T) {
	testredis.Each(t, func(t *testing.T, s *testredis.Server) {
		b := newBench(s, newClock())
		k := b.order()
		finished(order.Review)(t, b, k)
		// The stream cannot be written: its key holds something else.
		must(t, b.rdb.Del(b.ctx, keys.Events).Err())
		must(t, b.rdb.Set(b.ctx, keys.Events, "no stream", 0).Err())
		if _, err := b.Resolve(b.ctx, k, Resolution{State: order.Failed, Who: "ann", Reason: "r"}); err == nil {
			t.Fatal("no error")
		}
		must(t, b.rdb.Del(b.ctx, keys.Events).Err())
		b.clock.pass(time.Minute)
		due := b.due(t, shop, 10).Refs
		if !slices.Equal(due, []order.Ref{k}) {
			t.Fatalf("due %v", due)
		}
		must(t, b.Publish(b.ctx, due[0]))
		if ids := b.events(t); !slices.Equal(ids, []string{k.String() + "/failed/2"}) {
			t.Errorf("events %v", ids)
		}
	})
}

// Nothing ends as what it cannot be: a typing error of an operator must not bring a record back.
func TestNothingEndsInAStateThatIsNoEnd(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		k, rk := b.order(), b.refund()
		finished(order.Review)(t, b, k)
		f := b.claim(t, rk).Record.Fence
		a, err := b.Finish(b.ctx, rk, f, Ending{State: order.Review})
		applied(t, a, err)
		live, liveRefund := b.order(), b.refund()
		fence, refundFence := b.claim(t, live).Record.Fence, b.claim(t, liveRefund).Record.Fence
		before := b.snapshot(t, k) + b.snapshot(t, rk) + b.snapshot(t, live) + b.snapshot(t, liveRefund)
		for _, s := range []order.State{"", "done", order.Queued, order.Submitting, order.Accepted, order.Cancelled, order.Refunded, order.PartiallyRefunded} {
			if _, err := b.Resolve(b.ctx, k, Resolution{State: s}); err == nil {
				t.Errorf("an order was resolved as %q", s)
			}
			if _, err := b.Finish(b.ctx, live, fence, Ending{State: s}); err == nil {
				t.Errorf("an order ended as %q", s)
			}
		}
		for _, s := range []order.State{"", order.Queued, order.Submitting, order.Accepted, order.Cancelled, order.Issued} {
			if _, err := b.Resolve(b.ctx, rk, Resolution{State: s}); err == nil {
				t.Errorf("a refund was resolved as %q", s)
			}
			if _, err := b.Finish(b.ctx, liveRefund, refundFence, Ending{State: s}); err == nil {
				t.Errorf("a refund ended as %q", s)
			}
		}
		if _, err := b.Resolve(b.ctx, k, Resolution{State: order.Review}); err == nil {
			t.Error("a review was resolved as a review")
		}
		if after := b.snapshot(t, k) + b.snapshot(t, rk) + b.snapshot(t, live) + b.snapshot(t, liveRefund); after != before {
			t.Errorf("changed\n%s\ninto\n%s", before, after)
		}
	})
}

// A reader gets what came after its place, waits for what is to come, and is not kept when there is nothing.
func TestEventsAreReadFromAPlace(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		if e, err := b.Events(b.ctx, "0", 10, 0); err != nil || e != nil {
			t.Errorf("an empty stream: %v, %v", e, err)
		}
		finished(order.Issued)(t, b, b.order())
		finished(order.Failed)(t, b, b.order())
		first, err := b.Events(b.ctx, "0", 1, 0)
		must(t, err)
		rest, err := b.Events(b.ctx, first[0].StreamID, 10, 0)
		must(t, err)
		if len(rest) != 1 {
			t.Fatalf("after the first: %v", rest)
		}
		last := make(chan []Event, 1)
		go func() {
			e, _ := b.Events(b.ctx, rest[0].StreamID, 10, 5*time.Second)
			last <- e
		}()
		finished(order.Review)(t, b, b.order())
		var states []order.State
		for _, e := range slices.Concat(first, rest, <-last) {
			states = append(states, e.State)
		}
		if !slices.Equal(states, []order.State{order.Issued, order.Failed, order.Review}) {
			t.Errorf("read %v", states)
		}
	})
}
