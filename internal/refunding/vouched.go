package refunding

import (
	"context"
	"sync"

	"issuance/internal/handler"
	"issuance/internal/ledger"
	"issuance/internal/vault"
	"issuance/providers"
	"issuance/tasks/order"
)

// vouched makes sure, before the first request for a ticket that was chosen from a list, that it is the order's: a list may
// hold another order's ticket in place of one of ours, or be an old one. What names the order is the ticket's own status. A
// ticket that is known from an earlier look needs no question, and neither does one that the document names. GoOn means that
// the ticket may be refunded, or is settled.
func (t ticket) vouched(ctx context.Context) (handler.Result, error) {
	no := t.call.TicketNo
	if t.doc != nil && len(t.doc.Wish.TicketNo) > 0 || t.owners.has(no, t.Ref.Order()) {
		return handler.GoOn(), nil
	}
	if known, err := t.isKnown(ctx, no); err != nil || known {
		return handler.GoOn(), err
	}
	st, out := t.status(ctx)
	t.Log.Info("asked whose a listed ticket is", "ticket", t.i+1, "outcome", string(out.Kind), "code", out.Code, "use_status", string(st.UseStatus))
	rejected := func(code string) error {
		return t.settle(ledger.Settlement{State: order.TicketRejected, Code: code})
	}
	switch {
	case out.Kind != providers.Done || !documented(st.UseStatus):
		return t.notVouched(ctx, out, rejected)
	case st.OrderID != "" && st.OrderID != t.Order.ID:
		return handler.GoOn(), rejected(string(order.CodeNotOfThisOrder))
	case st.UseStatus == providers.Refunded:
		return handler.GoOn(), t.settle(ledger.Settlement{State: order.TicketElsewhere, Code: string(order.CodeRefundedElsewhere)})
	case st.UseStatus != providers.Unused:
		return handler.GoOn(), rejected(string(st.UseStatus))
	}
	t.owners.add(no, t.Ref.Order())
	return handler.GoOn(), nil
}

// notVouched waits for the answer that shows whose a ticket is; nothing of it was sent. Right after its order was issued, the
// provider may not know it yet.
func (t ticket) notVouched(ctx context.Context, out providers.Outcome, rejected func(code string) error) (handler.Result, error) {
	t.Alarm(out)
	now, err := t.Ledger.Time(ctx)
	switch {
	case err != nil:
		return handler.GoOn(), err
	case out.Unasked():
		return t.waitForIt(out), nil
	case t.tooLong(now, t.Rec.UnclearSince):
		return handler.GoOn(), rejected(listUnclear.Code)
	}
	why := handler.Reason(out)
	if out.Kind == providers.Done {
		why = listUnclear
	}
	wait := handler.AskAgain(t.unclearFor(now), t.LookAfter)
	if t.unclearFor(now) < handler.LongestLag {
		wait = min(wait, atLeast)
	}
	return handler.WaitFor(max(wait, out.RetryAfter), why, "waiting for a ticket: "+why.Code).As(ledger.Unclear), nil
}

// isKnown reports whether a ticket is one of the order's as they were stored when it was issued, or at a look since.
func (r *run) isKnown(ctx context.Context, ticketNo string) (bool, error) {
	if r.known == nil {
		var err error
		if r.known, err = r.storedTickets(ctx); err != nil {
			return false, err
		}
	}
	return r.known[ticketNo], nil
}

func (r *run) storedTickets(ctx context.Context) (map[string]bool, error) {
	known := map[string]bool{}
	if r.orderRec == nil {
		return known, nil
	}
	if r.orderRec.Result != "" {
		res, err := vault.OpenResult(r.Ring, r.Ref.Order(), r.orderRec.Result)
		if err == nil {
			for _, t := range res.Tickets {
				known[t.TicketNo] = true
			}
		}
	}
	list, err := r.Ledger.TicketList(ctx, r.Ref.Order())
	if err != nil || list.Numbers == "" {
		return known, err
	}
	if numbers, err := vault.OpenTickets(r.Ring, r.Ref.Order(), list.Numbers); err == nil {
		for _, no := range numbers {
			known[no] = true
		}
	}
	return known, nil
}

// owners are the orders of tickets that were asked for, so that another run, or another refund of the order, need not ask
// again. Safe for concurrent use.
type owners struct {
	mu   sync.Mutex
	list map[string]order.Ref
}

// mostOwners bounds them: beyond that they are asked for again.
const mostOwners = 10_000

func (o *owners) has(ticketNo string, r order.Ref) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.list[ticketNo] == r
}

func (o *owners) add(ticketNo string, r order.Ref) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.list == nil || len(o.list) >= mostOwners {
		o.list = map[string]order.Ref{}
	}
	o.list[ticketNo] = r
}
