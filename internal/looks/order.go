package looks

import (
	"context"
	"errors"
	"slices"

	"issuance/internal/ledger"
	"issuance/internal/notices"
	"issuance/internal/vault"
	"issuance/providers"
	"issuance/tasks/order"
)

// order asks for all tickets of an order. tries is how often in a row that was not answered.
func (l *Looker) order(ctx context.Context, ref order.Ref, tries int) ending {
	rec, err := l.Ledger.Load(ctx, ref)
	switch {
	case errors.Is(err, ledger.ErrNotFound):
		return done()
	case err != nil:
		return failed(err)
	case rec.Newer:
		return later(unissued)
	case rec.SentElsewhere(providers.Site(l.Provider)):
		return ending{again: unissued, why: notices.OtherHost}
	case !rec.State.Final(): // a notice can be faster than the poll that finds the order issued
		return ending{again: soon, tried: true, most: unissued}
	case rec.State == order.Review:
		return later(reviewed)
	case rec.State != order.Issued, !rec.ErasedAt.IsZero():
		return done()
	}
	before, err := l.Ledger.TicketList(ctx, ref)
	if err != nil {
		return failed(err)
	}
	numbers, err := l.numbers(rec, before)
	if err != nil {
		return failed(err)
	}
	shown, out := l.Provider.Tickets(ctx, providers.Order{ID: rec.OrderID, Request: rec.Stub, Ref: rec.ProviderRef})
	switch {
	case out.Kind == providers.Rejected && tries+1 < mostRefused:
		return unshown(notices.Unfound)
	case out.Kind == providers.Rejected:
		l.Log.Warn("the provider does not show the tickets of an order that it has issued", "account", l.account(), "order", ref.OrderID, "code", out.Code)
		return done()
	case out.Kind != providers.Done:
		return unanswered(out)
	}
	return l.record(ctx, rec, before, numbers, shown)
}

// numbers are those of the tickets that are known, by their places: of the looks before, or of the tickets that were
// stored when the order was issued.
func (l *Looker) numbers(rec *ledger.Record, before *ledger.TicketList) ([]string, error) {
	if before.Numbers != "" || rec.Result == "" {
		return vault.OpenTickets(l.Ring, rec.Ref, before.Numbers)
	}
	res, err := vault.OpenResult(l.Ring, rec.Ref, rec.Result)
	if err != nil {
		return nil, err
	}
	var numbers []string
	for _, t := range res.Tickets {
		if t.TicketNo != "" {
			numbers = append(numbers, t.TicketNo)
		}
	}
	return numbers, nil
}

// record records what a complete list shows.
func (l *Looker) record(ctx context.Context, rec *ledger.Record, before *ledger.TicketList, known []string, shown []providers.Ticket) ending {
	status := map[string]providers.UseStatus{}
	numbers := slices.Clone(known)
	for _, t := range shown {
		status[t.TicketNo] = t.UseStatus
		if !slices.Contains(known, t.TicketNo) {
			numbers = append(numbers, t.TicketNo)
		}
	}
	// A list that lacks a ticket that was seen, or that was ordered, lags.
	if len(numbers) > len(status) || len(status) < l.codec.Tickets(rec.Stub) {
		return unshown(notices.Incomplete)
	}
	// Read behind the list: whatever refund of ours it shows has its intent recorded by now.
	own, err := l.ownRefunds(ctx, rec.Ref)
	if err != nil {
		return failed(err)
	}
	sights := make([]ledger.TicketSight, len(numbers))
	open := false
	for i, no := range numbers {
		was := ledger.TicketSight{Status: providers.Unused}
		if i < len(before.Tickets) {
			was = before.Tickets[i].TicketSight
		}
		s, e := l.confirmed(ctx, no, was.Status, status[no])
		if e != nil {
			return *e
		}
		sights[i] = ledger.TicketSight{Status: s}
		if s != providers.Refunded {
			continue
		}
		switch own.explains(no) {
		case elsewhere:
			sights[i].Elsewhere = true
		case undecided:
			sights[i], open = was, true
		}
	}
	return l.see(ctx, rec.Ref, before, numbers, sights, open)
}

// see writes the result of a look. open says that a refund of ours that is under way leaves a ticket undecided.
func (l *Looker) see(ctx context.Context, ref order.Ref, before *ledger.TicketList, numbers []string, sights []ledger.TicketSight, open bool) ending {
	sealed, err := vault.SealTickets(l.Ring, ref, numbers)
	if err != nil {
		return failed(err)
	}
	a, err := l.Ledger.SeeTickets(ctx, ref, before, sights, sealed)
	switch {
	case err != nil:
		return failed(err)
	case !a.Applied:
		return later(soon) // another look was faster, or the order has been erased, which the next one finds
	case open:
		return later(unclear)
	}
	return ending{stale: stale(before, sights)}
}

// stale reports whether sights are as those before, and have a ticket that may still be redeemed or refunded.
func stale(before *ledger.TicketList, sights []ledger.TicketSight) bool {
	unused := false
	for i, s := range sights {
		was := ledger.TicketSight{Status: providers.Unused}
		if i < len(before.Tickets) {
			was = before.Tickets[i].TicketSight
		}
		if s != was {
			return false
		}
		unused = unused || s.Status == providers.Unused
	}
	return unused
}

// confirmed is a ticket's status. A list that shows a ticket as unused again may lag, or somebody has cancelled what
// was done; the ticket itself knows. e is set when that could not be asked.
func (l *Looker) confirmed(ctx context.Context, no string, was, listed providers.UseStatus) (s providers.UseStatus, e *ending) {
	if was == listed || was != providers.Redeemed && was != providers.Refunded {
		return listed, nil
	}
	st, out := l.Provider.TicketStatus(ctx, no)
	if out.Kind != providers.Done {
		end := unanswered(out)
		return "", &end
	}
	return st.UseStatus, nil
}
