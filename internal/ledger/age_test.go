package ledger

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"issuance/internal/keys"
	"issuance/internal/testredis"
	"issuance/providers"
	"issuance/tasks/order"
)

// ttl is how long a key is kept; zero without an end, or when it is not there.
func (b *bench) ttl(key string) time.Duration { return max(0, b.rdb.PTTL(b.ctx, key).Val()) }

// about reports whether d is as long as want, give or take what the test takes.
func about(d, want time.Duration) bool { return d > want-time.Minute && d <= want }

// unclaimed reports what is left of a claim of r, in record and details.
func (b *bench) unclaimed(t *testing.T, r order.Ref) {
	t.Helper()
	for _, key := range []string{keys.Record(r), keys.Details(r)} {
		for _, name := range []string{"runner", "until", "phase", "solo"} {
			if b.rdb.HExists(b.ctx, key, name).Val() {
				t.Errorf("%s still has %s", key, name)
			}
		}
	}
}

// A settled record ages: its details expire first, the bare record later, a review neither.
func TestASettledRecordAges(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		for _, s := range situations {
			k := b.order()
			s.reach(t, b, k)
			details, record := b.ttl(keys.Details(k)), b.ttl(keys.Record(k))
			settled := s.name != "no record" && b.load(t, k).State.Settled()
			if settled && (!about(details, 90*day) || !about(record, 400*day)) || !settled && (details != 0 || record != 0) {
				t.Errorf("%s: details for %s, record for %s", s.name, details, record)
			}
			if n := b.rdb.Exists(b.ctx, keys.Details(k)).Val(); (n == 1) != settled {
				t.Errorf("%s: %d hashes of details", s.name, n)
			}
			if settled {
				b.unclaimed(t, k)
			}
		}
		// It can be read as before.
		k := b.order()
		resolvedOrder(t, b, k, order.Failed)
		if r := b.load(t, k); r.Document == "" || r.Result == "" || r.ReviewReason.Message == "" || r.Resolved == "" || len(r.History) != 4 || r.SentAt.IsZero() {
			t.Errorf("%+v", r)
		}
	})
}

// How long is configuration, and details are never kept longer than their record.
func TestHowLongRecordsAreKeptIsConfigured(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		for _, c := range []struct{ details, records, wantDetails, wantRecords time.Duration }{
			{time.Hour, 2 * time.Hour, time.Hour, 2 * time.Hour},
			{3 * time.Hour, time.Hour, 3 * time.Hour, 3 * time.Hour},
			{0, time.Hour, 90 * day, 90 * day},
			{time.Hour, 0, time.Hour, 400 * day},
		} {
			l := New(b.rdb, Options{Now: b.opt.Now, KeepDetails: c.details, KeepRecords: c.records})
			l.sharded = b.sharded
			k := b.order()
			f := b.claim(t, k).Record.Fence
			a, err := l.Finish(b.ctx, k, f, Ending{State: order.Failed})
			applied(t, a, err)
			if d, r := b.ttl(keys.Details(k)), b.ttl(keys.Record(k)); !about(d, c.wantDetails) || !about(r, c.wantRecords) {
				t.Errorf("%+v: details for %s, record for %s", c, d, r)
			}
		}
	})
}

// A review is kept until somebody decides, and ages from then on.
func TestAReviewAgesFromItsDecision(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		k, r := b.order(), b.refund()
		finished(order.Review)(t, b, k)
		ended(order.Review)(t, b, r)
		for ref, to := range map[order.Ref]order.State{k: order.Issued, r: order.Refunded} {
			must(t, b.Publish(b.ctx, ref))
			if b.ttl(keys.Record(ref)) != 0 || b.load(t, ref).Document == "" {
				t.Errorf("%s is in review and ages", ref)
			}
			a, err := b.Resolve(b.ctx, ref, Resolution{State: to, Who: "ann", Reason: "r"})
			applied(t, a, err)
			if d, rec := b.ttl(keys.Details(ref)), b.ttl(keys.Record(ref)); !about(d, 90*day) || !about(rec, 400*day) {
				t.Errorf("%s: details for %s, record for %s", ref, d, rec)
			}
		}
	})
}

// Publishing an end again, however late, keeps nothing longer.
func TestPublishingAgainKeepsNothingLonger(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		k := b.order()
		finished(order.Issued)(t, b, k)
		must(t, b.rdb.PExpire(b.ctx, keys.Details(k), time.Hour).Err())
		must(t, b.rdb.PExpire(b.ctx, keys.Record(k), 2*time.Hour).Err())
		must(t, b.Publish(b.ctx, k))
		if d, r := b.ttl(keys.Details(k)), b.ttl(keys.Record(k)); !about(d, time.Hour) || !about(r, 2*time.Hour) {
			t.Errorf("details for %s, record for %s", d, r)
		}
	})
}

