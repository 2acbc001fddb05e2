package ledger

import (
	"testing"
	"time"

	"issuance/internal/keys"
	"issuance/providers"
	"issuance/tasks/order"
)

// When the provider first and last did not know an order counts from the last sending only.
func TestAbsenceIsForgottenWithTheNextSending(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		k := b.order()
		f := b.claim(t, k).Record.Fence
		b.submit(t, k, f)
		a, err := b.GiveBack(b.ctx, k, f, Unknown, Reason{})
		applied(t, a, err)
		look := func() time.Time {
			b.clock.pass(time.Second)
			a, err := b.GiveBack(b.ctx, k, b.claim(t, k).Record.Fence, Absent, Reason{})
			applied(t, a, err)
			return b.clock.Now()
		}
		first, last := look(), look()
		if r := b.load(t, k); !r.AbsentAt.Equal(first) || !r.AbsentLast.Equal(last) {
			t.Errorf("absent since %s, last %s; want %s and %s", r.AbsentAt, r.AbsentLast, first, last)
		}
		b.submit(t, k, b.claim(t, k).Record.Fence)
		if r := b.load(t, k); !r.AbsentAt.IsZero() || !r.AbsentLast.IsZero() {
			t.Errorf("absent since %s, last %s, after another sending", r.AbsentAt, r.AbsentLast)
		}
	})
}

// A refund that could not be worked on lets another one of its order choose, unless it has chosen already.
func TestARefundThatWasNotWorkedOnGivesItsTurnBack(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		k := b.refund()
		a, err := b.GiveBack(b.ctx, k, b.claim(t, k).Record.Fence, Unworked, Reason{})
		applied(t, a, err)
		if turn := b.rdb.Get(b.ctx, keys.Turn(k)).Val(); turn != "" {
			t.Errorf("it is the turn of %q", turn)
		}
		a, err = b.GiveBack(b.ctx, k, b.plan(t, k, byNumber), Unworked, Reason{})
		applied(t, a, err)
		if turn := b.rdb.Get(b.ctx, keys.Turn(k)).Val(); turn != k.RefundID {
			t.Errorf("it is the turn of %q, and %s is planned", turn, k.RefundID)
		}
	})
}

// The longest lag that was ever seen is kept, by account.
func TestTheLongestLagIsRemembered(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		other := providers.Account{Provider: shop.Provider, Merchant: "3085676"}
		for _, lag := range []time.Duration{2 * time.Second, 40 * time.Second, time.Second} {
			if err := b.SawLag(b.ctx, shop, lag); err != nil {
				t.Fatal(err)
			}
		}
		if lag, err := b.Lag(b.ctx, shop); lag != 40*time.Second || err != nil {
			t.Errorf("%s, %v", lag, err)
		}
		if lag, err := b.Lag(b.ctx, other); lag != 0 || err != nil {
			t.Errorf("another account's is %s, %v", lag, err)
		}
	})
}

// An order to ask for must be one that the provider certainly has, at the same host, and findable.
func TestTheLatestIssuedOrderIsOneThatTheProviderHas(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		latest := func(at string) string {
			t.Helper()
			r, err := b.LatestIssued(b.ctx, shop, at)
			if err != nil {
				t.Fatal(err)
			}
			if r == nil {
				return ""
			}
			return r.OrderID
		}
		if got := latest(host); got != "" {
			t.Errorf("of no order: %s", got)
		}
		issue := func(end order.State) order.Ref {
			k := b.order()
			f := b.claim(t, k).Record.Fence
			b.submit(t, k, f)
			a, err := b.Finish(b.ctx, k, f, Ending{State: end, Reason: Reason{Code: "c"}})
			applied(t, a, err)
			return k
		}
		issued := issue(order.Issued)
		issue(order.Failed)
		decided := issue(order.Review)
		a, err := b.Resolve(b.ctx, decided, Resolution{State: order.Issued, Who: "ann", Reason: "r"})
		applied(t, a, err)
		if got := latest(host); got != issued.OrderID {
			t.Errorf("%q, want %s", got, issued.OrderID)
		}
		if got := latest("other.invalid"); got != "" {
			t.Errorf("at another host: %s", got)
		}
	})
}

