package ledger

import (
	"slices"
	"strings"
	"testing"
	"time"

	"issuance/internal/keys"
	"issuance/internal/testredis"
	"issuance/tasks/order"
)

// secrets are what the tests below put into records, and an erasure removes.
var secrets = []string{"s1.k.doc", "s1.k.result", "s1.k.plan", "Ms Chen", "asked by Ms Lin"}

// left lists the secrets that are anywhere in Redis.
func (b *bench) left(t testing.TB, s *testredis.Server) (found []string) {
	t.Helper()
	for _, text := range s.Dump(b.ctx) {
		for _, secret := range secrets {
			if strings.Contains(text, secret) && !slices.Contains(found, secret) {
				found = append(found, secret)
			}
		}
	}
	slices.Sort(found)
	return found
}

// eachServer is each, for tests that look at everything in Redis.
func eachServer(t *testing.T, run func(t *testing.T, b *bench, s *testredis.Server)) {
	t.Helper()
	testredis.Each(t, func(t *testing.T, s *testredis.Server) { run(t, newBench(s, newClock()), s) })
	t.Run("clustered", func(t *testing.T) {
		s := testredis.Mini(t)
		b := newBench(s, newClock())
		b.sharded = true
		run(t, b, s)
	})
}

// resolvedOrder is an order that a person has decided, with everything personal a record can hold.
func resolvedOrder(t testing.TB, b *bench, k order.Ref, s order.State) {
	t.Helper()
	f := b.claim(t, k).Record.Fence
	b.submit(t, k, f)
	a, err := b.Finish(b.ctx, k, f, Ending{State: order.Review, Reason: Reason{"in_doubt", "no answer for Ms Chen"}, ProviderRef: "P1", Result: "s1.k.result"})
	applied(t, a, err)
	a, err = b.Resolve(b.ctx, k, Resolution{State: s, Who: "ann", Reason: "asked by Ms Lin: it is so"})
	applied(t, a, err)
}

// An erasure removes what belongs to the customer from all of Redis and says what that was; that there was
// such an order, how it ended and what refunds it stays.
func TestAnErasureRemovesTheCustomersData(t *testing.T) {
	eachServer(t, func(t *testing.T, b *bench, s *testredis.Server) {
		k := b.order()
		resolvedOrder(t, b, k, order.Issued)
		before := b.load(t, k)
		if got := b.left(t, s); len(got) != 4 {
			t.Fatalf("the test put only %v into Redis", got)
		}
		b.clock.pass(time.Hour)
		e, err := b.Erase(b.ctx, k, "bob")
		if err != nil || !e.Applied || e.State != order.Issued || !e.At.Equal(b.clock.Now()) ||
			!slices.Equal(e.Removed, []string{"doc", "result", "review_message", "resolved_reason"}) {
			t.Errorf("%+v, %v", e, err)
		}
		if got := b.left(t, s); len(got) != 0 {
			t.Errorf("still in Redis: %v", got)
		}
		r := b.load(t, k)
		if r.State != before.State || r.ProviderRef != "P1" || string(r.Stub) != string(stub) || r.Fingerprint != before.Fingerprint || r.ReviewReason != (Reason{Code: "in_doubt"}) ||
			r.ResolvedBy != "ann" || !r.FinalAt.Equal(before.FinalAt) || r.Event != before.Event || !r.ErasedAt.Equal(b.clock.Now()) {
			t.Errorf("%+v", r)
		}
		var story []string
		for _, step := range r.History {
			story = append(story, step.Event+" "+step.Detail)
		}
		if want := []string{"queued checkout", "submitting attempt 1 by runner", "review in_doubt", "resolved issued by ann", "erased by bob"}; !slices.Equal(story, want) {
			t.Errorf("history %q, want %q", story, want)
		}

		b.clock.pass(time.Hour)
		again, err := b.Erase(b.ctx, k, "bob")
		if err != nil || !again.Applied || len(again.Removed) != 0 || !again.At.Equal(e.At) {
			t.Errorf("a second time: %+v, %v", again, err)
		}
	})
}

// The same for a refund, whose plan holds the numbers of its tickets.
func TestAnErasureOfARefund(t *testing.T) {
	eachServer(t, func(t *testing.T, b *bench, s *testredis.Server) {
		r := b.refund()
		f := b.plan(t, r, twoTickets)
		a, err := b.Finish(b.ctx, r, f, Ending{State: order.PartiallyRefunded, Reason: Reason{"E", "Ms Chen"}, Refunded: 1})
		applied(t, a, err)
		e, err := b.Erase(b.ctx, r, "bob")
		if err != nil || !e.Applied || !slices.Equal(e.Removed, []string{"doc", "plan", "message"}) {
			t.Errorf("%+v, %v", e, err)
		}
		if got := b.left(t, s); len(got) != 0 {
			t.Errorf("still in Redis: %v", got)
		}
		if rec := b.load(t, r); rec.State != order.PartiallyRefunded || rec.Refunded != 1 || rec.Count != 2 || rec.Plan != "" || rec.Document != "" || len(rec.Tickets) != 2 {
			t.Errorf("%+v", rec)
		}
	})
}

