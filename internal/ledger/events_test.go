package ledger

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/testredis"
	"issuance/providers"
)

// A finished record has one event, is out of the open set, and expires; a review stays.
func TestAFinalRecordIsPublishedOnceAndExpires(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		for i, s := range []State{Issued, Failed, Review} {
			k := b.order()
			finished(s)(t, b, k)
			id := fmt.Sprintf("ecticket/%s/%s", k.OrderID, s)
			if ids := b.events(t); len(ids) != i+1 || ids[i] != id {
				t.Errorf("events %v, want %s last", ids, id)
			}
			ttl := b.rdb.PTTL(b.ctx, k.order()).Val()
			if s == Review && ttl >= 0 {
				t.Errorf("a review expires in %s", ttl)
			}
			if s != Review && (ttl <= 89*24*time.Hour || ttl > 90*24*time.Hour) {
				t.Errorf("%s expires in %s", s, ttl)
			}
		}
		if open := b.open(t); len(open) != 0 {
			t.Errorf("still open: %v", open)
		}
	})
}

// The event tells what a checkout needs, and nothing else.
func TestAnEventTellsTheEnd(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		k, rk := b.order(), b.refund()
		finished(Failed)(t, b, k)
		f := b.claimRefund(t, rk).Fence
		a, err := b.FinishRefund(b.ctx, rk, f, RefundEnding{State: Refunded, Refunded: 2})
		applied(t, a, err)
		list, err := b.Events(b.ctx, "0", 10, 0)
		must(t, err)
		at := b.clock.Now()
		want := []Event{
			{ID: "ecticket/" + k.OrderID + "/failed", Provider: providers.ECTicket, OrderID: k.OrderID, State: Failed, Code: "C", At: at},
			{ID: "ecticket/" + rk.OrderID + "/R1/refunded", Provider: providers.ECTicket, OrderID: rk.OrderID, RefundID: "R1", State: Refunded, At: at},
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
		finished(Issued)(t, b, k)
		f := b.claimRefund(t, rk).Fence
		a, err := b.FinishRefund(b.ctx, rk, f, RefundEnding{State: PartiallyRefunded, Refunded: 1})
		applied(t, a, err)
		must(t, b.rdb.Del(b.ctx, EventsKey).Err())
		for _, r := range []Ref{{Key: k}, Ref(rk)} {
			// As a crash between the transition and its event leaves it.
			must(t, b.rdb.HDel(b.ctx, r.record(), "event").Err())
			must(t, b.rdb.Persist(b.ctx, r.record()).Err())
			must(t, b.rdb.ZAdd(b.ctx, openKey(r.Provider), redis.Z{Score: 1, Member: r.openMember()}).Err())
		}
		c, err := b.Begin(b.ctx, k, intake("late"))
		if err != nil || c.Verdict != IsFinal || !c.EventDue {
			t.Errorf("%+v, %v", c, err)
		}
		if n := len(b.open(t)); n != 2 {
			t.Fatalf("%d open before the events are published", n)
		}
		for range 2 { // the second time marks nothing and appends nothing
			must(t, b.Publish(b.ctx, Ref{Key: k}))
			must(t, b.Publish(b.ctx, Ref(rk)))
		}
		if ids := b.events(t); !slices.Equal(ids, []string{"ecticket/" + k.OrderID + "/issued", "ecticket/" + rk.OrderID + "/R1/partially_refunded"}) {
			t.Errorf("events %v", ids)
		}
		if b.load(t, k).Event == "" || b.loadRefund(t, rk).Event == "" || len(b.open(t)) != 0 {
			t.Error("not marked, or still open")
		}
		if b.rdb.PTTL(b.ctx, k.order()).Val() <= 0 || b.rdb.PTTL(b.ctx, rk.refund()).Val() <= 0 || b.rdb.PTTL(b.ctx, rk.refunds()).Val() <= 0 {
			t.Error("kept for ever")
		}
		c, err = b.Begin(b.ctx, k, intake("late"))
		if err != nil || c.Verdict != IsFinal || c.EventDue {
			t.Errorf("%+v, %v", c, err)
		}
		if open := b.open(t); len(open) != 0 {
			t.Errorf("a task that came late left %v in the open set", open)
		}
	})
}

