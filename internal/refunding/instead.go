package refunding

import (
	"context"
	"slices"
	"time"

	"issuance/providers"
)

// status asks for the ticket itself. Where that is answered with nothing of use again and again, and the list of the order's
// tickets shows the ticket's status as well, the list is asked for instead: not every account may be able to make both calls.
func (t ticket) status(ctx context.Context) (providers.TicketStatus, providers.Outcome) {
	if t.single.Active(time.Now()) {
		st, out, ok := t.listedStatus(ctx)
		if !ok && !out.Unasked() {
			t.single.Over()
		}
		return st, out
	}
	st, out := t.provider.TicketStatus(ctx, t.call.TicketNo)
	switch {
	case out.Kind == providers.Done:
		t.single.Useful()
	case !out.Unasked() && !out.Banned && t.single.Useless():
		if listed, done, ok := t.listedStatus(ctx); ok {
			t.single.Proven(time.Now())
			return listed, done
		}
	}
	return st, out
}

// listedStatus is the ticket's status by a list that is asked for now; ok is false when it does not show the ticket.
func (t ticket) listedStatus(ctx context.Context) (st providers.TicketStatus, out providers.Outcome, ok bool) {
	list, out := t.lists.since(ctx, t.Order, time.Now())
	if out.Kind != providers.Done {
		return st, out, false
	}
	i := slices.IndexFunc(list, func(l providers.Ticket) bool { return l.TicketNo == t.call.TicketNo })
	if i < 0 {
		return st, providers.Outcome{Kind: providers.Unknown, Code: listUnclear.Code, Message: listUnclear.Message}, false
	}
	return providers.TicketStatus{Ticket: list[i], OrderID: t.Order.ID, RefundedAt: list[i].RefundedAt}, out, true
}
