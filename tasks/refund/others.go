package refund

import (
	"context"
	"errors"
	"fmt"

	"issuance/internal/ledger"
	"issuance/tasks"
)

// others sums up the order's other refunds.
type others struct {
	refunded int               // tickets they refunded
	open     bool              // one of them is not proven: queued plans, or in review
	tickets  map[string]string // ticket number → refund id, for tickets they refunded or may refund
	settled  map[string]bool   // of those, the ones certainly refunded
}

// errPlan says that a plan cannot be opened.
var errPlan = errors.New("a refund's plan cannot be opened")

func (r *run) others(ctx context.Context) (others, error) {
	o := others{tickets: map[string]string{}, settled: map[string]bool{}}
	list, err := r.Ledger.LoadRefunds(ctx, r.key.Key)
	if err != nil {
		return o, err
	}
	for _, other := range list {
		if other.RefundID == r.key.RefundID {
			continue
		}
		if other.State == ledger.Refunded {
			o.refunded += other.Count // a person's decision leaves the count of tickets as it was
		} else {
			o.refunded += other.Refunded
		}
		if other.State == ledger.Review {
			o.open = true
		}
		if len(other.Tickets) == 0 {
			continue
		}
		// Once a refund has ended, be it by a person's decision, nothing of it is in doubt any more.
		over := other.State.Final() && other.State != ledger.Review
		numbers, err := tasks.OpenPlan(r.Ring, other.RefundKey, other.Plan)
		if err != nil {
			return o, fmt.Errorf("%w: %s: %w", errPlan, other.RefundKey, err)
		}
		for i, t := range other.Tickets {
			switch {
			case i >= len(numbers), t.State == ledger.TicketElsewhere, t.State == ledger.TicketRejected:
				continue
			case over && t.State != ledger.TicketRefunded:
				continue
			}
			o.tickets[numbers[i]] = other.RefundID
			o.settled[numbers[i]] = t.State == ledger.TicketRefunded
		}
	}
	return o, nil
}
