package ledger

import (
	"encoding/json"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Everything that is written is read back: through a whole life every field of an order's record
// holds what was put there.
func TestAnOrdersRecordIsReadBack(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		k := b.order()
		at := func() time.Time { return b.clock.Now() }
		created := at()
		f := b.claim(t, k).Fence
		b.submit(t, k, f)
		a, err := b.Unknown(b.ctx, k, f, Reason{Code: "timeout", Message: "no answer"})
		applied(t, a, err)
		doubt := at()
		b.clock.pass(time.Second)
		f = b.claim(t, k).Fence
		b.submit(t, k, f)
		sent := at()
		b.clock.pass(lease)
		f = b.claim(t, k).Fence
		taken := at()

		got := b.load(t, k)
		if len(got.History) != 5 {
			t.Errorf("history %+v", got.History)
		}
		got.History = nil
		want := &Record{Key: k, Base: Base{State: Submitting, Lane: "checkout", Fingerprint: "k.f", Shape: json.RawMessage(`{"n":1}`),
			Document: "s1.k.doc", Runner: "runner", Until: taken.Add(lease), Phase: "claim", Attempts: 2, Crashes: 1,
			Reason: Reason{"timeout", "no answer"}, CreatedAt: created, UpdatedAt: taken, SentAt: sent, DoubtAt: taken, DoubtSince: doubt}}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("in doubt (-want +got):\n%s", d)
		}

		a, err = b.Accept(b.ctx, k, f, "REF1", "s1.k.partial")
		applied(t, a, err)
		accepted := at()
		if r := b.load(t, k); !r.DoubtAt.IsZero() || r.State != Accepted || r.Ref != "REF1" {
			t.Errorf("accepted: %+v", r)
		}
		b.clock.pass(time.Minute)
		a, n, err := b.Polled(b.ctx, k, Reason{Code: "pending", Message: "still"})
		applied(t, a, err)
		if n != 1 {
			t.Errorf("%d polls", n)
		}
		a, err = b.Finish(b.ctx, k, "", Ending{State: Issued, Ref: "REF2", Result: "s1.k.result", Polled: true})
		applied(t, a, err)
		got = b.load(t, k)
		if got.Event == "" || len(got.History) != 7 {
			t.Errorf("event %q, history %+v", got.Event, got.History)
		}
		got.History, got.Event = nil, ""
		want.State, want.Runner, want.Phase, want.Until, want.DoubtAt, want.DoubtSince = Issued, "", "", time.Time{}, time.Time{}, time.Time{}
		want.Reason, want.UpdatedAt, want.FinalAt = Reason{}, at(), at()
		want.Ref, want.Result, want.Polls, want.PolledAt, want.AcceptedAt = "REF2", "s1.k.result", 2, at(), accepted
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
		b.submitRefund(t, k, f)
		sent := b.clock.Now()
		b.clock.pass(time.Second)
		a, err := b.FinishRefund(b.ctx, k, f, RefundEnding{State: Review, Reason: Reason{"in_doubt", "ask"}, Refunded: 2})
		applied(t, a, err)
		a, err = b.Resolve(b.ctx, Ref(k), Resolution{State: PartiallyRefunded, Who: "ann", Reason: "two came back"})
		applied(t, a, err)
		got := b.loadRefund(t, k)
		if got.Event == "" || len(got.History) != 5 {
			t.Errorf("event %q, history %+v", got.Event, got.History)
		}
		got.Event, got.History = "", nil
		end := b.clock.Now()
		want := &RefundRecord{RefundKey: k, Plan: "s1.k.plan", Planned: true, Count: 3, Baseline: 4, BaselineAt: created, Refunded: 2, Base: Base{
			State: PartiallyRefunded, Lane: "checkout", Fingerprint: "k.f", Shape: json.RawMessage(`{"n":1}`), Document: "s1.k.doc",
			Attempts: 1, Reason: Reason{"in_doubt", "ask"}, CreatedAt: created, UpdatedAt: end, SentAt: sent, FinalAt: end,
			ResolvedBy: "ann", Resolved: "two came back"}}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("(-want +got):\n%s", d)
		}
	})
}

