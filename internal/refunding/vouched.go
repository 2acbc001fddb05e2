package refunding

import (
	"context"
	"sync"
	"time"

	"issuance/internal/handler"
	"issuance/internal/ledger"
	"issuance/internal/vault"
	"issuance/providers"
	"issuance/tasks/order"
)

// vouched makes sure that tickets which were chosen from a list are the order's: a list may hold another order's ticket in
// place of one of ours, and show one as unused that is not. What names the order is a ticket's own status. A ticket that is
// known from an earlier look needs no question, and neither does one that the document names.
func (s byTickets) vouched(ctx context.Context, r *run, numbers []string) (handler.Result, error) {
	if len(r.doc.Wish.TicketNo) > 0 {
		return handler.GoOn(), nil
	}
	known, err := r.knownTickets(ctx)
	if err != nil {
		return handler.GoOn(), err
	}
	for _, no := range numbers {
		if known[no] || s.owners.has(no, r.Ref.Order()) {
			continue
		}
		if end, ok := ctx.Deadline(); ok && time.Until(end) < r.callTimeout+budgetTime || ctx.Err() != nil {
			return handler.WaitFor(time.Second, ledger.Reason{}, "the time of this run is used up; the other tickets are asked for in the next one").Yielding(), nil
		}
		t := ticket{run: r, provider: s.provider, call: providers.TicketRefund{TicketNo: no}}
		st, out := t.provider.TicketStatus(ctx, no)
		r.Log.Info("asked whose a listed ticket is", "outcome", string(out.Kind), "code", out.Code, "ours", st.OrderID == r.Order.ID)
		if out.Kind != providers.Done || st.OrderID != "" && st.OrderID != r.Order.ID || st.UseStatus != providers.Unused {
			return r.notVouched(ctx, st, out)
		}
		s.owners.add(no, r.Ref.Order())
	}
	return handler.GoOn(), nil
}

// notVouched waits for a list that the tickets' own answers agree with.
func (r *run) notVouched(ctx context.Context, st providers.TicketStatus, out providers.Outcome) (handler.Result, error) {
	now, err := r.Ledger.Time(ctx)
	switch {
	case err != nil:
		return handler.GoOn(), err
	case out.Kind != providers.Done && out.Kind != providers.Rejected:
		return r.noAnswer(now, out), nil
	case r.tooLong(now, r.Rec.UnclearSince):
		return r.listNeverClear(), nil
	case out.Kind == providers.Done && st.OrderID != "" && st.OrderID != r.Order.ID:
		return r.yieldUnclear(now, 0, ledger.Reason{Code: listUnclear.Code, Message: "the provider lists a ticket of the order that is another order's by its own status"}), nil
	}
	return r.yieldLagging(now, out.RetryAfter, ledger.Reason{Code: string(order.CodeListLags), Message: "the provider lists a ticket as unused that is not by its own status"}), nil
}

// knownTickets are the order's tickets as they were stored when it was issued, or at a look since; none where nothing is.
func (r *run) knownTickets(ctx context.Context) (map[string]bool, error) {
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
