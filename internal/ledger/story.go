package ledger

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"issuance/providers"
	"issuance/tasks/order"
)

// Story are the records of an order and of its refunds, the order's first, empty where none is known. The order's History
// has what became of its tickets after it was issued, too: the latest that looks have shown of each, as "ticket".
func (l *Ledger) Story(ctx context.Context, r order.Ref) ([]*Record, error) {
	rec, err := l.Load(ctx, r.Order())
	if err != nil && !errors.Is(err, ErrNotFound) {
		return nil, err
	}
	list, err := l.Refunds(ctx, r)
	if err != nil || rec == nil {
		return list, err
	}
	tickets, err := l.TicketList(ctx, r.Order())
	if err != nil {
		return nil, err
	}
	rec.History = tickets.into(rec.History)
	return append([]*Record{rec}, list...), nil
}

// into is a history with the tickets that are not unused any more, each at the time when a look first showed that.
func (t *TicketList) into(history []Step) []Step {
	var seen []Step
	for i, s := range t.Tickets {
		if s.Status != providers.Unused {
			seen = append(seen, Step{At: s.Since, Event: "ticket", Detail: strings.TrimSpace(strconv.Itoa(i+1) + " " + string(s.Status) + " " + s.Code())})
		}
	}
	slices.SortStableFunc(seen, func(a, b Step) int { return cmp.Compare(a.At.UnixMilli(), b.At.UnixMilli()) })
	out, at := make([]Step, 0, len(history)+len(seen)), 0
	for _, s := range history { // one without a time stays where it is
		for ; at < len(seen) && seen[at].At.Before(s.At); at++ {
			out = append(out, seen[at])
		}
		out = append(out, s)
	}
	return append(out, seen[at:]...)
}
