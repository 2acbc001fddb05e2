package ledger

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"issuance/internal/keys"
	"issuance/tasks/order"
)

// Everything that is written is read back: through a whole life every field of an order's record
// holds what was put there.
func TestAnOrdersRecordIsReadBack(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		k := b.order()
		at := func() time.Time { return b.clock.Now() }
		created := at()
		f := b.claim(t, k).Record.Fence
		b.submit(t, k, f)
		a, err := b.GiveBack(b.ctx, k, f, Unknown, Reason{Code: "timeout", Message: "no answer"})
		applied(t, a, err)
		doubt := at()
		b.clock.pass(time.Second)
		f = b.claim(t, k).Record.Fence
		b.submit(t, k, f)
		sent := at()
		b.clock.pass(lease)
		f = b.claim(t, k).Record.Fence
		taken := at()

		got := b.load(t, k)
		if len(got.History) != 5 {
			t.Errorf("history %+v", got.History)
		}
		got.History = nil
		want := &Record{Ref: k, State: order.Submitting, Lane: "checkout", Fingerprint: "k.f", Shape: json.RawMessage(`{"n":1}`),
			Document: "s1.k.doc", Stub: stub, Host: host, Trace: "00-trace-01", Fence: "3", Runner: "runner", Until: taken.Add(lease), Attempts: 2, Doubts: 2, Baseline: -1, Abandoned: 1,
			Reason: Reason{"timeout", "no answer"}, CreatedAt: created, FirstSentAt: doubt, SentAt: sent, DoubtAt: taken, DoubtSince: doubt}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("in doubt (-want +got):\n%s", d)
		}

		a, err = b.Accept(b.ctx, k, f, Acceptance{ProviderRef: "REF1", Result: "s1.k.partial"})
		applied(t, a, err)
		accepted := at()
		if r := b.load(t, k); !r.DoubtAt.IsZero() || r.State != order.Accepted || r.ProviderRef != "REF1" {
			t.Errorf("accepted: %+v", r)
		}
		b.clock.pass(time.Minute)
		a, err = b.Polled(b.ctx, k, "", Reason{Code: "pending", Message: "still"}, Idle)
		applied(t, a, err)
		a, err = b.Finish(b.ctx, k, "", Ending{State: order.Issued, ProviderRef: "REF2", Result: "s1.k.result", Polled: true})
		applied(t, a, err)
		got = b.load(t, k)
		if got.Event == "" || len(got.History) != 7 {
			t.Errorf("event %q, history %+v", got.Event, got.History)
		}
		got.History, got.Event = nil, ""
		want.State, want.Runner, want.Until, want.DoubtAt, want.DoubtSince, want.Doubts = order.Issued, "", time.Time{}, time.Time{}, time.Time{}, 0
		want.Abandoned = 0
		want.Reason, want.FinalAt = Reason{}, at()
		want.ProviderRef, want.Result, want.Polls, want.PolledAt, want.AcceptedAt = "REF2", "s1.k.result", 2, at(), accepted
		want.HostMark = "721"
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("issued (-want +got):\n%s", d)
		}
	})
}

// The same for a refund.
func TestARefundsRecordIsReadBack(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		k := b.refund()
		created := b.clock.Now()
		f := b.plan(t, k, Plan{Sealed: "s1.k.plan", Count: 3, Baseline: 4})
		b.submit(t, k, f)
		sent := b.clock.Now()
		b.clock.pass(time.Second)
		a, err := b.Finish(b.ctx, k, f, Ending{State: order.Review, Reason: Reason{"in_doubt", "ask"}, Refunded: 2})
		applied(t, a, err)
		a, err = b.Resolve(b.ctx, k, Resolution{State: order.PartiallyRefunded, Who: "ann", Reason: "two came back"})
		applied(t, a, err)
		got := b.load(t, k)
		if got.Event == "" || len(got.History) != 5 {
			t.Errorf("event %q, history %+v", got.Event, got.History)
		}
		got.Event, got.History = "", nil
		end := b.clock.Now()
		want := &Record{Ref: k, Plan: "s1.k.plan", Planned: true, Count: 3, Baseline: 4, BaselineAt: created, Refunded: 2,
			State: order.PartiallyRefunded, Lane: "checkout", Fingerprint: "k.f", Shape: json.RawMessage(`{"n":1}`), Document: "s1.k.doc", Host: host, HostMark: "721", Trace: "00-trace-01", Fence: "1",
			Attempts: 1, ReviewReason: Reason{"in_doubt", "ask"}, CreatedAt: created, FirstSentAt: sent, SentAt: sent, FinalAt: end,
			ResolvedBy: "ann", Resolved: "two came back"}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("(-want +got):\n%s", d)
		}
	})
}