// An end whose event cannot be written is recorded all the same, says so, and stays open until the
// event is made up for.
func TestAnEndThatCannotBeToldStaysOpen(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		k, rk := b.order(), b.refund()
		f, rf := b.claim(t, k).Fence, b.claimRefund(t, rk).Fence
		must(t, b.rdb.Set(b.ctx, EventsKey, "no stream", 0).Err())
		if a, err := b.Finish(b.ctx, k, f, Ending{State: Failed}); err == nil || !a.Applied {
			t.Errorf("order: %+v, %v", a, err)
		}
		if a, err := b.FinishRefund(b.ctx, rk, rf, RefundEnding{State: Refunded}); err == nil || !a.Applied {
			t.Errorf("refund: %+v, %v", a, err)
		}
		must(t, b.rdb.Del(b.ctx, EventsKey).Err())
		if c, err := b.Begin(b.ctx, k, intake("late")); err != nil || c.Verdict != IsFinal || !c.EventDue {
			t.Errorf("%+v, %v", c, err)
		}
		if open := b.open(t); len(open) != 2 {
			t.Fatalf("open: %v", open)
		}
		for _, r := range []Ref{{Key: k}, Ref(rk)} {
			must(t, b.Publish(b.ctx, r))
		}
		if ids := b.events(t); !slices.Equal(ids, []string{"ecticket/" + k.OrderID + "/failed", "ecticket/" + rk.OrderID + "/R1/refunded"}) || len(b.open(t)) != 0 {
			t.Errorf("events %v, open %v", ids, b.open(t))
		}
	})
}

// Publish leaves alone what is not finished, or not there.
func TestOnlyFinalRecordsArePublished(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		k := b.order()
		b.claim(t, k)
		before := b.snapshot(t, Ref{Key: k})
		must(t, b.Publish(b.ctx, Ref{Key: k}))
		must(t, b.Publish(b.ctx, Ref{Key: b.order()}))
		if after := b.snapshot(t, Ref{Key: k}); after != before {
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
			f := b.claim(t, k).Fence
			slow := b.Ledger
			if between {
				// The decision is written, and the program that wrote it is still to publish it.
				slow = slowPublisher(t, b, func() {
					_, err := b.run(b.ctx, "resolve", []string{k.order()}, string(Issued), "ann", "seen in the back office")
					must(t, err)
				})
			}
			a, err := slow.Finish(b.ctx, k, f, Ending{State: Review, Reason: Reason{Code: "in_doubt"}})
			applied(t, a, err)
			if between {
				must(t, b.Publish(b.ctx, Ref{Key: k}))
			} else {
				a, err := b.Resolve(b.ctx, Ref{Key: k}, Resolution{State: Issued, Who: "ann", Reason: "seen in the back office"})
				applied(t, a, err)
			}
			ids := b.events(t)
			for _, s := range []State{Review, Issued} {
				if id := fmt.Sprintf("ecticket/%s/%s", k.OrderID, s); !slices.Contains(ids, id) {
					t.Errorf("between %t: no event %s in %v", between, id, ids)
				}
			}
			r := b.load(t, k)
			if r.State != Issued || r.ResolvedBy != "ann" || r.Resolved != "seen in the back office" || len(b.open(t)) != 0 {
				t.Errorf("%+v, open %v", r, b.open(t))
			}
			if b.rdb.PTTL(b.ctx, k.order()).Val() <= 0 {
				t.Error("a resolved record never expires")
			}
		}
	})
}

// slowPublisher is a ledger in which f happens between an event's way to the stream and its mark.
func slowPublisher(t testing.TB, b *bench, f func()) *Ledger {
	rdb := redis.NewClient(b.rdb.Options())
	t.Cleanup(func() { _ = rdb.Close() })
	rdb.AddHook(afterXAdd{f})
	l := New(rdb, b.opt)
	l.apart = true // where they are on one node, nothing can happen in between
	return l
}

