package ledger

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/keys"
	"issuance/tasks/order"
)

// What needs review is listed, the longest waiting first, until somebody has decided.
func TestReviewsAreListedUntilTheyAreDecided(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		k, rk, again := b.order(), b.refund(), b.order()
		finished(order.Review)(t, b, k)
		b.clock.pass(time.Second)
		ended(order.Review)(t, b, rk)
		b.clock.pass(time.Second)
		finished(order.Review)(t, b, again)
		finished(order.Failed)(t, b, b.order())
		refs, err := b.Reviews(b.ctx, shop)
		if err != nil || !slices.Equal(refs, []order.Ref{k, rk, again}) {
			t.Errorf("%v, %v", refs, err)
		}
		if n, err := b.ReviewCount(b.ctx, shop); err != nil || n != 3 {
			t.Errorf("%d, %v", n, err)
		}
		if n, err := b.ReviewCount(b.ctx, other); err != nil || n != 0 {
			t.Errorf("another provider: %d, %v", n, err)
		}
		a, err := b.Resolve(b.ctx, rk, Resolution{State: order.Refunded, Who: "ann", Reason: "r"})
		applied(t, a, err)
		a, err = b.Reopen(b.ctx, again, "ann", "r")
		applied(t, a, err)
		if refs, err = b.Reviews(b.ctx, shop); err != nil || !slices.Equal(refs, []order.Ref{k}) {
			t.Errorf("after two decisions: %v, %v", refs, err)
		}
	})
}

// An order that is worked on again is looked up first when anything of it may have been sent, and
// is in the open set, so that somebody wakes it.
func TestAReopenedOrderIsLookedUpFirst(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		sent, unsent, poison := b.order(), b.order(), b.order()
		finished(order.Review)(t, b, sent)
		f := b.claim(t, unsent).Record.Fence
		a, err := b.Finish(b.ctx, unsent, f, Ending{State: order.Review, Reason: Reason{Code: "invalid_document"}})
		applied(t, a, err)
		for range 3 { // a document that takes its workers down
			b.claim(t, poison)
			b.clock.pass(lease)
		}
		a, err = b.Finish(b.ctx, poison, b.claim(t, poison).Record.Fence, Ending{State: order.Review, Reason: Reason{Code: "crashes_worker"}})
		applied(t, a, err)
		for k, want := range map[order.Ref]Verdict{sent: MustLookUp, unsent: MaySend, poison: MaySend} {
			a, err := b.Reopen(b.ctx, k, "ann", "fixed")
			applied(t, a, err)
			if !slices.Contains(b.open(t), keys.Member(k)) {
				t.Errorf("%s is not in the open set", k)
			}
			if r := b.load(t, k); r.Event != "" || !r.FinalAt.IsZero() || r.Reason != (Reason{}) {
				t.Errorf("a reopened order looks final: %+v", r)
			}
			c := b.claim(t, k)
			if c.Verdict != want || c.Record.Crashes != 0 || want == MustLookUp && !c.Record.DoubtAt.Equal(b.clock.Now()) {
				t.Errorf("%s: %+v, want %s", k, c, want)
			}
			a, err = b.Finish(b.ctx, k, c.Record.Fence, Ending{State: order.Issued})
			applied(t, a, err)
			if !slices.Contains(b.events(t), k.String()+"/issued/2") {
				t.Error("the new end is not published")
			}
		}
	})
}

