package tasks

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"issuance/internal/keys"
	"issuance/internal/ledger"
)

// decisions lists what operators did, as "WHAT ORDER WHO REASON".
func (b *bench) decisions(t testing.TB) []string {
	t.Helper()
	list, err := b.rdb.XRange(b.ctx, keys.Decisions, "-", "+").Result()
	must(t, err)
	var out []string
	for _, m := range list {
		v := func(name string) string { s, _ := m.Values[name].(string); return s }
		out = append(out, strings.Join([]string{v("what"), v("order_id"), v("who"), v("reason")}, " "))
	}
	return out
}

// What was never sent can be cancelled, which is its end and an event; anything else cannot, and stays.
func TestCancelEndsOnlyWhatWasNeverSent(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		for _, s := range []State{Queued, Submitting, Accepted, Issued, Failed, Cancelled, Review} {
			r := ref(b.id())
			b.enqueue(t, orderDoc(r.OrderID))
			b.reach(t, r, s)
			err := b.Cancel(b.ctx, r, "ann", "sold out")
			want := s
			if s == Queued || s == Cancelled {
				want = Cancelled
				if err != nil {
					t.Errorf("%s: %v", s, err)
				}
			} else if e := (*NotCancellableError)(nil); !errors.As(err, &e) || e.Ref != r || e.State != s || !strings.Contains(err.Error(), string(s)) {
				t.Errorf("%s: %v", s, err)
			}
			if got := b.stateOf(t, r); got != want {
				t.Errorf("%s became %s", s, got)
			}
		}
		refund := ref("O1").Refund("R1")
		b.enqueue(t, refundDoc("O1", "R1"))
		must(t, b.Cancel(b.ctx, refund, "ann", "wrong ticket"))
		if got := b.stateOf(t, refund); got != Cancelled {
			t.Errorf("the refund is %s", got)
		}
		if err := b.Cancel(b.ctx, ref("NOBODY"), "ann", ""); !errors.Is(err, ErrUnknownOrder) {
			t.Errorf("%v", err)
		}
		if got := b.decisions(t); !slices.Equal(got, []string{"cancel N1 ann sold out", "cancel O1 ann wrong ticket"}) {
			t.Errorf("decisions %q", got)
		}
	})
}

// A cancelled order says by whom and why, is an event, and is never begun, whether its task runs or not.
func TestACancelledOrderIsOver(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		r := ref("O1")
		b.enqueue(t, orderDoc("O1"))
		must(t, b.Cancel(b.ctx, r, "ann", "sold out"))
		must(t, b.Cancel(b.ctx, r, "bob", "again"))
		s, err := b.Status(b.ctx, shop, "O1")
		if err != nil || s.ResolvedBy != "ann" || s.Resolved != "sold out" || s.FinalAt == nil || s.Waits != nil {
			t.Errorf("%+v, %v", s, err)
		}
		reader := b.reader(t, "shop")
		if e := next(t, reader); e.Ref != r || e.State != Cancelled {
			t.Errorf("%+v", e)
		}
		nothing(t, reader)
		if c, err := b.ledger.Claim(b.ctx, r, "w", 60e9); err != nil || c.Verdict != ledger.IsFinal {
			t.Errorf("%+v, %v", c, err)
		}
		if again := b.enqueue(t, orderDoc("O1")); !again.Duplicate || again.State != Cancelled {
			t.Errorf("%+v", again)
		}
		// A request that certainly had no effect is none; one that may have had is.
		for how, cancellable := range map[ledger.Release]bool{ledger.NotSent: true, ledger.Unknown: false} {
			r := ref(b.id())
			b.enqueue(t, orderDoc(r.OrderID))
			fence := b.begin(t, r)
			b.submit(t, r, fence)
			a, err := b.ledger.GiveBack(b.ctx, r, fence, how, ledger.Reason{})
			applied(t, a, err)
			if err := b.Cancel(b.ctx, r, "ann", ""); (err == nil) != cancellable {
				t.Errorf("%s: %v", how, err)
			}
		}
	})
}

// An order can be erased once it is settled or the provider has it; one that was never sent is cancelled; one in
// doubt or in review keeps what is needed to find out the truth.
func TestEraseInEveryState(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		for _, s := range []State{Queued, Submitting, Accepted, Issued, Failed, Cancelled, Review} {
			r := ref(b.id())
			b.enqueue(t, orderDoc(r.OrderID))
			b.reach(t, r, s)
			e, err := b.Erase(b.ctx, r, "ann", "asked for")
			rec, loadErr := b.ledger.Load(b.ctx, r)
			must(t, loadErr)
			if s == Submitting || s == Review {
				if no := (*NotErasableError)(nil); !errors.As(err, &no) || no.State != s || rec.Document == "" {
					t.Errorf("%s: %+v, %v", s, e, err)
				}
				continue
			}
			want := s
			if s == Queued {
				want = Cancelled
			}
			if err != nil || e.State != want || e.By != "ann" || e.Reason != "asked for" || e.At.IsZero() || !slices.Contains(e.Removed, "document") ||
				e.OrderID != r.OrderID || e.Account != shop {
				t.Errorf("%s: %+v, %v", s, e, err)
			}
			if rec.Document != "" || rec.State != want {
				t.Errorf("%s: %+v", s, rec)
			}
			if st, err := b.Status(b.ctx, shop, r.OrderID); err != nil || st.ErasedAt == nil || st.State != want {
				t.Errorf("%s: %+v, %v", s, st, err)
			}
			if again, err := b.Erase(b.ctx, r, "ann", "asked for"); err != nil || len(again.Removed) != 0 || !again.At.Equal(e.At) {
				t.Errorf("%s, again: %+v, %v", s, again, err)
			}
			if r := b.enqueue(t, orderDoc(r.OrderID)); !r.Duplicate || r.State != want {
				t.Errorf("%s: enqueued again: %+v", s, r)
			}
		}
		if _, err := b.Erase(b.ctx, ref("NOBODY"), "ann", ""); !errors.Is(err, ErrUnknownOrder) {
			t.Errorf("%v", err)
		}
	})
}

