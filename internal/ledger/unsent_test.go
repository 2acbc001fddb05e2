package ledger

import (
	"errors"
	"testing"
	"time"

	"issuance/tasks/order"
)

// Requests that certainly had no effect have a count of their own: attempts less those is how many can have left.
func TestRequestsWithoutEffectAreCounted(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		k := b.order()
		want := func(attempts, unsent int) {
			t.Helper()
			if r := b.load(t, k); r.Attempts != attempts || r.Unsent != unsent {
				t.Errorf("%d attempts, %d without effect, want %d and %d", r.Attempts, r.Unsent, attempts, unsent)
			}
		}
		run := func(how Release) {
			t.Helper()
			f := b.claim(t, k).Record.Fence
			b.submit(t, k, f)
			b.giveBack(t, k, f, how, "dial")
		}
		run(NotSent)
		run(NotSent)
		want(2, 2)
		// Without an intent there is nothing to count.
		b.giveBack(t, k, b.claim(t, k).Record.Fence, NotSent, "dial")
		want(2, 2)
		// What an earlier intent of the same claim led to is not known.
		f := b.claim(t, k).Record.Fence
		b.submit(t, k, f)
		b.submit(t, k, f)
		b.giveBack(t, k, f, NotSent, "dial")
		want(4, 3)
		run(Unknown)
		run(Idle)
		want(6, 3)
		// A runner that dies after its intent may have sent.
		f = b.claim(t, k).Record.Fence
		b.submit(t, k, f)
		b.clock.pass(lease)
		b.giveBack(t, k, b.claim(t, k).Record.Fence, NotSent, "dial")
		want(7, 3)
		// So did one whose request was answered.
		f = b.claim(t, k).Record.Fence
		b.submit(t, k, f)
		a, err := b.Rejected(b.ctx, k, f, Reason{Code: "E"})
		applied(t, a, err)
		b.giveBack(t, k, f, NotSent, "dial")
		want(8, 3)
		// The counts outlive the end.
		f = b.claim(t, k).Record.Fence
		a, err = b.Finish(b.ctx, k, f, Ending{State: order.Failed})
		applied(t, a, err)
		want(8, 3)
	})
}

// The same for the tickets of a refund, of which each has a request of its own.
func TestTicketRequestsWithoutEffectAreCounted(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		k := b.refund()
		f := b.plan(t, k, twoTickets)
		want := func(attempts, unsent int) {
			t.Helper()
			if r := b.load(t, k); r.Attempts != attempts || r.Unsent != unsent {
				t.Errorf("%d attempts, %d without effect, want %d and %d", r.Attempts, r.Unsent, attempts, unsent)
			}
		}
		settle := func(i int, s Settlement) {
			t.Helper()
			a, err := b.SettleTicket(b.ctx, k, f, i, s)
			applied(t, a, err)
		}
		submit := func(i int) {
			t.Helper()
			a, err := b.submitTicket(k, f, i)
			applied(t, a, err)
		}
		submit(0)
		settle(0, Settlement{State: order.TicketPlanned, NotSent: true})
		want(1, 1)
		settle(0, Settlement{State: order.TicketPlanned, NotSent: true}) // nothing was sent since
		want(1, 1)
		submit(0)
		settle(1, Settlement{State: order.TicketRejected, Code: "redeemed", NotSent: true}) // another ticket than the one that was sent
		want(2, 1)
		settle(0, Settlement{State: order.TicketDoubt})
		submit(0)
		settle(0, Settlement{State: order.TicketRefunded})
		want(3, 1)
	})
}

// A code of an earlier run is not the reason of an end without one; the rejection that was confirmed is.
func TestAnEndHasNoEarlierRunsReason(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		for _, s := range []order.State{order.Issued, order.Failed, order.Review} {
			k := b.order()
			b.giveBack(t, k, b.claim(t, k).Record.Fence, NotSent, "dial")
			a, err := b.Finish(b.ctx, k, b.claim(t, k).Record.Fence, Ending{State: s})
			applied(t, a, err)
			if r := b.load(t, k); r.Reason != (Reason{}) {
				t.Errorf("%s because of %v", s, r.Reason)
			}
		}
		k := b.order()
		f := b.claim(t, k).Record.Fence
		b.submit(t, k, f)
		a, err := b.Rejected(b.ctx, k, f, Reason{"E1", "sold out"})
		applied(t, a, err)
		b.giveBack(t, k, f, Unknown, "look_up_failed")
		a, err = b.Finish(b.ctx, k, b.claim(t, k).Record.Fence, Ending{State: order.Failed})
		applied(t, a, err)
		if r := b.load(t, k); r.Reason != (Reason{"E1", "sold out"}) || r.Rejection != (Reason{}) {
			t.Errorf("failed because of %v, still rejected by %v", r.Reason, r.Rejection)
		}
		if list, err := b.Events(b.ctx, "0", 100, 0); err != nil || list[len(list)-1].Code != "E1" {
			t.Errorf("%+v, %v", list, err)
		}
	})
}

