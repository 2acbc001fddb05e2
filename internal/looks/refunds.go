package looks

import (
	"context"
	"fmt"

	"issuance/internal/vault"
	"issuance/tasks/order"
)

// whose says who has refunded a ticket.
type whose int

const (
	elsewhere whose = iota // as far as is known here
	ours
	undecided // a refund of ours that may have is under way
)

// ownRefunds are what an order's refunds explain.
type ownRefunds struct {
	tickets map[string]whose
	// spare is how many tickets were refunded by refunds whose plan is not kept any more.
	spare int
}

func (l *Looker) ownRefunds(ctx context.Context, ref order.Ref) (*ownRefunds, error) {
	list, err := l.Ledger.Refunds(ctx, ref)
	if err != nil {
		return nil, err
	}
	own := &ownRefunds{tickets: map[string]whose{}}
	for _, r := range list {
		if r.Plan == "" || len(r.Tickets) == 0 {
			own.spare += r.Refunded
			if r.State == order.Refunded && r.ResolvedBy != "" {
				own.spare += max(r.Count-r.Refunded, 0)
			}
			continue
		}
		numbers, err := vault.OpenPlan(l.Ring, r.Ref, r.Plan)
		if err != nil {
			return nil, fmt.Errorf("refund %s: its plan cannot be opened: %w", r.Ref, err)
		}
		for i, t := range r.Tickets {
			if i >= len(numbers) {
				break
			}
			mayBe := t.State == order.TicketSending || t.State == order.TicketDoubt
			switch {
			case t.State == order.TicketRefunded, mayBe && r.State.Final():
				own.tickets[numbers[i]] = ours // of what nobody can prove, it is not said that others did it
			case mayBe && own.tickets[numbers[i]] != ours:
				own.tickets[numbers[i]] = undecided
			case t.State == order.TicketPlanned && r.State == order.Refunded:
				own.tickets[numbers[i]] = ours // a person decided so
			}
		}
	}
	return own, nil
}

// explains says who has refunded a ticket that is refunded.
func (o *ownRefunds) explains(ticketNo string) whose {
	if w, known := o.tickets[ticketNo]; known {
		return w
	}
	if o.spare > 0 {
		o.spare--
		return ours
	}
	return elsewhere
}
