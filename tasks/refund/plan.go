package refund

import (
	"context"
	"errors"
	"fmt"
	"time"

	"issuance/internal/handling"
	"issuance/internal/ledger"
	"issuance/internal/seal"
	"issuance/providers"
	"issuance/tasks"
)

// planTickets chooses the tickets to refund and writes them down before the first call. done means
// that the run is over.
func (r *run) planTickets(ctx context.Context) (done bool, err error) {
	wish, err := tasks.RefundTickets(r.request)
	if err != nil {
		return true, r.review("invalid_document", "the refund's document cannot be read; nothing was sent")
	}
	list, out := r.Tickets.Tickets(ctx, r.order)
	if out.Kind == providers.Rejected {
		return true, r.noList(out)
	}
	if out.Kind != providers.Done {
		now, err := r.Ledger.Time(ctx)
		if err != nil {
			return true, err
		}
		return true, r.noAnswer(now, out)
	}
	others, err := r.others(ctx)
	if err != nil {
		return true, r.unopened(err)
	}
	numbers, planned, refusal := choose(wish, list, others)
	if refusal != nil {
		return true, r.finish(ledger.Failed, refusal.Code, refusal.Message, 0)
	}
	plan, err := tasks.SealPlan(r.Ring, r.key, numbers)
	if err != nil {
		return true, err
	}
	a, err := r.Ledger.WritePlan(ctx, r.key, r.claim.Fence, ledger.Plan{Sealed: plan, Count: len(numbers), Baseline: -1, Tickets: planned})
	if err != nil || !a.Applied {
		return true, r.recorded("plan", a, err)
	}
	r.rec.Planned, r.rec.Plan, r.rec.Count = true, plan, len(numbers)
	for _, p := range planned {
		r.rec.Tickets = append(r.rec.Tickets, ledger.RefundTicket{State: p.State, Code: p.Code})
	}
	return false, nil
}

// noList handles a provider that refuses to list the order's tickets. The order is known to be
// issued, so that may pass; nothing has been sent when it does not.
func (r *run) noList(out providers.Outcome) error {
	ctx, cancel := handling.Recording()
	defer cancel()
	now, err := r.Ledger.Time(ctx)
	if err != nil {
		return err
	}
	if now.Sub(r.rec.CreatedAt) < r.OrderPatience {
		return r.idle(r.wait(out), ledger.Reason{Code: out.Code, Message: out.Message}, "the provider does not list the order's tickets: "+out.Code)
	}
	return r.finish(ledger.Failed, out.Code, "the provider does not list the order's tickets, nothing was refunded: "+out.Message, 0)
}

// unopened handles a plan, of this refund or of another one of the order, that cannot be opened.
func (r *run) unopened(err error) error {
	if errors.Is(err, seal.ErrUnknownKey) {
		r.log.Error("alarm: a refund's plan cannot be opened", "error", err)
		return r.idle(time.Minute, ledger.Reason{Code: "seal_key", Message: "a plan was sealed with a key that is not in ISSUANCE_SEAL_KEYS"},
			"waiting for its seal key in ISSUANCE_SEAL_KEYS")
	}
	if errors.Is(err, errPlan) {
		return r.review("unreadable_plan", "a plan that holds ticket numbers cannot be opened; see the history of the order's refunds for what was sent")
	}
	return err
}

// choose picks the tickets: the named ones, or as many unused ones as wished in the provider's
// order. Tickets that another refund of the order may still refund are left alone.
func choose(wish tasks.TicketWish, list []providers.Ticket, o others) (numbers []string, planned []ledger.PlannedTicket, refusal *ledger.Reason) {
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
			planned = append(planned, ledger.PlannedTicket{State: ledger.TicketPlanned})
		}
	}
	switch {
	case len(numbers) == 0:
		return nil, nil, &ledger.Reason{Code: "nothing_refundable", Message: "no ticket of the order can be refunded any more"}
	case wish.All:
		return numbers, planned, nil
	case len(numbers) < wish.Quantity:
		return nil, nil, &ledger.Reason{Code: "not_enough_refundable",
			Message: fmt.Sprintf("%d tickets to refund, only %d can be", wish.Quantity, len(numbers))}
	}
	return numbers[:wish.Quantity], planned[:wish.Quantity], nil
}

// named is the starting state of a ticket that the document names.
func named(t providers.Ticket, known bool, o others) ledger.PlannedTicket {
	switch by, taken := o.tickets[t.TicketNo]; {
	case !known:
		return ledger.PlannedTicket{State: ledger.TicketRejected, Code: "not_of_this_order"}
	case t.UseStatus == providers.Refunded && taken && o.settled[t.TicketNo]:
		return ledger.PlannedTicket{State: ledger.TicketElsewhere, Code: "refunded_by_" + by}
	case t.UseStatus == providers.Refunded:
		return ledger.PlannedTicket{State: ledger.TicketElsewhere, Code: "refunded_elsewhere"}
	case taken:
		return ledger.PlannedTicket{State: ledger.TicketRejected, Code: "in_doubt_of_" + by}
	case !told(t.UseStatus):
		return ledger.PlannedTicket{State: ledger.TicketRejected, Code: codeUseStatus}
	case t.UseStatus != providers.Unused:
		return ledger.PlannedTicket{State: ledger.TicketRejected, Code: string(t.UseStatus)}
	}
	return ledger.PlannedTicket{State: ledger.TicketPlanned}
}