// A record that is needed to find out what is true is not erased, whatever its state.
func TestWhatIsNotDecidedIsNotErased(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		for _, s := range situations {
			k := b.order()
			s.reach(t, b, k)
			before := b.snapshot(t, k)
			e, err := b.Erase(b.ctx, k, "bob")
			may := slices.Contains([]string{"accepted", "accepted, being polled", "issued", "failed", "cancelled"}, s.name)
			if err != nil || e.Applied != may || may && len(e.Removed) == 0 {
				t.Errorf("%s: %+v, %v", s.name, e, err)
			}
			if !may && b.snapshot(t, k) != before {
				t.Errorf("%s: refused, and the record changed", s.name)
			}
		}
		for _, s := range refundSituations {
			k := b.refund()
			s.reach(t, b, k)
			e, err := b.Erase(b.ctx, k, "bob")
			may := slices.Contains([]string{"refunded", "partly", "failed", "cancelled"}, s.name)
			if err != nil || e.Applied != may || (e.State == "") != (s.name == "no record") {
				t.Errorf("%s: %+v, %v", s.name, e, err)
			}
		}
		// An end that is not published yet is about to change.
		k := b.order()
		finished(order.Failed)(t, b, k)
		must(t, b.rdb.HDel(b.ctx, keys.Record(k), "event").Err())
		if e, err := b.Erase(b.ctx, k, "bob"); err != nil || e.Applied {
			t.Errorf("unpublished: %+v, %v", e, err)
		}
		// Without a stub an accepted order is found by its document only.
		k = b.order()
		in := document(k)
		in.Stub = nil
		if known, err := b.Record(b.ctx, in); err != nil || !known.New {
			t.Fatalf("%+v, %v", known, err)
		}
		f := b.claim(t, k).Record.Fence
		a, _, err := b.Submit(b.ctx, k, f, Intent{Host: host, Lease: lease, Ticket: -1})
		applied(t, a, err)
		a, err = b.Accept(b.ctx, k, f, Acceptance{ProviderRef: "ref"})
		applied(t, a, err)
		if e, err := b.Erase(b.ctx, k, "bob"); err != nil || e.Applied {
			t.Errorf("accepted without a stub: %+v, %v", e, err)
		}
		// What was found under its number is recognised by the customer.
		k = b.order()
		f = b.claim(t, k).Record.Fence
		a, _, err = b.Submit(b.ctx, k, f, Intent{Host: host, Lease: lease, Ticket: -1})
		applied(t, a, err)
		a, err = b.Accept(b.ctx, k, f, Acceptance{Unproven: true})
		applied(t, a, err)
		if e, err := b.Erase(b.ctx, k, "bob"); err != nil || e.Applied {
			t.Errorf("accepted and still to be recognised: %+v, %v", e, err)
		}
	})
}

// An accepted order that was erased goes on to its end, and its result is not stored any more.
func TestAnErasedOrderStaysErased(t *testing.T) {
	eachServer(t, func(t *testing.T, b *bench, s *testredis.Server) {
		k := b.order()
		f := b.claim(t, k).Record.Fence
		b.submit(t, k, f)
		a, err := b.Accept(b.ctx, k, f, Acceptance{ProviderRef: "ref", Result: "s1.k.result"})
		applied(t, a, err)
		e, err := b.Erase(b.ctx, k, "bob")
		if err != nil || !e.Applied || !slices.Equal(e.Removed, []string{"doc", "result"}) {
			t.Fatalf("%+v, %v", e, err)
		}
		a, err = b.Polled(b.ctx, k, "", Reason{}, Idle)
		applied(t, a, err)
		a, err = b.Finish(b.ctx, k, "", Ending{State: order.Issued, ProviderRef: "ref", Result: "s1.k.result"})
		applied(t, a, err)
		if got := b.left(t, s); len(got) != 0 {
			t.Errorf("in Redis again: %v", got)
		}
		if r := b.load(t, k); r.State != order.Issued || r.ProviderRef != "ref" || r.ErasedAt.IsZero() {
			t.Errorf("%+v", r)
		}
	})
}

// What people wrote about an order leaves its history with the rest; who decided what, and the erasure itself, stay.
func TestAnErasureRemovesTheReasonsOfDecisions(t *testing.T) {
	eachServer(t, func(t *testing.T, b *bench, _ *testredis.Server) {
		k := b.order()
		resolvedOrder(t, b, k, order.Issued)
		for _, d := range []Decision{{What: "retry", Ref: k, Who: "ann", Reason: "Ms \"Lin\""}, {What: "resolve as failed", Ref: k.Refund("R1"), Who: "cho", Reason: "Mr Wu"}} {
			must(t, b.Decided(b.ctx, d))
		}
		_, err := b.Erase(b.ctx, k, "bob")
		must(t, err)
		must(t, b.Decided(b.ctx, Decision{What: "erase", Ref: k, Who: "bob", Reason: "asked"}))
		_, err = b.Erase(b.ctx, k, "bob")
		must(t, err)
		list, err := b.Decisions(b.ctx, k)
		must(t, err)
		var got []string
		for _, d := range list {
			got = append(got, d.What+" by "+d.Who+": "+d.Reason+" "+d.RefundID)
		}
		if want := []string{"retry by ann:  ", "resolve as failed by cho:  R1", "erase by bob: asked "}; !slices.Equal(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	})
}