// A refund without a plan has no baseline of 0: that would be a claim about the provider.
func TestNoBaselineIsNotZero(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		k := b.refund()
		b.claim(t, k)
		if r := b.load(t, k); r.Planned || r.Baseline >= 0 || r.Tickets != nil {
			t.Errorf("%+v", r)
		}
		k = b.refund()
		b.plan(t, k, Plan{Count: 1, Baseline: 0})
		if r := b.load(t, k); !r.Planned || r.Baseline != 0 {
			t.Errorf("%+v", r)
		}
	})
}

// A record that is loaded with the time, or claimed for a poll, is the same, and the time is the ledger's.
func TestARecordComesWithTheTime(t *testing.T) {
	eachClock(t, func(t *testing.T, b *bench) {
		k := b.order()
		f := b.claim(t, k).Record.Fence
		b.submit(t, k, f)
		a, err := b.Accept(b.ctx, k, f, Acceptance{ProviderRef: "ref", Result: "s1.k.r"})
		applied(t, a, err)
		before, err := b.Time(b.ctx)
		must(t, err)
		same := func(r *Record, now time.Time) {
			t.Helper()
			if d := cmp.Diff(b.load(t, k), r); d != "" {
				t.Errorf("(-Load +it):\n%s", d)
			}
			if now.Before(before.Truncate(time.Millisecond)) || now.Sub(before) > time.Minute {
				t.Errorf("it is %s, a moment after %s", now, before)
			}
		}
		list, now, err := b.LoadMany(b.ctx, []order.Ref{k})
		must(t, err)
		same(list[0], now)
		for range 2 { // the second one finds the first one's claim
			c, err := b.BeginPoll(b.ctx, k, "poller", lease)
			must(t, err)
			same(c.Record, c.Now)
		}
	})
}

// What a poll finds instead of an accepted order is told apart, and not claimed.
func TestAPollOfWhatIsNotAcceptedClaimsNothing(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		for name, c := range map[string]struct {
			make func(k order.Ref)
			want Verdict
		}{
			"missing": {func(order.Ref) {}, Missing},
			"queued":  {func(k order.Ref) { b.record(t, k) }, NotAccepted},
			"newer": {func(k order.Ref) {
				b.record(t, k)
				must(t, b.rdb.HSet(b.ctx, keys.Record(k), "state", "accepted", "v", "3").Err())
			}, Newer},
			"final": {func(k order.Ref) { b.record(t, k); must(t, b.rdb.HSet(b.ctx, keys.Record(k), "state", "failed").Err()) }, IsFinal},
		} {
			k := b.order()
			c.make(k)
			got, err := b.BeginPoll(b.ctx, k, "poller", lease)
			must(t, err)
			if got.Verdict != c.want || got.Record != nil && (got.Record.Runner != "" || got.Record.Event != "") {
				t.Errorf("%s: %+v", name, got)
			}
		}
	})
}

// What the ledger does not have is reported as such.
func TestWhatIsNotThereIsNotFound(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		k := b.refund()
		if _, err := b.Load(b.ctx, k.Order()); !errors.Is(err, ErrNotFound) {
			t.Error(err)
		}
		if _, err := b.Load(b.ctx, k); !errors.Is(err, ErrNotFound) {
			t.Error(err)
		}
		if list, err := b.Refunds(b.ctx, k); err != nil || len(list) != 0 {
			t.Error(list, err)
		}
		if v, err := b.Views(b.ctx, []order.Ref{k}); err != nil || len(v) != 1 || v[0] != nil {
			t.Error(v, err)
		}
	})
}

// The refunds of an order are listed, the oldest first; one whose record has expired is passed over.
func TestRefundsAreListedByAge(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		k := b.order()
		for _, id := range []string{"Z", "M", "A"} {
			rk := k.Refund(id)
			_, err := b.begin(rk, "r")
			must(t, err)
			b.clock.pass(time.Second)
		}
		must(t, b.rdb.Del(b.ctx, keys.Record(k.Refund("M"))).Err())
		list, err := b.Refunds(b.ctx, k)
		if err != nil || len(list) != 2 || list[0].RefundID != "Z" || list[1].RefundID != "A" {
			t.Errorf("%v, %v", list, err)
		}
	})
}

// The states of many records are read at once, in the order that was asked.
func TestStatesOfManyRecords(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		waits, done, unknown, r := b.order(), b.order(), b.order(), b.refund()
		b.record(t, waits)
		finished(order.Failed)(t, b, done)
		b.record(t, r)
		got, err := b.States(b.ctx, []order.Ref{unknown, done, waits, r, waits.Refund("R1")})
		if want := []order.State{"", order.Failed, order.Queued, order.Queued, ""}; err != nil || !slices.Equal(got, want) {
			t.Errorf("%q, %v", got, err)
		}
		if got, err := b.States(b.ctx, nil); err != nil || len(got) != 0 {
			t.Errorf("nothing asked: %v, %v", got, err)
		}
	})
}
