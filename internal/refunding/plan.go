package refunding

import (
	"context"
	"fmt"
	"slices"
	"time"

	"issuance/internal/handler"
	"issuance/internal/ledger"
	"issuance/internal/vault"
	"issuance/providers"
	"issuance/tasks/order"
)

// plan chooses the tickets to refund and writes them down before the first call.
func (s byTickets) plan(ctx context.Context, r *run) (handler.Result, error) {
	if r.doc == nil {
		return r.invalidDocument(), nil
	}
	list, out := s.lists.since(ctx, r.Order, time.Now().Add(-recent))
	if out.Kind == providers.Rejected {
		return r.noList(ctx, out)
	}
	if out.Kind != providers.Done {
		now, err := r.Ledger.Time(ctx)
		if err != nil {
			return handler.GoOn(), err
		}
		return r.noAnswer(now, out), nil
	}
	list, res, err := s.complete(ctx, r, list)
	if err != nil || res.Ends() {
		return res, err
	}
	others, err := r.others(ctx)
	if err != nil {
		return r.unopened(err)
	}
	if by := awaited(r.doc.Wish, list, others); by != "" {
		wait := min(handler.AskAgain(r.Claim.Now.Sub(r.Rec.CreatedAt), r.LookAfter), atLeast)
		return r.yield(wait, order.CodeOtherRefund, "refund "+by+" of the order has chosen tickets that this one would take, and has not ended"), nil
	}
	numbers, planned, refusal := choose(r.doc.Wish, list, others)
	if refusal != nil {
		return handler.Fail(*refusal), nil
	}
	shown, explained := others.explainedTickets(list)
	if res := r.unrecorded(shown, explained); res.Ends() {
		return res, nil
	}
	plan, err := vault.SealPlan(r.Ring, r.Ref, numbers)
	if err != nil {
		return handler.GoOn(), err
	}
	a, err := r.Ledger.WritePlan(ctx, r.Ref, r.Rec.Fence, ledger.Plan{Sealed: plan, Count: len(numbers), Baseline: r.accepted(shown), Tickets: planned})
	if err != nil || !a.Applied {
		return handler.GoOn(), r.Written("plan", a, err)
	}
	r.TurnFree()
	r.Rec.Planned, r.Rec.Plan, r.Rec.Count, r.Rec.BaselineAt = true, plan, len(numbers), a.At
	for _, p := range planned {
		r.Rec.Tickets = append(r.Rec.Tickets, ledger.Ticket{State: p.State, Code: p.Code})
	}
	return handler.GoOn(), nil
}

// complete makes up for a list that shows fewer tickets than were ordered, which is one that lags, or more, which shows
// another order's: a ticket that the document names is asked for itself; to choose from such a list has to wait.
func (s byTickets) complete(ctx context.Context, r *run, list []providers.Ticket) ([]providers.Ticket, handler.Result, error) {
	ordered := max(r.quantity(), 1) // an issued order has tickets
	tooMany := r.quantity() > 0 && len(list) > ordered
	if len(list) >= ordered && !tooMany {
		return list, handler.GoOn(), nil
	}
	now, err := r.Ledger.Time(ctx)
	if err != nil {
		return nil, handler.GoOn(), err
	}
	lags := func() (handler.Result, error) {
		switch {
		case r.tooLong(now, r.Rec.UnclearSince):
			return r.listNeverClear(), nil
		case tooMany:
			return r.yieldUnclear(now, 0, ledger.Reason{Code: listUnclear.Code,
				Message: fmt.Sprintf("the provider lists %d tickets of the order, and %d were ordered: some are another order's", len(list), ordered)}), nil
		}
		return r.yieldLagging(now, 0, ledger.Reason{Code: string(order.CodeListLags),
			Message: fmt.Sprintf("the provider lists %d tickets of the order so far, at least %d were ordered", len(list), ordered)}), nil
	}
	if len(r.doc.Wish.TicketNo) == 0 {
		res, err := lags()
		return nil, res, err
	}
	if tooMany {
		list = nil
	}
	have := map[string]bool{}
	for _, t := range list {
		have[t.TicketNo] = true
	}
	for _, no := range r.doc.Wish.TicketNo {
		if have[no] {
			continue
		}
		t := ticket{run: r, provider: s.provider, lists: s.lists, single: s.single, call: providers.TicketRefund{TicketNo: no}}
		st, out := t.ask(ctx)
		if out.Kind != providers.Done || st.OrderID != r.Order.ID {
			// Whether it is the order's is known once the list is whole.
			res, err := lags()
			return nil, res, err
		}
		list = append(list, providers.Ticket{TicketNo: no, UseStatus: st.UseStatus})
	}
	return list, handler.GoOn(), nil
}

