package refunding

import (
	"context"
	"fmt"
	"time"

	"issuance/internal/handler"
	"issuance/internal/ledger"
	"issuance/internal/vault"
	"issuance/providers"
	"issuance/tasks/order"
)

// byTickets refunds named tickets, one call each, so that it can be taken up in the middle.
type byTickets struct{ provider providers.TicketRefunder }

func (s byTickets) refund(ctx context.Context, r *run) (handler.Result, error) {
	if len(r.Rec.Tickets) == 0 {
		if res, err := s.plan(ctx, r); err != nil || res.Ends() {
			return res, err
		}
	}
	numbers, err := vault.OpenPlan(r.Ring, r.Ref, r.Rec.Plan)
	if err != nil {
		return r.unopened(fmt.Errorf("%w: %w", errPlan, err))
	}
	if len(numbers) != len(r.Rec.Tickets) {
		return r.unopened(errPlan)
	}
	operator, store := r.Codec.RefundedBy(r.Request, r.Order.Request)
	soonest, begun := handler.GoOn(), false
	for i, no := range numbers {
		if r.Rec.Tickets[i].State.Settled() {
			continue
		}
		if ctx.Err() != nil {
			return handler.WaitFor(time.Second, ledger.Reason{}, "interrupted between two tickets"), nil
		}
		// A call that the end of the task's time cuts off is a doubt for nothing. The first ticket of
		// a run is worked on whatever the time, so that every run gets on.
		if end, ok := ctx.Deadline(); begun && ok && time.Until(end) < r.callTimeout+budgetTime {
			return handler.WaitFor(time.Second, ledger.Reason{}, "the time of this run is used up; the other tickets follow in the next one"), nil
		}
		begun = true
		t := ticket{run: r, provider: s.provider, i: i, call: providers.TicketRefund{TicketNo: no, Operator: operator, StoreID: store}}
		res, err := t.refund(ctx)
		if err != nil || res.Ends() && !res.IsWait() {
			return res, err
		}
		soonest = soonest.Sooner(res)
		if res.Held() {
			break // no call may leave now; the other tickets would hear the same
		}
	}
	if soonest.IsWait() {
		return soonest, nil
	}
	return r.endTickets(), nil
}

// budgetTime is what a call may have to wait for the call budget.
const budgetTime = 5 * time.Second

// endTickets ends a refund whose tickets are all settled.
func (r *run) endTickets() handler.Result {
	count := map[order.TicketState]int{}
	code := ""
	for _, t := range r.Rec.Tickets {
		count[t.State]++
		if code == "" && t.Code != "" && t.State != order.TicketRefunded {
			code = t.Code
		}
	}
	done := count[order.TicketRefunded]
	text := fmt.Sprintf("%d of %d tickets refunded", done, len(r.Rec.Tickets))
	if n := count[order.TicketElsewhere]; n > 0 {
		text += fmt.Sprintf(", %d refunded by others before", n)
	}
	if n := count[order.TicketRejected]; n > 0 {
		text += fmt.Sprintf(", %d rejected", n)
	}
	why := ledger.Reason{Code: code, Message: text}
	switch done {
	case len(r.Rec.Tickets):
		return r.end(order.Refunded, ledger.Reason{}, done)
	case 0:
		return handler.Fail(why)
	default:
		return r.end(order.PartiallyRefunded, why, done)
	}
}