// Of many people that decide at once, one decides.
func TestOneOfManyDecisionsCounts(t *testing.T) {
	eachClock(t, func(t *testing.T, b *bench) {
		for range 5 {
			k := b.order()
			finished(order.Review)(t, b, k)
			decide := func(i int) order.State { return []order.State{order.Submitting, order.Issued, order.Failed}[i%3] }
			var won []order.State
			for i, a := range race(func(i int) Answer {
				var a Answer
				if to := decide(i); to == order.Submitting {
					a, _ = b.Reopen(b.ctx, k, "ann", "r")
				} else {
					a, _ = b.Resolve(b.ctx, k, Resolution{State: to, Who: "ann", Reason: "r"})
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

// The sweeper's view of a record shows whether somebody is working on it, or has died.
func TestTheSweeperSeesWhoIsWorkingOnIt(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		k := b.order()
		view := func(r order.Ref) *View {
			t.Helper()
			list, err := b.Views(b.ctx, []order.Ref{b.refund(), r})
			if err != nil || len(list) != 2 || list[0] != nil || list[1] == nil {
				t.Fatalf("%v, %v", list, err)
			}
			return list[1]
		}
		b.record(t, k)
		if v := view(k); v.Live() || v.Abandoned() || v.State != order.Queued {
			t.Errorf("nobody has begun it: %+v", v)
		}
		f := b.claim(t, k).Record.Fence
		if v := view(k); !v.Live() || v.Abandoned() || v.Runner != "runner" || v.Fence != 1 || v.State != order.Queued || v.Lane != order.Checkout ||
			!v.Until.Equal(v.Now.Add(lease)) {
			t.Errorf("%+v", v)
		}
		b.clock.pass(lease)
		if v := view(k); v.Live() || !v.Abandoned() {
			t.Errorf("%+v", v)
		}
		b.giveBack(t, k, f, Idle, "")
		if v := view(k); v.Live() || v.Abandoned() {
			t.Errorf("%+v", v)
		}
		rk := b.refund()
		ended(order.Failed)(t, b, rk)
		if v := view(rk); v.State != order.Failed {
			t.Errorf("%+v", v)
		}
	})
}

// What has fallen out of the open set is found again: unfinished records, and ends that were never published.
func TestWhatFellOutOfTheOpenSetIsAdopted(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		live, unpublished, done, rk := b.order(), b.order(), b.order(), b.refund()
		b.claim(t, live)
		finished(order.Issued)(t, b, done)
		finished(order.Failed)(t, b, unpublished)
		b.claim(t, rk)
		must(t, b.rdb.HDel(b.ctx, keys.Record(unpublished), "event").Err())
		must(t, b.rdb.Del(b.ctx, keys.Open(shop)).Err())
		n, err := b.AdoptOpen(b.ctx, shop, order.Ref{}.Account)
		if err != nil || n[shop] != 3 || len(n) != 1 {
			t.Errorf("%v, %v", n, err)
		}
		open := b.open(t)
		for k, want := range map[string]bool{keys.Member(live): true, keys.Member(unpublished): true, keys.Member(rk): true, keys.Member(done): false} {
			if slices.Contains(open, k) != want {
				t.Errorf("%s adopted: %t, want %t", k, !want, want)
			}
		}
		if n, err := b.AdoptOpen(b.ctx, shop); err != nil || len(n) != 0 {
			t.Errorf("a second time: %v, %v", n, err)
		}
	})
}

// A review that comes back while somebody's "try again" is still under way stays listed, and one that
// ends stays no longer, wherever the person's program dies.
func TestTheListOfReviewsIsTrueWhateverHappensMeanwhile(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		listed := func() int64 {
			n, err := b.ReviewCount(b.ctx, shop)
			must(t, err)
			return n
		}
		k := b.order()
		finished(order.Review)(t, b, k)
		hooked := redis.NewClient(b.rdb.Options())
		defer hooked.Close()
		slow := *b.Ledger
		slow.rdb = hooked
		hooked.AddHook(after{func() { // of reopen: the sweeper has woken it, and nothing is any clearer
			a, err := b.Finish(b.ctx, k, b.claim(t, k).Record.Fence, Ending{State: order.Review, Reason: Reason{Code: "in_doubt"}})
			applied(t, a, err)
		}})
		a, err := slow.Reopen(b.ctx, k, "ann", "r")
		applied(t, a, err)
		if b.load(t, k).State != order.Review || listed() != 1 {
			t.Errorf("it is %s, and %d are listed", b.load(t, k).State, listed())
		}

		dying := redis.NewClient(b.rdb.Options())
		defer dying.Close()
		ctx, die := context.WithCancel(b.ctx)
		dying.AddHook(after{die})
		slow.rdb = dying
		_, _ = slow.Resolve(ctx, k, Resolution{State: order.Issued, Who: "ann", Reason: "r"})
		must(t, b.Publish(b.ctx, k)) // as the sweeper does
		if b.load(t, k).State != order.Issued || listed() != 0 {
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
			b.submit(t, k, c.Record.Fence)
			a, err := b.GiveBack(b.ctx, k, c.Record.Fence, Unknown, Reason{Code: "timeout"})
			applied(t, a, err)
			b.clock.pass(time.Hour)
		}
		c := b.claim(t, k)
		if !c.Record.DoubtSince.Equal(since) || !c.Record.DoubtAt.Equal(since.Add(2*time.Hour)) {
			t.Errorf("in doubt since %s, last sent at %s", c.Record.DoubtSince, c.Record.DoubtAt)
		}
		a, err := b.Finish(b.ctx, k, c.Record.Fence, Ending{State: order.Review, Reason: Reason{Code: "in_doubt"}})
		applied(t, a, err)
		b.clock.pass(time.Hour)
		a, err = b.Reopen(b.ctx, k, "ann", "r")
		applied(t, a, err)
		c = b.claim(t, k)
		if !c.Record.DoubtSince.Equal(b.clock.Now()) || !c.Record.DoubtAt.Equal(since.Add(2*time.Hour)) || !b.load(t, k).ReopenedAt.Equal(b.clock.Now()) {
			t.Errorf("tried again: in doubt since %s, last sent at %s", c.Record.DoubtSince, c.Record.DoubtAt)
		}
		b.submit(t, k, c.Record.Fence)
		a, err = b.Accept(b.ctx, k, c.Record.Fence, Acceptance{})
		applied(t, a, err)
		if r := b.load(t, k); !r.DoubtSince.IsZero() {
			t.Errorf("accepted, and in doubt since %s", r.DoubtSince)
		}

		rk := b.refund()
		f := b.plan(t, rk, Plan{Count: 1, Baseline: 0})
		since = b.clock.Now()
		for range 2 {
			b.submit(t, rk, f)
			a, err := b.GiveBack(b.ctx, rk, f, Unknown, Reason{Code: "timeout"})
			applied(t, a, err)
			b.clock.pass(time.Hour)
			c := b.claim(t, rk)
			if f = c.Record.Fence; !c.Record.DoubtSince.Equal(since) {
				t.Errorf("a refund in doubt since %s", c.Record.DoubtSince)
			}
		}
	})
}