// Polls without a clear answer are counted in a row.
func TestUnclearPollsCountInARow(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		k := b.order()
		f := b.claim(t, k).Record.Fence
		b.submit(t, k, f)
		a, err := b.Accept(b.ctx, k, f, Acceptance{})
		applied(t, a, err)
		poll := func(answer Release) time.Time {
			b.clock.pass(time.Second)
			a, err := b.Polled(b.ctx, k, "", Reason{Code: "c"}, answer)
			applied(t, a, err)
			return b.clock.Now()
		}
		since := poll(Unclear)
		poll(Unclear)
		if r := b.load(t, k); r.Unclear != 2 || !r.UnclearSince.Equal(since) {
			t.Errorf("%d unclear polls since %s, want 2 since %s", r.Unclear, r.UnclearSince, since)
		}
		poll(Idle)
		if r := b.load(t, k); r.Unclear != 0 || !r.UnclearSince.IsZero() {
			t.Errorf("%d unclear polls since %s", r.Unclear, r.UnclearSince)
		}
	})
}

// A confirmation that proves nothing yet is a doubt, and is over with the next sending or the end.
func TestAConfirmationIsADoubtUntilItShows(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		k := b.refund()
		f := b.plan(t, k, byNumber)
		b.submit(t, k, f)
		b.clock.pass(time.Second)
		confirmed := b.clock.Now()
		a, err := b.Confirmed(b.ctx, k, f, Reason{Code: "unconfirmed"})
		applied(t, a, err)
		if last := b.load(t, k).History; last[len(last)-1].Detail != "its effect has still to show" {
			t.Errorf("the history says %+v", last[len(last)-1])
		}
		if r := b.load(t, k); !r.Confirmed || !r.DoubtAt.Equal(confirmed) || !a.At.Equal(confirmed) || r.Doubts != 1 || r.Reason.Code != "unconfirmed" {
			t.Errorf("confirmed %t, in doubt since %s, %d doubts (%s)", r.Confirmed, r.DoubtAt, r.Doubts, r.Reason.Code)
		}
		b.clock.pass(lease) // its worker dies, and the next one looks
		c := b.claim(t, k)
		if c.Verdict != MustLookUp || !c.Record.Confirmed || !c.Record.DoubtAt.Equal(confirmed) {
			t.Errorf("%s, confirmed %t, in doubt since %s", c.Verdict, c.Record.Confirmed, c.Record.DoubtAt)
		}
		b.submit(t, k, c.Record.Fence)
		if r := b.load(t, k); r.Confirmed {
			t.Error("another request was sent, and counts as confirmed")
		}
		a, err = b.Confirmed(b.ctx, k, c.Record.Fence, Reason{Code: "unconfirmed"})
		applied(t, a, err)
		a, err = b.Finish(b.ctx, k, c.Record.Fence, Ending{State: order.Refunded, Refunded: 2})
		applied(t, a, err)
		if r := b.load(t, k); r.Confirmed || !r.DoubtAt.IsZero() {
			t.Errorf("confirmed %t, in doubt since %s", r.Confirmed, r.DoubtAt)
		}
	})
}

// An order that was accepted and is not known is a lag of its age, until it shows or cannot be one any more.
func TestAnAcceptedOrderThatIsNotKnownIsALagInSight(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		want := func(lag time.Duration) {
			t.Helper()
			if got, err := b.Lag(b.ctx, shop); err != nil || got != lag {
				t.Errorf("%s, %v; want %s", got, err, lag)
			}
		}
		unknown := func(id string) order.Ref {
			t.Helper()
			r := order.Ref{Account: shop, OrderID: id}
			if err := b.NotShown(b.ctx, r, b.clock.Now()); err != nil {
				t.Fatal(err)
			}
			return r
		}
		first := unknown("FIRST")
		b.clock.pass(20 * time.Second)
		unknown("SECOND")
		want(20 * time.Second)
		if err := b.SawLag(b.ctx, shop, 5*time.Second); err != nil {
			t.Fatal(err)
		}
		b.clock.pass(20 * time.Second)
		want(40 * time.Second)
		if err := b.Shown(b.ctx, first); err != nil {
			t.Fatal(err)
		}
		want(20 * time.Second)
		b.clock.pass(LongestLag)
		want(5 * time.Second)
	})
}
