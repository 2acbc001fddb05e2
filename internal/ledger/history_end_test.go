package ledger

import (
	"strings"
	"testing"

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
