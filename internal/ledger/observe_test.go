package ledger

import (
	"slices"
	"testing"

	"issuance/tasks/order"
)

// An observer is called with every transition that is applied, once, and with none that is refused.
func TestTheObserverSeesEveryTransition(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		var seen []string
		b.opt.Observer = func(c Change) {
			seen = append(seen, c.Ref.String()+" "+c.Event+" "+string(c.State))
			if c.Final() != (c.Event == "issued" || c.Event == "refunded" || c.Event == "cancelled") {
				t.Errorf("%+v: Final is %v", c, c.Final())
			}
		}
		k := order.Ref{Account: shop, OrderID: "A1"}
		f := b.claim(t, k).Record.Fence
		if c, err := b.begin(k, "other"); err != nil || c.Verdict != Busy { // nothing to see
			t.Fatal(c, err)
		}
		b.submit(t, k, f)
		b.giveBack(t, k, f, NotSent, "x")
		if a, err := b.Accept(b.ctx, k, f, Acceptance{ProviderRef: "R"}); err != nil || a.Applied {
			t.Fatal("an old fence is taken", a, err)
		}
		f = b.claim(t, k).Record.Fence
		b.submit(t, k, f)
		b.giveBack(t, k, f, Unknown, "timeout")
		b.giveBack(t, k, b.claim(t, k).Record.Fence, Idle, "")
		f = b.claim(t, k).Record.Fence
		b.submit(t, k, f)
		ok := func(a Answer, err error) { t.Helper(); applied(t, a, err) }
		ok(b.Rejected(b.ctx, k, f, Reason{Code: "no"}))
		ok(b.Accept(b.ctx, k, f, Acceptance{ProviderRef: "R"}))
		ok(b.Polled(b.ctx, k, "", Reason{}, Idle))
		ok(b.Finish(b.ctx, k, "", Ending{State: order.Issued}))
		if a, err := b.Finish(b.ctx, k, "", Ending{State: order.Failed}); err != nil || a.Applied {
			t.Fatal("a final state changes", a, err)
		}
		r := k.Refund("R1")
		f = b.plan(t, r, Plan{Count: 1, Tickets: []PlannedTicket{{State: order.TicketPlanned}}})
		ok(b.submitTicket(r, f, 0))
		ok(b.settle(r, f, 0, order.TicketRefunded, ""))
		ok(b.Finish(b.ctx, r, f, Ending{State: order.Refunded, Refunded: 1}))
		r = k.Refund("R2")
		b.record(t, r)
		ok(b.Cancel(b.ctx, r, "ann", "r"))
		if known, err := b.Record(b.ctx, document(r)); err != nil || known.New {
			t.Fatal("a known document is new", known, err)
		}

		const a1, r1, r2 = "ecticket:2000132/A1 ", "ecticket:2000132/A1/R1 ", "ecticket:2000132/A1/R2 "
		want := []string{
			a1 + "queued queued", a1 + "submit submitting", a1 + "not_sent queued", a1 + "submit submitting", a1 + "unknown submitting",
			a1 + "idle submitting", a1 + "submit submitting", a1 + "rejected submitting", a1 + "accept accepted", a1 + "polled accepted",
			a1 + "issued issued", r1 + "queued queued", r1 + "plan queued", r1 + "submit submitting", r1 + "settle_ticket submitting",
			r1 + "refunded refunded", r2 + "cancelled cancelled", // nobody has claimed R2
		}
		if !slices.Equal(seen, want) {
			t.Errorf("seen\n%q\nwant\n%q", seen, want)
		}
	})
}