// When the details are gone, what a late refund needs is still there: whose order it was, how it ended, the
// request's stub, the provider's id and the counts.
func TestABareRecordIsEnoughForALateRefund(t *testing.T) {
	s := testredis.Mini(t) // whose time can pass
	b := newBench(s, newClock())
	k := b.order()
	resolvedOrder(t, b, k, order.Issued)
	r := k.Refund("R1")
	f := b.plan(t, r, Plan{Sealed: "s1.k.plan", Count: 3, Baseline: 4})
	b.submit(t, r, f)
	a, err := b.Finish(b.ctx, r, f, Ending{State: order.PartiallyRefunded, Reason: Reason{"E", "m"}, Refunded: 2})
	applied(t, a, err)
	full, fullRefund := b.load(t, k), b.load(t, r)
	s.FastForward(91 * day)

	if got := b.left(t, s); len(got) != 0 {
		t.Errorf("after 91 days still in Redis: %v", got)
	}
	got := b.load(t, k)
	if got.State != order.Issued || got.ProviderRef != "P1" || string(got.Stub) != string(stub) || got.Fingerprint != full.Fingerprint ||
		!got.CreatedAt.Equal(full.CreatedAt) || !got.AcceptedAt.Equal(full.AcceptedAt) || !got.FinalAt.Equal(full.FinalAt) || got.Event != full.Event ||
		got.Attempts != 1 || got.Reason != (Reason{}) || got.ReviewReason != (Reason{Code: "in_doubt"}) ||
		fmt.Sprint(got.History) != fmt.Sprint([]Step{{At: full.CreatedAt, Event: "queued"}, {At: full.FinalAt, Event: "issued"}}) {
		t.Errorf("%+v", got)
	}
	got = b.load(t, r)
	if got.State != order.PartiallyRefunded || !got.Planned || got.Count != 3 || got.Baseline != 4 || got.Refunded != 2 || !got.BaselineAt.Equal(fullRefund.BaselineAt) {
		t.Errorf("%+v", got)
	}
	if list, err := b.Refunds(b.ctx, k); err != nil || len(list) != 1 {
		t.Errorf("%v, %v", list, err)
	}
	if known, err := b.Record(b.ctx, document(k)); err != nil || known.New || known.State != order.Issued || known.Fingerprint != "k.f" {
		t.Errorf("enqueued again: %+v, %v", known, err)
	}
	late := k.Refund("R2")
	if c := b.claim(t, late); c.Verdict != MaySend {
		t.Errorf("%+v", c)
	}
	a, err = b.Cancel(b.ctx, late, "ann", "r")
	applied(t, a, err)

	s.FastForward(401 * day)
	for _, ref := range []order.Ref{k, r, late} {
		if _, err := b.Load(b.ctx, ref); !errors.Is(err, ErrNotFound) {
			t.Errorf("%s after its time: %v", ref, err)
		}
	}
	s.FastForward(31 * day) // what leads to them lasts to the end of its month
	for _, key := range b.rdb.Keys(b.ctx, "*").Val() {
		if key != keys.Events {
			t.Errorf("%s is left", key)
		}
	}
}

// The list of an order's refunds lives as long as the last of them: while one is unfinished or in review it
// stays, however long ago others ended, and those that are gone leave it.
func TestTheListOfRefundsLivesAsLongAsItsRefunds(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		k := b.order()
		review, open, done := k.Refund("R1"), k.Refund("R2"), k.Refund("R3")
		ended(order.Review)(t, b, review)
		b.record(t, open)
		list := keys.Refunds(k)
		ended(order.Refunded)(t, b, done)
		if d := b.ttl(list); d != 0 {
			t.Errorf("with one in review and one queued the list expires in %s", d)
		}
		a, err := b.Cancel(b.ctx, open, "ann", "r")
		applied(t, a, err)
		if d := b.ttl(list); d != 0 {
			t.Errorf("with one in review the list expires in %s", d)
		}
		must(t, b.rdb.Del(b.ctx, keys.Record(done)).Err()) // as if its time were over
		a, err = b.Resolve(b.ctx, review, Resolution{State: order.Failed, Who: "ann", Reason: "r"})
		applied(t, a, err)
		if d := b.ttl(list); !about(d, 400*day) {
			t.Errorf("with none left the list expires in %s", d)
		}
		if ids := b.rdb.ZRange(b.ctx, list, 0, -1).Val(); fmt.Sprint(ids) != "[R1 R2]" {
			t.Errorf("listed: %v", ids)
		}
		b.record(t, k.Refund("R4"))
		if d := b.ttl(list); d != 0 {
			t.Errorf("with a new one the list expires in %s", d)
		}
	})
}

// A refund of thousands of tickets ages like any other.
func TestARefundOfManyTicketsAges(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		const tickets = 3000
		k := b.refund()
		p := Plan{Count: tickets}
		for range tickets {
			p.Tickets = append(p.Tickets, PlannedTicket{State: order.TicketRejected, Code: "redeemed"})
		}
		f := b.plan(t, k, p)
		a, err := b.Finish(b.ctx, k, f, Ending{State: order.Failed})
		applied(t, a, err)
		if r := b.load(t, k); len(r.Tickets) != tickets || r.Tickets[tickets-1].Code != "redeemed" {
			t.Errorf("%d tickets are left", len(r.Tickets))
		}
		if n := b.rdb.HLen(b.ctx, keys.Record(k)).Val(); n > 30 {
			t.Errorf("the bare record has %d fields", n)
		}
		b.unclaimed(t, k)
	})
}

// Counts are not among the details.
func TestABareRecordKeepsItsCounts(t *testing.T) {
	s := testredis.Mini(t) // whose time can pass
	b := newBench(s, newClock())
	k := b.order()
	f := b.claim(t, k).Record.Fence
	b.submit(t, k, f)
	a, err := b.Finish(b.ctx, k, f, Ending{State: order.Issued, ProviderRef: "P1", Found: providers.FoundIssued})
	applied(t, a, err)
	s.FastForward(91 * day)
	if r := b.load(t, k); r.Polls != 1 || r.Attempts != 1 || r.Document != "" {
		t.Errorf("%+v", r)
	}
}
