package looks

import (
	"context"
	"errors"
	"regexp"
	"slices"

	"issuance/internal/ledger"
	"issuance/internal/notices"
	"issuance/providers"
	"issuance/tasks/order"
)

// notice makes the looks that a notice calls for. The orders that it names by number are looked at first, because
// their lists say which of the tickets it names are theirs; the others are asked for one by one, and the answers name
// their orders. Only where all that finds nothing are records searched for the provider's own id.
func (l *Looker) notice(ctx context.Context, look notices.Look) ending {
	text, err := l.Notices.Open(ctx, l.Ring, look.Name)
	if err != nil {
		return failed(err)
	}
	if text == nil {
		return done() // not kept any more
	}
	names := notices.Read(text)
	found, err := l.recorded(ctx, names.Orders)
	if err != nil {
		return failed(err)
	}
	tickets := slices.DeleteFunc(names.Tickets, func(no string) bool {
		return slices.ContainsFunc(found, func(r order.Ref) bool { return r.OrderID == no })
	})
	switch {
	case look.Kind == notices.OfTickets || len(found) == 0:
		return l.tickets(ctx, names, found, tickets)
	case len(tickets) > 0:
		err = l.Notices.WantTickets(ctx, look.Name, soon)
	}
	if err == nil {
		err = l.Notices.Want(ctx, found...)
	}
	if err != nil {
		return failed(err)
	}
	return done()
}

// tickets asks for the tickets of a notice that none of its orders has.
func (l *Looker) tickets(ctx context.Context, names notices.Names, orders []order.Ref, tickets []string) ending {
	rest, busy, err := l.unexplained(ctx, orders, tickets)
	switch {
	case err != nil:
		return failed(err)
	case busy:
		return ending{again: soon, tried: true}
	}
	known := len(orders) > 0
	for _, no := range rest {
		st, out := l.Provider.TicketStatus(ctx, no)
		switch {
		case out.Kind == providers.Rejected: // no ticket of this account
		case out.Kind != providers.Done:
			return unanswered(out)
		default:
			of, err := l.recorded(ctx, []string{st.OrderID})
			if err == nil {
				err = l.Notices.Want(ctx, of...)
			}
			if err != nil {
				return failed(err)
			}
			known = known || len(of) > 0
		}
	}
	if known {
		return done()
	}
	return l.search(ctx, names.Orders)
}

// recorded are those of the numbers that are orders of this account.
func (l *Looker) recorded(ctx context.Context, numbers []string) (found []order.Ref, err error) {
	var refs []order.Ref
	for _, no := range numbers {
		if no != "" {
			refs = append(refs, order.Ref{Account: l.Provider.Account(), OrderID: no})
		}
	}
	states, err := l.Ledger.States(ctx, refs)
	for i, s := range states {
		if s != "" {
			found = append(found, refs[i])
		}
	}
	return found, err
}

// unexplained are those of the tickets that none of the orders has. busy says that a look at one of them is still to
// come.
func (l *Looker) unexplained(ctx context.Context, orders []order.Ref, tickets []string) (rest []string, busy bool, err error) {
	rest = slices.Clone(tickets)
	for _, ref := range orders {
		rec, err := l.Ledger.Load(ctx, ref)
		if errors.Is(err, ledger.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, false, err
		}
		list, err := l.Ledger.TicketList(ctx, ref)
		if err != nil {
			return nil, false, err
		}
		numbers, err := l.numbers(rec, list)
		if err != nil {
			return nil, false, err
		}
		rest = slices.DeleteFunc(rest, func(no string) bool { return no == rec.ProviderRef || slices.Contains(numbers, no) })
		if rec.State == order.Issued { // a look at any other may take long
			wanted, err := l.Notices.Wanted(ctx, ref)
			if err != nil {
				return nil, false, err
			}
			busy = busy || wanted
		}
	}
	return rest, busy && len(rest) > 0, nil
}

// idForm is what a provider's own id of an order may look like; shorter numbers are amounts, dates and codes.
var idForm = regexp.MustCompile(`^[A-Za-z0-9-]{9,64}$`)

// mostSearched bounds the searches for one notice.
const mostSearched = 50

// search finds orders by the provider's own id of them.
func (l *Looker) search(ctx context.Context, values []string) ending {
	searched := 0
	for _, value := range values {
		if !idForm.MatchString(value) || searched == mostSearched {
			continue
		}
		searched++
		found, err := l.Ledger.Locate(ctx, l.Provider.Account(), value)
		found = slices.DeleteFunc(found, order.Ref.IsRefund)
		if err == nil {
			err = l.Notices.Want(ctx, found...)
		}
		if err != nil {
			return failed(err)
		}
		if len(found) > 0 {
			return done()
		}
	}
	l.Log.Warn("a notice names no order and no ticket that is known here; it is kept, and nothing follows from it", "account", l.account())
	return done()
}
