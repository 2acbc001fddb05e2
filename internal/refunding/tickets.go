package refunding

import (
	"context"
	"fmt"
	"time"

	"issuance/internal/handler"
	"issuance/internal/ledger"
	"issuance/internal/vault"
	"issuance/providers"
	"issuance/providers/instead"
	"issuance/tasks/order"
)

// byTickets refunds named tickets, one call each, so that it can be taken up in the middle.
type byTickets struct {
	provider providers.TicketRefunder
	lists    *lists
	owners   *owners
	ours     *ours
	single   *instead.Call
}

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
	// What an earlier run left unconfirmed is confirmed by one list, before single tickets are asked for.
	if len(r.unconfirmed()) > 1 {
		if res, err := s.confirm(ctx, r, numbers); err != nil || res.IsWait() && res.Held() {
			return res, err
		}
	}
	soonest, verdict, fresh, err := s.each(ctx, r, numbers)
	if err != nil || soonest.Held() {
		return soonest, err
	}
	if verdict.Ends() {
		return s.verdict(ctx, r, numbers, verdict, soonest, fresh)
	}
	if !fresh && !soonest.IsWait() {
		return r.endTickets(), nil
	}
	if !fresh {
		return soonest, nil
	}
	if ctx.Err() != nil {
		return soonest.Sooner(handler.WaitFor(time.Second, ledger.Reason{}, "interrupted before its refunds were confirmed")), nil
	}
	res, err := s.confirm(ctx, r, numbers)
	if soonest = soonest.Sooner(res); err != nil || soonest.IsWait() {
		return soonest, err
	}
	return r.endTickets(), nil
}

// each goes on with every ticket that is not settled. soonest is the first wait of them, and verdict the end that one of them
// demands: of the others, only those are gone on with then that may still be proven. fresh says that the provider has confirmed
// refunds of this run.
func (s byTickets) each(ctx context.Context, r *run, numbers []string) (soonest, verdict handler.Result, fresh bool, err error) {
	operator, store := r.Codec.RefundedBy(r.Request, r.Order.Request)
	var now time.Time // once there is a verdict
	begun, many := false, len(r.unconfirmed()) > few
	for i, no := range numbers {
		if r.Rec.Tickets[i].State.Settled() || verdict.Ends() && !r.mayShow(i, now) {
			continue
		}
		if ctx.Err() != nil {
			return soonest.Sooner(handler.WaitFor(time.Second, ledger.Reason{}, "interrupted between two tickets")), verdict, fresh, nil
		}
		// A call that the end of the task's time cuts off is a doubt for nothing. The first ticket of
		// a run is worked on whatever the time, so that every run gets on.
		if end, ok := ctx.Deadline(); begun && ok && time.Until(end) < r.callTimeout+budgetTime {
			return soonest.Sooner(handler.WaitFor(time.Second, ledger.Reason{}, "the time of this run is used up; the other tickets follow in the next one")), verdict, fresh, nil
		}
		begun = true
		t := ticket{run: r, provider: s.provider, lists: s.lists, owners: s.owners, ours: s.ours, single: s.single, i: i, call: providers.TicketRefund{TicketNo: no, Operator: operator, StoreID: store}}
		if many && t.state().Confirmed() {
			// The list may only be behind: it is asked again for all of them, until that cannot be.
			if res, err := t.lagging(ctx); err != nil || res.IsWait() {
				soonest = soonest.Sooner(res)
				if err != nil {
					return soonest, verdict, fresh, err
				}
				continue
			}
		}
		sent := r.Rec.Attempts
		res, err := t.refund(ctx)
		if err != nil || res.Held() { // held: the other tickets would hear the same
			return res, verdict, fresh, err
		}
		if res.Ends() && !res.IsWait() {
			if verdict = res; r.Rec.Bans >= handler.MaxBans {
				return soonest, verdict, false, nil
			}
			if now, err = r.Ledger.Time(ctx); err != nil {
				return soonest, verdict, false, err
			}
			continue
		}
		fresh = fresh || r.Rec.Attempts > sent && t.state().Code == string(order.CodeUnconfirmed)
		soonest = soonest.Sooner(res)
	}
	return soonest, verdict, fresh, nil
}

// few is how many unconfirmed tickets are asked for themselves when a list does not show them: it may be behind for as
// long as all the looks at it, and they may not be. Of more, the calls would be missing elsewhere.
const few = 4

// unconfirmed are the tickets of which the provider has confirmed the refund in answers that name no ticket.
func (r *run) unconfirmed() (list []int) {
	for i, t := range r.Rec.Tickets {
		if t.State == order.TicketDoubt && t.Confirmed() {
			list = append(list, i)
		}
	}
	return list
}

// confirm proves, by one list, the refunds that the provider has confirmed in answers that name no ticket.
// What it does not show yet is asked for ticket by ticket in the next run.
func (s byTickets) confirm(ctx context.Context, r *run, numbers []string) (handler.Result, error) {
	open := r.unconfirmed()
	if len(open) == 0 {
		return handler.GoOn(), nil
	}
	answered := time.Now()
	s.lists.gather(ctx, r.Order.ID)
	list, out := s.lists.since(ctx, r.Order, answered)
	if out.Kind != providers.Done {
		return r.waitFor(out, "confirming the refund: "), nil
	}
	refunded := map[string]bool{}
	for _, t := range list {
		refunded[t.TicketNo] = t.UseStatus == providers.Refunded
	}
	wait := handler.GoOn()
	for _, i := range open {
		t := ticket{run: r, i: i}
		if !refunded[numbers[i]] {
			res, err := t.lagging(ctx)
			if err != nil {
				return res, err
			}
			if !res.IsWait() { // for longer than a list lags: the ticket itself is asked for
				res = handler.Wait(time.Second, order.CodeListLags, listBehind)
			}
			wait = wait.Sooner(res)
			continue
		}
		if err := t.settle(ledger.Settlement{State: order.TicketRefunded}); err != nil {
			return handler.GoOn(), err
		}
		s.ours.confirmed(numbers[i])
	}
	return wait, nil
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
