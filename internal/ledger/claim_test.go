package ledger

import (
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"issuance/tasks/order"
)

const runners = 16

// race runs f in many goroutines at the same moment and returns what they answered.
func race[T any](f func(i int) T) []T {
	out := make([]T, runners)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range runners {
		wg.Go(func() {
			<-start
			out[i] = f(i)
		})
	}
	close(start)
	wg.Wait()
	return out
}

// Of many runners that claim the same record at once, one gets it; the others learn until when it is claimed.
func TestOneOfManyRunnersGetsTheClaim(t *testing.T) {
	eachClock(t, func(t *testing.T, b *bench) {
		for range 5 {
			k, rk := b.order(), b.refund()
			b.record(t, k)
			b.record(t, rk)
			orders := race(func(i int) Claim { c, _ := b.begin(k, strconv.Itoa(i)); return c })
			refunds := race(func(i int) Claim { c, _ := b.begin(rk, strconv.Itoa(i)); return c })
			for what, claims := range map[string][]Claim{"order": orders, "refund": refunds} {
				got := map[Verdict]int{}
				for _, c := range claims {
					got[c.Verdict]++
				}
				if got[MaySend] != 1 || got[Busy] != runners-1 {
					t.Errorf("%s: %v, want one claim and %d that are busy", what, got, runners-1)
				}
			}
			if r := b.load(t, k); r.Crashes != 0 || len(r.History) != 1 {
				t.Errorf("a lost race left traces: %+v", r)
			}
		}
	})
}

// Of many that finish, one is applied and one event is published.
func TestOneOfManyFinishesIsApplied(t *testing.T) {
	ends := []Ending{{State: order.Issued, ProviderRef: "a"}, {State: order.Failed, Reason: Reason{Code: "E"}}, {State: order.Review, Reason: Reason{Code: "R"}}}
	eachClock(t, func(t *testing.T, b *bench) {
		for _, accepted := range []bool{false, true} {
			k := b.order()
			fence := b.claim(t, k).Record.Fence
			b.submit(t, k, fence)
			if accepted {
				a, err := b.Accept(b.ctx, k, fence, "", "")
				applied(t, a, err)
				fence = ""
			}
			before := len(b.events(t))
			type result struct {
				Answer
				state order.State
				err   error
			}
			var winner order.State
			for _, r := range race(func(i int) result {
				e := ends[i%len(ends)]
				a, err := b.Finish(b.ctx, k, fence, e)
				return result{a, e.State, err}
			}) {
				must(t, r.err)
				if r.Applied && winner != "" {
					t.Errorf("both %s and %s were applied", winner, r.state)
				} else if r.Applied {
					winner = r.state
				}
			}
			rec := b.load(t, k)
			if winner == "" || rec.State != winner {
				t.Errorf("%q won, the record says %q", winner, rec.State)
			}
			if n := len(b.events(t)) - before; n != 1 || rec.Event == "" {
				t.Errorf("%d events, marked %q", n, rec.Event)
			}
		}
	})
}

// A runner that died before its intent leaves nothing in doubt: the order may be sent.
func TestAClaimAbandonedBeforeItsIntentIsSentAgain(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		k := b.order()
		first := b.claim(t, k)
		b.clock.pass(lease)
		c := b.claim(t, k)
		if c.Verdict != MaySend || !c.Record.DoubtAt.IsZero() || c.Record.Crashes != 1 || c.Record.Fence == first.Record.Fence {
			t.Errorf("%+v", c)
		}
	})
}

// A runner that died after its intent may have sent at any moment until its claim ran out: that is
// when the doubt is counted from, the extension of the claim included.
func TestAClaimAbandonedAfterItsIntentIsLookedUp(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		k := b.order()
		fence := b.claim(t, k).Record.Fence
		b.clock.pass(time.Second)
		b.submit(t, k, fence)
		b.clock.pass(time.Second)
		must(t, b.Extend(b.ctx, k, fence, lease))
		end := b.clock.Now().Add(lease)

		b.clock.pass(lease - time.Millisecond)
		if c, err := b.begin(k, "second"); err != nil || c.Verdict != Busy || !c.Record.Until.Equal(end) {
			t.Fatalf("before the claim ran out: %+v, %v", c, err)
		}
		b.clock.pass(time.Hour)
		c := b.claim(t, k)
		if c.Verdict != MustLookUp || !c.Record.DoubtAt.Equal(end) || c.Record.Crashes != 1 || c.Record.Attempts != 1 {
			t.Errorf("%+v, want a look-up with the doubt at %s", c, end)
		}
	})
}

// The same by Redis's own clock, which no test moves.
func TestAClaimRunsOutByRedissClock(t *testing.T) {
	eachClock(t, func(t *testing.T, b *bench) {
		if b.clock != nil {
			return // the other half is for this test
		}
		k := b.order()
		b.record(t, k)
		c, err := b.Claim(b.ctx, k, "first", time.Millisecond)
		must(t, err)
		a, _, err := b.Submit(b.ctx, k, c.Record.Fence, Intent{Lease: 20 * time.Millisecond, Ticket: -1})
		applied(t, a, err)
		until := b.load(t, k).Until
		for giveUp := time.Now().Add(5 * time.Second); ; {
			c, err = b.begin(k, "second")
			must(t, err)
			if c.Verdict != Busy {
				break
			}
			if time.Now().After(giveUp) {
				t.Fatal("the claim never ran out")
			}
		}
		if c.Verdict != MustLookUp || !c.Record.DoubtAt.Equal(until) {
			t.Errorf("%+v, want a look-up with the doubt at %s", c, until)
		}
		if now, err := b.Time(b.ctx); err != nil || now.Before(until) || time.Since(now).Abs() > time.Minute {
			t.Errorf("the ledger's time is %s, %v", now, err)
		}
	})
}

