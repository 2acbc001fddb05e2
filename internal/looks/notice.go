package looks

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"issuance/internal/ledger"
	"issuance/internal/notices"
	"issuance/providers"
	"issuance/tasks/order"
)

// notice makes the looks that a notice calls for. The orders that it names by number are looked at first, because
// their lists say which of the tickets it names are theirs; the others are asked for one by one, and the answers name
// their orders. Only where all that finds no order, of here or elsewhere, are records searched for the provider's own id.
func (l *Looker) notice(ctx context.Context, look notices.Look) ending {
	at := parsePlace(look.Name)
	text, err := l.Notices.Open(ctx, l.Ring, at.notice)
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
	tickets := names.Tickets
	for _, r := range found {
		tickets = without(tickets, r.OrderID)
	}
	switch {
	case look.Kind == notices.OfTickets || len(found) == 0:
		return l.tickets(ctx, at, names, found, tickets)
	case len(tickets) > 0 || len(names.Codes) > 0:
		err = l.Notices.WantTickets(ctx, at.String(), soon)
	}
	if err == nil {
		err = l.Notices.Want(ctx, found...)
	}
	if err != nil {
		return failed(err)
	}
	return done()
}

// mostAsked bounds the tickets that one look asks for, so that it ends while it is its taker's.
const mostAsked = 5

// tickets asks for those of a notice's tickets that none of its orders has.
func (l *Looker) tickets(ctx context.Context, at place, names notices.Names, orders []order.Ref, tickets []string) ending {
	rest, busy, err := l.unexplained(ctx, orders, tickets)
	switch {
	case err != nil:
		return failed(err)
	case busy:
		return ending{again: soon, tried: true}
	}
	began := at
	at.known = at.known || len(orders) > 0
	for asked := 0; at.ticket < len(names.Tickets)+len(names.Codes); at.ticket++ {
		ask := l.question(names, rest, at.ticket)
		if ask == nil {
			continue
		}
		if asked == mostAsked {
			return l.goOn(ctx, began, at, ending{})
		}
		asked++
		known, e := l.orderOf(ctx, ask)
		if e != nil {
			return l.goOn(ctx, began, at, *e)
		}
		at.known = at.known || known
	}
	if at.known || len(names.Numbered) > 0 {
		return done() // orders of here, or of another system that sells for the merchant
	}
	return l.search(ctx, names.Orders)
}

// question asks the provider for a ticket.
type question func(context.Context) (providers.TicketStatus, providers.Outcome)

// question is about what a notice names at a place, its tickets and then its codes; nil where nothing is to be asked. rest
// are the tickets that are not known.
func (l *Looker) question(names notices.Names, rest []string, at int) question {
	if at < len(names.Tickets) {
		no := names.Tickets[at]
		if !slices.Contains(rest, no) {
			return nil
		}
		return func(ctx context.Context) (providers.TicketStatus, providers.Outcome) {
			return l.Provider.TicketStatus(ctx, no)
		}
	}
	p, ok := l.Provider.(ByCode)
	if !ok {
		return nil
	}
	code := names.Codes[at-len(names.Tickets)]
	return func(ctx context.Context) (providers.TicketStatus, providers.Outcome) {
		return p.StatusByWriteOffNo(ctx, code)
	}
}

// orderOf has the order of a ticket looked at. known says that the provider knows whose it is; e is set when that is
// still to be asked.
func (l *Looker) orderOf(ctx context.Context, ask question) (known bool, e *ending) {
	st, out := ask(ctx)
	switch {
	case out.Kind == providers.Rejected: // no ticket of this account
		return false, nil
	case out.Kind != providers.Done:
		end := unanswered(out)
		return false, &end
	}
	of, err := l.recorded(ctx, []string{st.OrderID})
	if err == nil {
		err = l.Notices.Want(ctx, of...)
	}
	if err != nil {
		end := failed(err)
		return false, &end
	}
	return st.OrderID != "", nil
}

// goOn ends a look that has come as far as a place: another one goes on from there, which asks nothing twice.
func (l *Looker) goOn(ctx context.Context, began, at place, e ending) ending {
	if at == began {
		return e
	}
	if err := l.Notices.WantTickets(ctx, at.String(), e.again); err != nil {
		return failed(err)
	}
	return ending{held: e.held, err: e.err}
}

// place is how far the tickets and codes of a notice have been asked for: the name of a look, "NOTICE[/TICKET[/known]]".
type place struct {
	notice string
	ticket int  // of those that it names, the next one; its codes come after its tickets
	known  bool // an order of those before it is known
}

func parsePlace(name string) (p place) {
	f := strings.Split(name, "/")
	if p.notice = f[0]; len(f) > 1 {
		p.ticket, _ = strconv.Atoi(f[1]) // of a newer program, perhaps: then all are asked for
		p.ticket = max(p.ticket, 0)
	}
	p.known = len(f) > 2
	return p
}

func (p place) String() string {
	switch {
	case p.known:
		return fmt.Sprintf("%s/%d/known", p.notice, p.ticket)
	case p.ticket > 0:
		return fmt.Sprintf("%s/%d", p.notice, p.ticket)
	}
	return p.notice
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
	rest = tickets
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
		rest = without(rest, append(numbers, rec.ProviderRef)...)
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

// without is a list without some of its members.
func without(list []string, members ...string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return slices.Contains(members, s) })
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
