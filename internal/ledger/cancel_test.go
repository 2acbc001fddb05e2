package ledger

import (
	"errors"
	"slices"
	"testing"

	"issuance/internal/keys"
	"issuance/tasks/order"
)

// A cancelled record is final: its event is published, it is not open, and says who cancelled it and why.
func TestACancelledRecordIsFinal(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		for _, r := range []order.Ref{b.order(), b.refund()} {
			b.record(t, r)
			a, err := b.Cancel(b.ctx, r, "ann", "sold out")
			if err != nil || a != (Answer{Applied: true, State: order.Cancelled}) {
				t.Errorf("%+v, %v", a, err)
			}
			rec := b.load(t, r)
			last := rec.History[len(rec.History)-1]
			if rec.State != order.Cancelled || rec.ResolvedBy != "ann" || rec.Resolved != "sold out" || !rec.FinalAt.Equal(b.clock.Now()) ||
				rec.Reason != (Reason{}) || last.Event != "cancelled" || last.Detail != "by ann: sold out" {
				t.Errorf("%+v", rec)
			}
			if !slices.Contains(b.events(t), r.String()+"/cancelled/1") || len(b.open(t)) != 0 || b.rdb.PTTL(b.ctx, keys.Record(r)).Val() <= 0 {
				t.Errorf("events %v, open %v", b.events(t), b.open(t))
			}
			if c, err := b.begin(r, "late"); err != nil || c.Verdict != IsFinal {
				t.Errorf("its task: %+v, %v", c, err)
			}
		}
	})
}

// A cancellation that is repeated changes nothing and publishes nothing.
func TestACancellationCountsOnce(t *testing.T) {
	eachClock(t, func(t *testing.T, b *bench) {
		k := b.order()
		b.record(t, k)
		won := 0
		for _, a := range race(func(int) Answer { a, _ := b.Cancel(b.ctx, k, "ann", "r"); return a }) {
			if a.Applied {
				won++
			}
			if a.State != order.Cancelled {
				t.Errorf("%+v", a)
			}
		}
		n := 0
		for _, id := range b.events(t) {
			if id == k.String()+"/cancelled/1" {
				n++
			}
		}
		if won != 1 || n != 1 {
			t.Errorf("%d cancellations were applied, %d events published", won, n)
		}
	})
}

// What was cancelled while a runner held it is not sent: the intent is refused, and so is all else that the
// runner tries.
func TestACancelledRecordIsNotSentByItsRunner(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		k, r := b.order(), b.refund()
		fence, refundFence := b.claim(t, k).Record.Fence, b.plan(t, r, byNumber)
		for _, r := range []order.Ref{k, r} {
			a, err := b.Cancel(b.ctx, r, "ann", "r")
			applied(t, a, err)
		}
		for r, f := range map[order.Ref]string{k: fence, r: refundFence} {
			before := b.snapshot(t, r)
			if a, n, err := b.trySubmit(r, f); err != nil || a != (Answer{State: order.Cancelled}) || n != 0 {
				t.Errorf("submit: %+v, %d, %v", a, n, err)
			}
			if a, err := b.Finish(b.ctx, r, f, Ending{State: order.Failed}); err != nil || a.Applied {
				t.Errorf("finish: %+v, %v", a, err)
			}
			if err := b.Extend(b.ctx, r, f, lease); !errors.Is(err, ErrFenced) {
				t.Errorf("extend: %v", err)
			}
			if b.snapshot(t, r) != before {
				t.Error("the cancelled record changed")
			}
		}
	})
}

// Of a cancellation and an intent that come at once, one is applied and the other one refused.
func TestACancellationAndAnIntentExcludeEachOther(t *testing.T) {
	eachClock(t, func(t *testing.T, b *bench) {
		for range 10 {
			k := b.order()
			f := b.claim(t, k).Record.Fence
			var won []order.State
			for _, a := range race(func(i int) Answer {
				if i%2 == 0 {
					a, _ := b.Cancel(b.ctx, k, "ann", "r")
					return a
				}
				a, _, _ := b.trySubmit(k, f)
				return a
			}) {
				if a.Applied && !slices.Contains(won, a.State) {
					won = append(won, a.State)
				}
			}
			if rec := b.load(t, k); len(won) != 1 || rec.State != won[0] || won[0] == order.Cancelled && rec.Attempts != 0 {
				t.Errorf("%v won, the record is %s after %d attempts", won, rec.State, rec.Attempts)
			}
		}
	})
}

// Nothing is cancelled that a request may have left for, or that is not there; the answer says what it is.
func TestWhatMayHaveBeenSentIsNotCancelled(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		if _, err := b.Cancel(b.ctx, b.order(), "ann", "r"); !errors.Is(err, ErrNotFound) {
			t.Errorf("nothing: %v", err)
		}
		k := b.order()
		f := b.claim(t, k).Record.Fence
		b.submit(t, k, f)
		b.giveBack(t, k, f, NotSent, "dial")
		f = b.claim(t, k).Record.Fence
		b.submit(t, k, f)
		b.clock.pass(lease) // the runner has died
		if a, err := b.Cancel(b.ctx, k, "ann", "r"); err != nil || a != (Answer{State: order.Submitting}) {
			t.Errorf("%+v, %v", a, err)
		}
		f = b.claim(t, k).Record.Fence
		b.giveBack(t, k, f, Idle, "")
		if a, err := b.Cancel(b.ctx, k, "ann", "r"); err != nil || a.Applied {
			t.Errorf("%+v, %v", a, err)
		}
	})
}

// A cancelled refund gives the order's turn on when it has it, and leaves another one's alone.
func TestACancelledRefundGivesItsTurnOn(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		first := b.refund()
		second, third := first.Refund("R2"), first.Refund("R3")
		b.claim(t, first)
		for _, r := range []order.Ref{second, third} {
			if c, err := b.begin(r, "runner"); err != nil || c.Verdict != WaitTurn {
				t.Fatalf("%+v, %v", c, err)
			}
		}
		a, err := b.Cancel(b.ctx, second, "ann", "r")
		applied(t, a, err)
		if turn := b.rdb.Get(b.ctx, keys.Turn(first)).Val(); turn != "R1" {
			t.Errorf("it is the turn of %q", turn)
		}
		a, err = b.Cancel(b.ctx, first, "ann", "r")
		applied(t, a, err)
		if c, err := b.begin(third, "runner"); err != nil || c.Verdict != MaySend {
			t.Errorf("the next one: %+v, %v", c, err)
		}
	})
}