// A reopened review has nothing of its last try but what can still be true.
func TestAReopenedReviewBeginsAnew(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		k := b.order()
		f := b.claim(t, k).Record.Fence
		b.giveBack(t, k, f, Unknown, "timeout") // in doubt without an intent: somebody else's
		a, err := b.Finish(b.ctx, k, b.claim(t, k).Record.Fence, Ending{State: order.Review, Reason: Reason{"in_doubt", "m"}})
		applied(t, a, err)
		a, err = b.Reopen(b.ctx, k, "ann", "r")
		if err != nil || a != (Answer{Applied: true, State: order.Submitting}) {
			t.Errorf("what is in doubt is not queued: %+v, %v", a, err)
		}
		r := b.load(t, k)
		if r.Reason != (Reason{}) || r.Doubts != 0 || r.Crashes != 0 || r.Event != "" || !r.FinalAt.IsZero() || r.DoubtAt.IsZero() {
			t.Errorf("%+v", r)
		}

		// Of which nothing was sent, nothing is in doubt.
		k = b.order()
		f = b.claim(t, k).Record.Fence
		b.submit(t, k, f)
		b.giveBack(t, k, f, NotSent, "dial")
		a, err = b.Finish(b.ctx, k, b.claim(t, k).Record.Fence, Ending{State: order.Review})
		applied(t, a, err)
		if a, err = b.Reopen(b.ctx, k, "ann", "r"); err != nil || a != (Answer{Applied: true, State: order.Queued}) {
			t.Errorf("never sent: %+v, %v", a, err)
		}
		if c := b.claim(t, k); c.Verdict != MaySend {
			t.Errorf("%+v", c)
		}
	})
}

// The write of an intent that is refused, or fails, is never taken for one that stands: an error or a refusal
// for every kind of request, no count, and nothing in doubt once the claim is given back as not sent.
func TestAnIntentThatDoesNotStandIsNeverTakenForOne(t *testing.T) {
	intents := map[string]struct {
		reach func(t testing.TB, b *bench) (order.Ref, string)
		try   func(b *bench, l *Ledger, r order.Ref, fence string) (Answer, int, error)
	}{
		"order": {func(t testing.TB, b *bench) (order.Ref, string) { k := b.order(); return k, b.claim(t, k).Record.Fence },
			func(b *bench, l *Ledger, r order.Ref, f string) (Answer, int, error) {
				return l.Submit(b.ctx, r, f, Intent{Host: host, Lease: lease, Ticket: -1})
			}},
		"refund by number": {func(t testing.TB, b *bench) (order.Ref, string) { k := b.refund(); return k, b.plan(t, k, byNumber) },
			func(b *bench, l *Ledger, r order.Ref, f string) (Answer, int, error) {
				return l.Submit(b.ctx, r, f, Intent{Host: host, Lease: lease, Ticket: -1})
			}},
		"ticket": {func(t testing.TB, b *bench) (order.Ref, string) { k := b.refund(); return k, b.plan(t, k, twoTickets) },
			func(b *bench, l *Ledger, r order.Ref, f string) (Answer, int, error) {
				return l.Submit(b.ctx, r, f, Intent{Host: host, Lease: lease, Ticket: 0})
			}},
		"plan": {func(t testing.TB, b *bench) (order.Ref, string) {
			k := b.refund()
			return k, b.claim(t, k).Record.Fence
		},
			func(b *bench, l *Ledger, r order.Ref, f string) (Answer, int, error) {
				a, err := l.WritePlan(b.ctx, r, f, byNumber)
				return a, 0, err
			}},
	}
	each(t, func(t *testing.T, b *bench) {
		for name, in := range intents {
			r, f := in.reach(t, b)
			before := b.snapshot(t, r)
			for _, wrong := range []string{"", "0", "99", f + " "} {
				if a, n, err := in.try(b, b.Ledger, r, wrong); err != nil || a.Applied || n != 0 || a.State == "" {
					t.Errorf("%s, refused: %+v, %d, %v", name, a, n, err)
				}
			}
			if a, n, err := in.try(b, b.hooked(t, &faulty{}), r, f); !errors.Is(err, errLost) || a != (Answer{}) || n != 0 {
				t.Errorf("%s, failed: %+v, %d, %v", name, a, n, err)
			}
			if b.snapshot(t, r) != before {
				t.Errorf("%s: nothing was written, and the record changed", name)
			}
			if a, n, err := in.try(b, b.hooked(t, &faulty{executed: true}), r, f); !errors.Is(err, errLost) || a != (Answer{}) || n != 0 {
				t.Errorf("%s, without an answer: %+v, %d, %v", name, a, n, err)
			}
			if name == "ticket" {
				a, err := b.SettleTicket(b.ctx, r, f, 0, Settlement{State: order.TicketPlanned, NotSent: true})
				applied(t, a, err)
			}
			b.giveBack(t, r, f, NotSent, "redis")
			b.clock.pass(time.Second)
			c := b.claim(t, r)
			if rec := c.Record; c.Verdict != MaySend || rec.State != order.Queued || rec.Attempts != rec.Unsent || !rec.DoubtAt.IsZero() {
				t.Errorf("%s, given back: %s, %+v", name, c.Verdict, rec)
			}
		}
	})
}