// noList handles a provider that rejects a request to list the order's tickets. The order is known to be
// issued, so that may pass; nothing has been sent when it does not.
func (r *run) noList(ctx context.Context, out providers.Outcome) (handler.Result, error) {
	r.Alarm(out)
	now, err := r.Ledger.Time(ctx)
	if err != nil {
		return handler.GoOn(), err
	}
	if handler.Old(now, r.Rec.UnclearSince, r.orderPatience) {
		return handler.Fail(ledger.Reason{Code: out.Code, Message: "the provider does not list the order's tickets, nothing was refunded: " + out.Message}), nil
	}
	return r.yieldLagging(now, out.RetryAfter, ledger.Reason{Code: string(order.CodeListLags),
		Message: "the provider does not list the order's tickets yet (" + handler.Text(out) + ")"}), nil
}

// awaited names a refund under way whose tickets the wish cannot do without: they may become free again, or, where the
// wish names one that the provider shows refunded, turn out to be its.
func awaited(wish providers.TicketWish, list []providers.Ticket, o others) (by string) {
	free := 0
	for _, t := range list {
		_, taken := o.tickets[t.TicketNo]
		switch {
		case t.UseStatus == providers.Refunded && o.under[t.TicketNo] && slices.Contains(wish.TicketNo, t.TicketNo):
			by = o.tickets[t.TicketNo]
		case t.UseStatus != providers.Unused:
		case !taken:
			free++
		case o.under[t.TicketNo] && (len(wish.TicketNo) == 0 || slices.Contains(wish.TicketNo, t.TicketNo)):
			by = o.tickets[t.TicketNo]
		}
	}
	if len(wish.TicketNo) == 0 && !wish.All && free >= wish.Quantity {
		return ""
	}
	return by
}

// choose picks the tickets: the named ones, or as many unused ones as wished in the provider's
// order. Tickets that another refund of the order may still refund are left alone.
func choose(wish providers.TicketWish, list []providers.Ticket, o others) (numbers []string, planned []ledger.PlannedTicket, refusal *ledger.Reason) {
	if len(wish.TicketNo) > 0 {
		byNo := map[string]providers.Ticket{}
		for _, t := range list {
			byNo[t.TicketNo] = t
		}
		for _, no := range wish.TicketNo {
			t, known := byNo[no]
			numbers = append(numbers, no)
			planned = append(planned, named(t, known, o))
		}
		return numbers, planned, nil
	}
	for _, t := range list {
		if _, taken := o.tickets[t.TicketNo]; t.UseStatus == providers.Unused && !taken {
			numbers = append(numbers, t.TicketNo)
			planned = append(planned, ledger.PlannedTicket{State: order.TicketPlanned})
		}
	}
	switch {
	case len(numbers) == 0:
		return nil, nil, &ledger.Reason{Code: string(order.CodeNothingRefundable), Message: "no ticket of the order can be refunded any more"}
	case wish.All:
		return numbers, planned, nil
	case len(numbers) < wish.Quantity:
		return nil, nil, &ledger.Reason{Code: string(order.CodeNotEnough),
			Message: fmt.Sprintf("%d tickets to refund, only %d can be", wish.Quantity, len(numbers))}
	}
	return numbers[:wish.Quantity], planned[:wish.Quantity], nil
}

// named is the starting state of a ticket that the document names.
func named(t providers.Ticket, known bool, o others) ledger.PlannedTicket {
	settled := func(s order.TicketState, code string) ledger.PlannedTicket {
		return ledger.PlannedTicket{State: s, Code: code}
	}
	switch by, taken := o.tickets[t.TicketNo]; {
	case !known:
		return settled(order.TicketRejected, string(order.CodeNotOfThisOrder))
	case t.UseStatus == providers.Refunded && taken && o.settled[t.TicketNo]:
		return settled(order.TicketElsewhere, "refunded_by_"+by)
	case t.UseStatus == providers.Refunded && taken: // most likely by that refund, which is in review
		return settled(order.TicketElsewhere, "in_doubt_of_"+by)
	case t.UseStatus == providers.Refunded:
		return settled(order.TicketElsewhere, string(order.CodeRefundedElsewhere))
	case taken && o.settled[t.TicketNo]: // the list is behind that refund
		return settled(order.TicketElsewhere, "refunded_by_"+by)
	case taken:
		return settled(order.TicketRejected, "in_doubt_of_"+by)
	case !documented(t.UseStatus):
		return settled(order.TicketRejected, string(order.CodeUseStatus))
	case t.UseStatus != providers.Unused:
		return settled(order.TicketRejected, string(t.UseStatus))
	}
	return settled(order.TicketPlanned, "")
}
