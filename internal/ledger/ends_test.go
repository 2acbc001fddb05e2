package ledger

import (
	"slices"
	"testing"
	"time"

	"issuance/tasks/order"
)

// Ends names the last end of every record as the stream does, the records of an order together and in the order of
// their ends, whichever of them were found.
func TestEndsAreNamedAsInTheStream(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		o := b.order()
		c := b.claim(t, o)
		b.submit(t, o, c.Record.Fence)
		a, err := b.Finish(b.ctx, o, c.Record.Fence, Ending{State: order.Review, Reason: Reason{Code: "in_doubt"}})
		applied(t, a, err)
		first, err := b.Ends(b.ctx, []order.Ref{o})
		must(t, err)
		b.clock.pass(time.Second)
		a, err = b.Resolve(b.ctx, o, Resolution{State: order.Issued, Who: "angela", Reason: "seen"})
		applied(t, a, err)
		for _, id := range []string{"R1", "R2"} {
			b.clock.pass(time.Second)
			b.record(t, o.Refund(id))
			a, err := b.Cancel(b.ctx, o.Refund(id), "angela", "test")
			applied(t, a, err)
		}
		orphan := b.refund()
		later := orphan.Order().Refund("R2")
		for _, r := range []order.Ref{orphan, later} {
			b.clock.pass(time.Second)
			b.record(t, r)
			a, err = b.Cancel(b.ctx, r, "angela", "test")
			applied(t, a, err)
		}
		unfinished := b.order()
		b.record(t, unfinished)

		all := b.events(t)
		ids := func(found ...order.Ref) (out []string) {
			list, err := b.Ends(b.ctx, found)
			must(t, err)
			for _, e := range list {
				out = append(out, e.ID)
			}
			return out
		}
		if len(first) != 1 || first[0].ID != all[0] || first[0].Code != "in_doubt" {
			t.Errorf("%+v, the stream has %v", first, all)
		}
		group := all[1:4]
		if got := ids(o.Refund("R1"), o, o.Refund("R2")); !slices.Equal(got, group) {
			t.Errorf("%v, the stream has %v", got, group)
		}
		if got := ids(o.Refund("R1"), o.Refund("R2"), unfinished); len(got) != 0 {
			t.Errorf("%v come with their order, not alone", got)
		}
		if got := ids(orphan); !slices.Equal(got, all[4:]) {
			t.Errorf("%v, the stream has %v", got, all[4:])
		}
		if got := ids(later); len(got) != 0 {
			t.Errorf("%v come with the first refund, not alone", got)
		}
	})
}
