package ledger

import (
	"strings"
	"testing"
	"time"

	"issuance/tasks/order"
)

// A refund's end is a line of its history, also behind one that ends in the same word.
func TestTheEndOfARefundStandsInItsHistory(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		r1 := b.refund()
		fence := b.plan(t, r1, Plan{Sealed: "s1.k.plan", Count: 1, Baseline: -1, Tickets: []PlannedTicket{{State: order.TicketPlanned}}})
		a, err := b.SettleTicket(b.ctx, r1, fence, 0, Settlement{State: order.TicketRefunded})
		applied(t, a, err)
		a, err = b.Finish(b.ctx, r1, fence, Ending{State: order.Refunded, Refunded: 1})
		applied(t, a, err)
		rec := b.load(t, r1)
		var lines []string
		for _, h := range rec.History {
			lines = append(lines, strings.TrimSpace(h.Event+" "+h.Detail))
		}
		if got := strings.Join(lines, ", "); !strings.HasSuffix(got, "planned 1 ticket, ticket 1 refunded, refunded") {
			t.Errorf("history: %s", got)
		}
	})
}

// Each end stands in the history once, where it happened and with its code: that of a review that was reopened as well, and of
// one that was resolved, which has the person's decision besides.
func TestEachEndStandsInTheHistoryOnce(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		k := b.order()
		review := func(code string) {
			t.Helper()
			f := b.claim(t, k).Record.Fence
			b.submit(t, k, f)
			a, err := b.Finish(b.ctx, k, f, Ending{State: order.Review, Reason: Reason{Code: code}})
			applied(t, a, err)
		}
		is := func(want string) {
			t.Helper()
			var lines []string
			for _, h := range b.load(t, k).History[1:] {
				if h.Event != "submitting" && h.Event != "looked_up" {
					lines = append(lines, strings.TrimSpace(h.Event+" "+h.Detail))
				}
			}
			if got := strings.Join(lines, ", "); got != want {
				t.Errorf("history: %s, want %s", got, want)
			}
		}
		review("in_doubt")
		is("review in_doubt")
		a, err := b.Reopen(b.ctx, k, "ming", "again")
		applied(t, a, err)
		is("review in_doubt, reopened by ming: again")
		review("number_taken")
		is("review in_doubt, reopened by ming: again, review number_taken")
		a, err = b.Resolve(b.ctx, k, Resolution{State: order.Issued, Who: "lin", Reason: "seen"})
		applied(t, a, err)
		is("review in_doubt, reopened by ming: again, review number_taken, resolved issued by lin: seen")
		if _, err := b.Erase(b.ctx, k, "lin"); err != nil {
			t.Error(err)
		}
		is("review in_doubt, reopened by ming, review number_taken, resolved issued by lin, erased by lin")

		k = b.order()
		f := b.claim(t, k).Record.Fence
		b.submit(t, k, f)
		a, err = b.Finish(b.ctx, k, f, Ending{State: order.Failed, Reason: Reason{Code: "E1"}})
		applied(t, a, err)
		is("failed E1")
		b.clock.pass(time.Second)
		if _, err := b.Erase(b.ctx, k, "lin"); err != nil {
			t.Error(err)
		}
		is("failed E1, erased by lin")
	})
}
