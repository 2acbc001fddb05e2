package ledger

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

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

// A review that comes back while somebody's "try again" is still under way stays listed, and one that
// ends stays no longer, wherever the person's program dies.
func TestTheListOfReviewsIsTrueWhateverHappensMeanwhile(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		listed := func() int64 {
			n, err := b.ReviewCount(b.ctx, providers.ECTicket)
			must(t, err)
			return n
		}
		k := b.order()
		finished(Review)(t, b, k)
		hooked := redis.NewClient(b.rdb.Options())
		defer hooked.Close()
		slow := *b.Ledger
		slow.rdb = hooked
		hooked.AddHook(after{func() { // of reopen: the sweeper has woken it, and nothing is any clearer
			a, err := b.Finish(b.ctx, k, b.claim(t, k).Fence, Ending{State: Review, Reason: Reason{Code: "in_doubt"}})
			applied(t, a, err)
		}})
		a, err := slow.Reopen(b.ctx, Ref{Key: k}, "ann", "r")
		applied(t, a, err)
		if b.load(t, k).State != Review || listed() != 1 {
			t.Errorf("it is %s, and %d are listed", b.load(t, k).State, listed())
		}

		dying := redis.NewClient(b.rdb.Options())
		defer dying.Close()
		ctx, die := context.WithCancel(b.ctx)
		dying.AddHook(after{die})
		slow.rdb = dying
		_, _ = slow.Resolve(ctx, Ref{Key: k}, Resolution{State: Issued, Who: "ann", Reason: "r"})
		must(t, b.Publish(b.ctx, Ref{Key: k})) // as the sweeper does
		if b.load(t, k).State != Issued || listed() != 0 {
			t.Errorf("it is %s, and %d are listed", b.load(t, k).State, listed())
		}
	})
}

// after calls something when a script has run.
type after struct{ do func() }

func (after) DialHook(next redis.DialHook) redis.DialHook                               { return next }
func (after) ProcessPipelineHook(n redis.ProcessPipelineHook) redis.ProcessPipelineHook { return n }
func (h after) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := next(ctx, cmd)
		if err == nil && strings.HasPrefix(cmd.Name(), "eval") {
			h.do()
		}
		return err
	}
}

// Sending again does not make a doubt any younger. A person's "try again" does: it gives all the time anew.
func TestADoubtKeepsItsBeginning(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		k := b.order()
		since := b.clock.Now()
		for range 3 {
			c := b.claim(t, k)
			b.submit(t, k, c.Fence)
			a, err := b.Unknown(b.ctx, k, c.Fence, Reason{Code: "timeout"})
			applied(t, a, err)
			b.clock.pass(time.Hour)
		}
		c := b.claim(t, k)
		if !c.DoubtSince.Equal(since) || !c.DoubtAt.Equal(since.Add(2*time.Hour)) {
			t.Errorf("in doubt since %s, last sent at %s", c.DoubtSince, c.DoubtAt)
		}
		a, err := b.Finish(b.ctx, k, c.Fence, Ending{State: Review, Reason: Reason{Code: "in_doubt"}})
		applied(t, a, err)
		b.clock.pass(time.Hour)
		a, err = b.Reopen(b.ctx, Ref{Key: k}, "ann", "r")
		applied(t, a, err)
		c = b.claim(t, k)
		if !c.DoubtSince.Equal(b.clock.Now()) || !c.DoubtAt.Equal(since.Add(2*time.Hour)) || !b.load(t, k).ReopenedAt.Equal(b.clock.Now()) {
			t.Errorf("tried again: in doubt since %s, last sent at %s", c.DoubtSince, c.DoubtAt)
		}
		b.submit(t, k, c.Fence)
		a, err = b.Accept(b.ctx, k, c.Fence, "", "")
		applied(t, a, err)
		if r := b.load(t, k); !r.DoubtSince.IsZero() {
			t.Errorf("accepted, and in doubt since %s", r.DoubtSince)
		}

		rk := b.refund()
		f := b.plan(t, rk, Plan{Count: 1, Baseline: 0})
		since = b.clock.Now()
		for range 2 {
			b.submitRefund(t, rk, f)
			a, err := b.RefundUnknown(b.ctx, rk, f, Reason{Code: "timeout"})
			applied(t, a, err)
			b.clock.pass(time.Hour)
			c := b.claimRefund(t, rk)
			if f = c.Fence; !c.DoubtSince.Equal(since) {
				t.Errorf("a refund in doubt since %s", c.DoubtSince)
			}
		}
	})
}