type afterXAdd struct{ f func() }

func (afterXAdd) DialHook(next redis.DialHook) redis.DialHook { return next }

func (h afterXAdd) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := next(ctx, cmd)
		if cmd.Name() == "xadd" {
			h.f()
		}
		return err
	}
}

func (afterXAdd) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// A resolution that dies before its event leaves the record where the sweeper finds it.
func TestAResolutionIsNotOverlookedWhenItsEventIsLost(t *testing.T) {
	testredis.Each(t, func(t *testing.T, s *testredis.Server) {
		b := newBench(s, newClock())
		k := b.order()
		finished(Review)(t, b, k)
		// The stream cannot be written: its key holds something else.
		must(t, b.rdb.Del(b.ctx, EventsKey).Err())
		must(t, b.rdb.Set(b.ctx, EventsKey, "no stream", 0).Err())
		if _, err := b.Resolve(b.ctx, Ref{Key: k}, Resolution{State: Failed, Who: "ann", Reason: "r"}); err == nil {
			t.Fatal("no error")
		}
		must(t, b.rdb.Del(b.ctx, EventsKey).Err())
		b.clock.pass(time.Minute)
		due := b.due(t, providers.ECTicket, 10).Refs
		if !slices.Equal(due, []Ref{{Key: k}}) {
			t.Fatalf("due %v", due)
		}
		must(t, b.Publish(b.ctx, due[0]))
		if ids := b.events(t); !slices.Equal(ids, []string{"ecticket/" + k.OrderID + "/failed"}) {
			t.Errorf("events %v", ids)
		}
	})
}

// Nothing ends as what it cannot be: a typing error of an operator must not bring a record back.
func TestNothingEndsInAStateThatIsNoEnd(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		k, rk := b.order(), b.refund()
		finished(Review)(t, b, k)
		f := b.claimRefund(t, rk).Fence
		a, err := b.FinishRefund(b.ctx, rk, f, RefundEnding{State: Review})
		applied(t, a, err)
		live, liveRefund := b.order(), b.refund()
		fence, refundFence := b.claim(t, live).Fence, b.claimRefund(t, liveRefund).Fence
		before := b.snapshot(t, Ref{Key: k}) + b.snapshot(t, Ref(rk)) + b.snapshot(t, Ref{Key: live}) + b.snapshot(t, Ref(liveRefund))
		for _, s := range []State{"", "done", Queued, Submitting, Accepted, Refunded, PartiallyRefunded} {
			if _, err := b.Resolve(b.ctx, Ref{Key: k}, Resolution{State: s}); err == nil {
				t.Errorf("an order was resolved as %q", s)
			}
			if _, err := b.Finish(b.ctx, live, fence, Ending{State: s}); err == nil {
				t.Errorf("an order ended as %q", s)
			}
		}
		for _, s := range []State{"", Queued, Submitting, Accepted, Issued} {
			if _, err := b.Resolve(b.ctx, Ref(rk), Resolution{State: s}); err == nil {
				t.Errorf("a refund was resolved as %q", s)
			}
			if _, err := b.FinishRefund(b.ctx, liveRefund, refundFence, RefundEnding{State: s}); err == nil {
				t.Errorf("a refund ended as %q", s)
			}
		}
		if _, err := b.Resolve(b.ctx, Ref{Key: k}, Resolution{State: Review}); err == nil {
			t.Error("a review was resolved as a review")
		}
		if after := b.snapshot(t, Ref{Key: k}) + b.snapshot(t, Ref(rk)) + b.snapshot(t, Ref{Key: live}) + b.snapshot(t, Ref(liveRefund)); after != before {
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
		finished(Issued)(t, b, b.order())
		finished(Failed)(t, b, b.order())
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
		finished(Review)(t, b, b.order())
		var states []State
		for _, e := range slices.Concat(first, rest, <-last) {
			states = append(states, e.State)
		}
		if !slices.Equal(states, []State{Issued, Failed, Review}) {
			t.Errorf("read %v", states)
		}
	})
}