// Each runner that dies is counted, once, and named in the history.
func TestDeadRunnersAreCounted(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		k, rk := b.order(), b.refund()
		for i := range 4 {
			c, err := b.begin(k, fmt.Sprintf("w%d", i))
			if err != nil || c.Record.Crashes != i {
				t.Fatalf("%+v, %v", c, err)
			}
			r, err := b.begin(rk, fmt.Sprintf("w%d", i))
			if err != nil || r.Record.Crashes != i {
				t.Fatalf("%+v, %v", r, err)
			}
			b.clock.pass(lease)
		}
		var dead []string
		for _, s := range b.load(t, k).History {
			if s.Event == "abandoned" {
				dead = append(dead, s.Detail)
			}
		}
		if fmt.Sprint(dead) != "[w0 w1 w2]" {
			t.Errorf("history names %v", dead)
		}
	})
}

// A claim that was given back is no crash.
func TestGivingAClaimBackIsNoCrash(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		k := b.order()
		f := b.claim(t, k).Record.Fence
		a, err := b.GiveBack(b.ctx, k, f, Idle, Reason{})
		applied(t, a, err)
		b.clock.pass(time.Hour)
		if c := b.claim(t, k); c.Record.Crashes != 0 || c.Verdict != MaySend {
			t.Errorf("%+v", c)
		}
	})
}

// "Not sent" speaks of one attempt: what an earlier one left in doubt stays in doubt.
func TestNotSentKeepsAnOlderDoubt(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		k := b.order()
		f := b.claim(t, k).Record.Fence
		b.submit(t, k, f)
		a, err := b.GiveBack(b.ctx, k, f, Unknown, Reason{Code: "timeout"})
		applied(t, a, err)
		doubt := b.clock.Now()

		b.clock.pass(time.Hour)
		f = b.claim(t, k).Record.Fence
		b.submit(t, k, f)
		a, err = b.GiveBack(b.ctx, k, f, NotSent, Reason{Code: "dial"})
		applied(t, a, err)
		if c := b.claim(t, k); c.Verdict != MustLookUp || !c.Record.DoubtAt.Equal(doubt) || c.Record.State != order.Submitting {
			t.Errorf("%+v, want a look-up with the doubt at %s", c, doubt)
		}
	})
}

// A second intent of one claim leaves the first, which has no answer, in doubt.
func TestASecondIntentLeavesTheFirstInDoubt(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		k := b.order()
		f := b.claim(t, k).Record.Fence
		b.submit(t, k, f)
		b.submit(t, k, f)
		a, err := b.GiveBack(b.ctx, k, f, NotSent, Reason{})
		applied(t, a, err)
		if c := b.claim(t, k); c.Verdict != MustLookUp || c.Record.Attempts != 2 {
			t.Errorf("%+v", c)
		}
	})
}

// "Idle" with an intent open is a doubt, whatever the caller thinks.
func TestAnOpenIntentIsNeverIdle(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		k := b.order()
		f := b.claim(t, k).Record.Fence
		b.submit(t, k, f)
		a, err := b.GiveBack(b.ctx, k, f, Idle, Reason{})
		applied(t, a, err)
		if c := b.claim(t, k); c.Verdict != MustLookUp || !c.Record.DoubtAt.Equal(b.clock.Now()) {
			t.Errorf("%+v", c)
		}
	})
}

// The provider's rejection waits for a look-up, through unclear ones and crashes, even when it came
// without a code; and the look-up may then find the order.
func TestAnUnconfirmedRejectionIsLookedUp(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		for _, code := range []string{"E1", ""} {
			k := b.order()
			f := b.claim(t, k).Record.Fence
			b.submit(t, k, f)
			a, err := b.Rejected(b.ctx, k, f, Reason{Code: code, Message: "no such thing"})
			applied(t, a, err)
			a, err = b.GiveBack(b.ctx, k, f, Idle, Reason{Code: "unclear"})
			applied(t, a, err)
			c := b.claim(t, k)
			if c.Verdict != MustLookUp || c.Record.Rejection.Code == "" || c.Record.Rejection.Message != "no such thing" || !c.Record.DoubtAt.IsZero() {
				t.Errorf("after an unclear look-up: %+v", c)
			}
			b.clock.pass(lease)
			if c = b.claim(t, k); c.Verdict != MustLookUp || c.Record.Rejection.Code == "" || !c.Record.DoubtAt.IsZero() {
				t.Errorf("after a crash: %+v", c)
			}
			a, err = b.Accept(b.ctx, k, c.Record.Fence, "ref", "")
			applied(t, a, err)
			if r := b.load(t, k); r.State != order.Accepted || r.Reason != (Reason{}) {
				t.Errorf("found after all: %+v", r)
			}
		}
	})
}

// A claim is taken on a Redis that has never seen the scripts, and on one that lost them.
func TestClaimLoadsItsScripts(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		for range 2 {
			b.claim(t, b.order())
			b.claim(t, b.refund())
			must(t, b.rdb.ScriptFlush(b.ctx).Err())
		}
	})
}