// A refund without a plan has no baseline of 0: that would be a claim about the provider.
func TestNoBaselineIsNotZero(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		k := b.refund()
		b.claimRefund(t, k)
		if r := b.loadRefund(t, k); r.Planned || r.Baseline >= 0 || r.Tickets != nil {
			t.Errorf("%+v", r)
		}
		k = b.refund()
		b.plan(t, k, Plan{Count: 1, Baseline: 0})
		if r := b.loadRefund(t, k); !r.Planned || r.Baseline != 0 {
			t.Errorf("%+v", r)
		}
	})
}

// A record that is loaded with the time is the same, and the time is the ledger's.
func TestARecordComesWithTheTime(t *testing.T) {
	eachClock(t, func(t *testing.T, b *bench) {
		k := b.order()
		if _, _, err := b.LoadNow(b.ctx, k); !errors.Is(err, ErrNotFound) {
			t.Error(err)
		}
		b.claim(t, k)
		before, err := b.Time(b.ctx)
		must(t, err)
		r, now, err := b.LoadNow(b.ctx, k)
		must(t, err)
		if d := cmp.Diff(b.load(t, k), r); d != "" {
			t.Errorf("(-Load +LoadNow):\n%s", d)
		}
		if now.Before(before) || now.Sub(before) > time.Minute {
			t.Errorf("it is %s, a moment after %s", now, before)
		}
	})
}

// What the ledger does not know is told as such.
func TestWhatIsNotThereIsNotFound(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		k := b.refund()
		if _, err := b.Load(b.ctx, k.Key); !errors.Is(err, ErrNotFound) {
			t.Error(err)
		}
		if _, err := b.LoadRefund(b.ctx, k); !errors.Is(err, ErrNotFound) {
			t.Error(err)
		}
		if list, err := b.LoadRefunds(b.ctx, k.Key); err != nil || len(list) != 0 {
			t.Error(list, err)
		}
		if _, err := b.View(b.ctx, Ref{Key: k.Key}); !errors.Is(err, ErrNotFound) {
			t.Error(err)
		}
	})
}

// The refunds of an order are listed, the oldest first; one whose record has expired is passed over.
func TestRefundsAreListedByAge(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		k := b.order()
		for _, id := range []string{"Z", "M", "A"} {
			rk := RefundKey{Key: k, RefundID: id}
			_, err := b.BeginRefund(b.ctx, rk, intake("r"))
			must(t, err)
			b.clock.pass(time.Second)
		}
		must(t, b.rdb.Del(b.ctx, RefundKey{Key: k, RefundID: "M"}.refund()).Err())
		list, err := b.LoadRefunds(b.ctx, k)
		if err != nil || len(list) != 2 || list[0].RefundID != "Z" || list[1].RefundID != "A" {
			t.Errorf("%v, %v", list, err)
		}
	})
}

// A look at many documents at once tells which are known, in the order that was asked.
func TestPeekTellsWhichAreKnown(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		known, done, unknown := b.order(), b.order(), b.order()
		b.claim(t, known)
		finished(Failed)(t, b, done)
		got, err := b.PeekOrders(b.ctx, []Key{unknown, done, known})
		want := []Peek{{}, {Found: true, State: Failed, Fingerprint: "k.f"}, {Found: true, State: Queued, Fingerprint: "k.f"}}
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%+v, %v", got, err)
		}
		rk := b.refund()
		b.claimRefund(t, rk)
		gotRefunds, err := b.PeekRefunds(b.ctx, []RefundKey{rk, {Key: known, RefundID: "R1"}})
		if err != nil || !reflect.DeepEqual(gotRefunds, []Peek{want[2], {}}) {
			t.Errorf("%+v, %v", gotRefunds, err)
		}
		if got, err := b.PeekOrders(b.ctx, nil); err != nil || len(got) != 0 {
			t.Errorf("nothing asked: %v, %v", got, err)
		}
	})
}