// Erasing takes an order's refunds along; when one of them is in doubt nothing at all is changed.
func TestErasingIsAllOrNothing(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		r := ref("O1")
		b.enqueue(t, orderDoc("O1"))
		b.enqueue(t, refundDoc("O1", "R1"))
		b.enqueue(t, refundDoc("O1", "R2"))
		b.reach(t, r.Refund("R2"), Submitting)
		before := b.dump()
		if no := (*NotErasableError)(nil); !errors.As(failure(b.Erase(b.ctx, r, "ann", "asked for")), &no) || no.Ref != r.Refund("R2") {
			t.Errorf("%+v", no)
		}
		if after := b.dump(); after != before {
			t.Errorf("a refused erasure changed\n%s\ninto\n%s", before, after)
		}
		c, err := b.ledger.Load(b.ctx, r.Refund("R2"))
		must(t, err)
		a, err := b.ledger.Finish(b.ctx, r.Refund("R2"), c.Fence, ledger.Ending{State: Refunded, Refunded: 1})
		applied(t, a, err)
		e, err := b.Erase(b.ctx, r.Refund("R2"), "ann", "asked for")
		if err != nil || e.State != Cancelled {
			t.Fatalf("%+v, %v", e, err)
		}
		for _, want := range []string{"document", "refund R1: document", "refund R2: document"} {
			if !slices.Contains(e.Removed, want) {
				t.Errorf("removed %q, not %s", e.Removed, want)
			}
		}
		for name, text := range b.server.Dump(b.ctx) {
			if strings.Contains(text, "doc=") {
				t.Errorf("%s still holds a document: %s", name, text)
			}
		}
		if got := b.decisions(t); got[len(got)-1] != "erase O1 ann asked for" {
			t.Errorf("decisions %q", got)
		}
	})
}

// Refunds of an order that was issued elsewhere can be erased, too; one whose end is still to be published is.
func TestErasingARefundOfAnOrderIssuedElsewhere(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		r := ref("O1").Refund("R1")
		b.enqueue(t, refundDoc("O1", "R1"))
		b.reach(t, r, Refunded)
		must(t, b.rdb.HDel(b.ctx, keys.Record(r), "event").Err()) // as when a worker dies before it
		e, err := b.Erase(b.ctx, ref("O1"), "ann", "asked for")
		if err != nil || e.State != Unrecorded || !slices.Contains(e.Removed, "refund R1: document") {
			t.Errorf("%+v, %v", e, err)
		}
	})
}

// A cancelled order's refunds go on at once, to find out that there is nothing to refund; a cancelled refund
// lets the others of its order go on.
func TestCancellingWakesTheRefundsThatWait(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		o := ref("O1")
		b.enqueue(t, orderDoc("O1"))
		waits := func(r Ref) {
			b.drop(t, home(r, Checkout))
			must(t, b.queue.Enqueue(b.ctx, r, home(r, Checkout), "", time.Hour))
		}
		for _, id := range []string{"R1", "R2"} {
			b.enqueue(t, refundDoc("O1", id))
			waits(o.Refund(id))
		}
		for _, ended := range []Ref{o.Refund("R2"), o} {
			waits(o.Refund("R1"))
			must(t, b.Cancel(b.ctx, ended, "ann", "not wanted"))
			if got := b.taskState(home(o.Refund("R1"), Checkout)); got != "pending" {
				t.Errorf("%s is cancelled, and its task is %s", ended, got)
			}
		}
	})
}

// What is missing is named as what it is.
func TestAnUnknownRefundIsNamedAsOne(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		b.enqueue(t, orderDoc("O1"))
		for r, want := range map[Ref]string{ref("O1").Refund("R9"): "ecticket:2000132/O1/R9: no such refund", ref("O9"): "ecticket:2000132/O9: no such order"} {
			if err := b.Cancel(b.ctx, r, "ann", "x"); !errors.Is(err, ErrUnknownOrder) || errors.Is(err, ErrUnknownRefund) != r.IsRefund() || err.Error() != want {
				t.Errorf("%v", err)
			}
		}
	})
}
