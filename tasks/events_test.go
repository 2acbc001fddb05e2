package tasks

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"issuance/internal/keys"
	"issuance/internal/ledger"
)

// reader is a reader of a program that has just started.
func (b *bench) reader(t testing.TB, name string) *EventReader {
	t.Helper()
	r, err := b.client(t, newKey).Events(name)
	must(t, err)
	return r
}

// next is the next event.
func next(t testing.TB, r *EventReader) Event {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	e, err := r.Next(ctx)
	must(t, err)
	return e
}

// nothing fails the test when there is another event.
func nothing(t testing.TB, r *EventReader) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if e, err := r.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%+v, %v", e, err)
	}
}

// end enqueues an order and brings it to an end.
func (b *bench) end(t testing.TB, s State) Ref {
	t.Helper()
	r := ref(b.id())
	b.enqueue(t, orderDoc(r.OrderID))
	b.reach(t, r, s)
	return r
}

// Every end is an event, with everything a checkout needs.
func TestEveryEndIsAnEvent(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		r := b.reader(t, "shop")
		began := time.Now().Add(-time.Minute)
		for _, s := range []State{Issued, Failed, Cancelled, Review} {
			want := b.end(t, s)
			e := next(t, r)
			if e.Ref != want || e.State != s || e.ID == "" || e.Position == "" || e.At.Before(began) || (e.Code == "C") == (s == Cancelled) {
				t.Errorf("%s: %+v", s, e)
			}
		}
		b.enqueue(t, refundDoc("O1", "R1"))
		b.reach(t, ref("O1").Refund("R1"), Refunded)
		if e := next(t, r); e.Ref != ref("O1").Refund("R1") || e.State != Refunded {
			t.Errorf("%+v", e)
		}
	})
}

// A reader that was restarted goes on behind the last commit: what was read and not committed comes again.
func TestAReaderGoesOnWhereItHadCommitted(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		refs := []Ref{b.end(t, Issued), b.end(t, Issued), b.end(t, Failed)}
		r := b.reader(t, "shop")
		must(t, r.Commit(b.ctx, next(t, r)))
		if e := next(t, r); e.Ref != refs[1] {
			t.Errorf("%+v", e)
		}
		r = b.reader(t, "shop")
		for _, want := range refs[1:] {
			e := next(t, r)
			if e.Ref != want {
				t.Errorf("after a restart: %+v, want %s", e, want)
			}
			must(t, r.Commit(b.ctx, e))
		}
		nothing(t, b.reader(t, "shop"))
		want := b.end(t, Issued)
		if e := next(t, b.reader(t, "shop")); e.Ref != want {
			t.Errorf("%+v", e)
		}
		if err := r.Commit(b.ctx, Event{}); err == nil {
			t.Error("a commit of nothing")
		}
	})
}

// Readers of two names do not disturb each other.
func TestTwoNamesAreIndependent(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		want := b.end(t, Issued)
		one, two := b.reader(t, "one"), b.reader(t, "two")
		must(t, one.Commit(b.ctx, next(t, one)))
		if e := next(t, two); e.Ref != want {
			t.Errorf("%+v", e)
		}
		nothing(t, b.reader(t, "one"))
		if e := next(t, b.reader(t, "two")); e.Ref != want {
			t.Errorf("%+v", e)
		}
		for _, name := range []string{"", "a b", "a:b", strings.Repeat("x", 65)} {
			if _, err := b.Events(name); err == nil {
				t.Errorf("name %q", name)
			}
		}
	})
}

// A reader that was away for longer than events are kept, or is slower than they are trimmed, reports the gap
// once, and goes on with the oldest event that there is.
func TestAGapIsReportedOnce(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		gap := func(r *EventReader, after Event, want Ref) {
			t.Helper()
			_, err := r.Next(b.ctx)
			var g *GapError
			if !errors.As(err, &g) || g.After != after.Position || g.First == "" {
				t.Fatalf("%v", err)
			}
			e := next(t, r)
			if e.Ref != want || e.Position != g.First {
				t.Errorf("%+v, want %s at %s", e, want, g.First)
			}
		}
		away, slow := b.reader(t, "away"), b.reader(t, "slow")
		b.end(t, Issued)
		read := next(t, away)
		must(t, away.Commit(b.ctx, read))
		next(t, slow)
		b.end(t, Issued)
		want := b.end(t, Issued)
		must(t, b.rdb.XTrimMaxLen(b.ctx, keys.Events, 1).Err())
		gap(b.reader(t, "away"), read, want)
		gap(slow, read, want)
		nothing(t, slow)
		// Trimmed up to the last event that was read, nothing is missing.
		must(t, slow.Commit(b.ctx, Event{Position: b.last(t)}))
		next(t, b.endAnd(t, b.reader(t, "slow")))
	})
}

// last is the position of the newest event.
func (b *bench) last(t testing.TB) string {
	t.Helper()
	p, err := b.ledger.LastEvent(b.ctx)
	must(t, err)
	return p
}

// endAnd brings an order to its end before a reader reads.
func (b *bench) endAnd(t testing.TB, r *EventReader) *EventReader {
	b.end(t, Issued)
	return r
}

// The same end published twice is recognised by its id; a review that is retried and ends in review again is
// another event.
func TestWhatComesTwiceIsRecognised(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		r := b.end(t, Review)
		reader := b.reader(t, "shop")
		first := next(t, reader)
		// The mark that the event was published is lost, as when a worker dies at that moment.
		must(t, b.rdb.HDel(b.ctx, keys.Record(r), "event").Err())
		must(t, b.ledger.Publish(b.ctx, r))
		if again := next(t, reader); again.ID != first.ID || again.Position == first.Position {
			t.Errorf("%+v and %+v", first, again)
		}
		a, err := b.ledger.Reopen(b.ctx, r, "ann", "look again")
		applied(t, a, err)
		b.reach(t, r, Review)
		second := next(t, reader)
		a, err = b.ledger.Resolve(b.ctx, r, ledger.Resolution{State: Failed, Who: "ann", Reason: "lost"})
		applied(t, a, err)
		third := next(t, reader)
		if second.ID == first.ID || third.ID == second.ID || second.State != Review || third.State != Failed {
			t.Errorf("%+v, %+v, %+v", first, second, third)
		}
	})
}

// The context's end is what Next answers, before and while it waits; afterwards reading goes on.
func TestReadingEndsWithItsContext(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		ctx, cancel := context.WithCancel(b.ctx)
		cancel()
		r := b.reader(t, "shop")
		if _, err := r.Next(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
		nothing(t, r)
		want := b.end(t, Issued)
		if e := next(t, r); e.Ref != want {
			t.Errorf("%+v", e)
		}
	})
}

// A Redis that does not answer is an error, and no event is skipped by it.
func TestAnOutageSkipsNoEvent(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		refs := []Ref{b.end(t, Issued), b.end(t, Failed)}
		for at := range 4 {
			hook := &losing{executed: true, broken: func(n int) bool { return n == at }}
			r, err := b.client(t, newKey, hook).Events("shop")
			must(t, err)
			for i := 0; i < len(refs); {
				e, err := r.Next(b.ctx)
				if errors.Is(err, errLost) {
					continue
				}
				if err != nil || e.Ref != refs[i] {
					t.Fatalf("exchange %d: %+v, %v", at, e, err)
				}
				i++
			}
		}
	})
}
