package ledger

import (
	"slices"
	"testing"
	"time"

	"issuance/providers"
)

// What needs a person is listed, the longest waiting first, until somebody has decided.
func TestReviewsAreListedUntilTheyAreDecided(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		k, rk, again := b.order(), b.refund(), b.order()
		finished(Review)(t, b, k)
		b.clock.pass(time.Second)
		ended(Review)(t, b, rk)
		b.clock.pass(time.Second)
		finished(Review)(t, b, again)
		finished(Failed)(t, b, b.order())
		refs, err := b.Reviews(b.ctx, providers.ECTicket)
		if err != nil || !slices.Equal(refs, []Ref{{Key: k}, Ref(rk), {Key: again}}) {
			t.Errorf("%v, %v", refs, err)
		}
		if n, err := b.ReviewCount(b.ctx, providers.ECTicket); err != nil || n != 3 {
			t.Errorf("%d, %v", n, err)
		}
		if n, err := b.ReviewCount(b.ctx, providers.Pass2U); err != nil || n != 0 {
			t.Errorf("another provider: %d, %v", n, err)
		}
		a, err := b.Resolve(b.ctx, Ref(rk), Resolution{State: Refunded, Who: "ann", Reason: "r"})
		applied(t, a, err)
		a, err = b.Reopen(b.ctx, Ref{Key: again}, "ann", "r")
		applied(t, a, err)
		if refs, err = b.Reviews(b.ctx, providers.ECTicket); err != nil || !slices.Equal(refs, []Ref{{Key: k}}) {
			t.Errorf("after two decisions: %v, %v", refs, err)
		}
	})
}

// An order that is worked on again is looked up first when anything of it may have been sent, and
// is in the open set, so that somebody wakes it.
func TestAReopenedOrderIsLookedUpFirst(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		sent, unsent, poison := b.order(), b.order(), b.order()
		finished(Review)(t, b, sent)
		f := b.claim(t, unsent).Fence
		a, err := b.Finish(b.ctx, unsent, f, Ending{State: Review, Reason: Reason{Code: "invalid_document"}})
		applied(t, a, err)
		for range 3 { // a document that takes its workers down
			b.claim(t, poison)
			b.clock.pass(lease)
		}
		a, err = b.Finish(b.ctx, poison, b.claim(t, poison).Fence, Ending{State: Review, Reason: Reason{Code: "crashes_worker"}})
		applied(t, a, err)
		for k, want := range map[Key]Verdict{sent: MustLookUp, unsent: MaySend, poison: MaySend} {
			a, err := b.Reopen(b.ctx, Ref{Key: k}, "ann", "fixed")
			applied(t, a, err)
			if !slices.Contains(b.open(t), k.openMember()) {
				t.Errorf("%s is not in the open set", k)
			}
			if r := b.load(t, k); r.Event != "" || !r.FinalAt.IsZero() || r.Reason != (Reason{}) {
				t.Errorf("a reopened order looks final: %+v", r)
			}
			c := b.claim(t, k)
			if c.Verdict != want || c.Crashes != 0 || want == MustLookUp && !c.DoubtAt.Equal(b.clock.Now()) {
				t.Errorf("%s: %+v, want %s", k, c, want)
			}
			a, err = b.Finish(b.ctx, k, c.Fence, Ending{State: Issued})
			applied(t, a, err)
			if !slices.Contains(b.events(t), "ecticket/"+k.OrderID+"/issued") {
				t.Error("the new end is not told")
			}
		}
	})
}

// Of many people that decide at once, one decides.
func TestOneOfManyDecisionsCounts(t *testing.T) {
	eachClock(t, func(t *testing.T, b *bench) {
		for range 5 {
			k := b.order()
			finished(Review)(t, b, k)
			decide := func(i int) State { return []State{Submitting, Issued, Failed}[i%3] }
			var won []State
			for i, a := range race(func(i int) Answer {
				var a Answer
				if to := decide(i); to == Submitting {
					a, _ = b.Reopen(b.ctx, Ref{Key: k}, "ann", "r")
				} else {
					a, _ = b.Resolve(b.ctx, Ref{Key: k}, Resolution{State: to, Who: "ann", Reason: "r"})
				}
				return a
			}) {
				if a.Applied {
					won = append(won, decide(i))
				}
			}
			if r := b.load(t, k); len(won) != 1 || r.State != won[0] {
				t.Errorf("%v won, the record is %s", won, r.State)
			}
		}
	})
}

// The sweeper's view of a record tells whether somebody is at it, or has died.
func TestTheSweeperSeesWhoIsAtIt(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		k := b.order()
		f := b.claim(t, k).Fence
		v, err := b.View(b.ctx, Ref{Key: k})
		if err != nil || !v.Live() || v.Abandoned() || v.Runner != "runner" || v.Fence != 1 || v.State != Queued || v.Lane != "checkout" ||
			v.Fingerprint != "k.f" || string(v.Shape) != `{"n":1}` || v.Document != "s1.k.doc" || !v.Until.Equal(v.Now.Add(lease)) {
			t.Errorf("%+v, %v", v, err)
		}
		b.clock.pass(lease)
		if v, err = b.View(b.ctx, Ref{Key: k}); err != nil || v.Live() || !v.Abandoned() {
			t.Errorf("%+v, %v", v, err)
		}
		a, err := b.Idle(b.ctx, k, f, Reason{})
		applied(t, a, err)
		if v, err = b.View(b.ctx, Ref{Key: k}); err != nil || v.Live() || v.Abandoned() {
			t.Errorf("%+v, %v", v, err)
		}
		rk := b.refund()
		ended(Failed)(t, b, rk)
		if v, err = b.View(b.ctx, Ref(rk)); err != nil || v.State != Failed {
			t.Errorf("%+v, %v", v, err)
		}
	})
}

// What has fallen out of the open set is found again: unfinished records, and ends that were never told.
func TestWhatFellOutOfTheOpenSetIsAdopted(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		live, untold, told, rk := b.order(), b.order(), b.order(), b.refund()
		b.claim(t, live)
		finished(Issued)(t, b, told)
		finished(Failed)(t, b, untold)
		b.claimRefund(t, rk)
		must(t, b.rdb.HDel(b.ctx, untold.order(), "event").Err())
		must(t, b.rdb.Del(b.ctx, openKey(providers.ECTicket)).Err())
		n, err := b.AdoptOpen(b.ctx, providers.ECTicket)
		if err != nil || n != 3 {
			t.Errorf("%d, %v", n, err)
		}
		open := b.open(t)
		for k, want := range map[string]bool{live.openMember(): true, untold.openMember(): true, rk.openMember(): true, told.openMember(): false} {
			if slices.Contains(open, k) != want {
				t.Errorf("%s adopted: %t, want %t", k, !want, want)
			}
		}
		if n, err := b.AdoptOpen(b.ctx, providers.ECTicket); err != nil || n != 0 {
			t.Errorf("a second time: %d, %v", n, err)
		}
	})
}
