package refund

import (
	"context"
	"errors"
	"fmt"
	"time"

	"issuance/internal/handling"
	"issuance/internal/ledger"
	"issuance/providers"
	"issuance/tasks"
)

// byTickets refunds named tickets, one call each, so that it can be taken up in the middle.
func (r *run) byTickets(ctx context.Context) error {
	if len(r.rec.Tickets) == 0 {
		if done, err := r.planTickets(ctx); done || err != nil {
			return err
		}
	}
	numbers, err := tasks.OpenPlan(r.Ring, r.key, r.rec.Plan)
	if err != nil {
		return r.unopened(fmt.Errorf("%w: %w", errPlan, err))
	}
	if len(numbers) != len(r.rec.Tickets) {
		return r.unopened(errPlan)
	}
	who := tasks.RefundOperator(r.request, r.order.Request)
	var soonest *errWait
	begun := false
	for i, no := range numbers {
		if r.rec.Tickets[i].State.Settled() {
			continue
		}
		if ctx.Err() != nil {
			return r.idle(time.Second, ledger.Reason{}, "interrupted between two tickets")
		}
		// A call that the end of the task's time cuts off is a doubt for nothing. The first ticket of
		// a run is worked on whatever the time, so that every run gets on.
		if end, ok := ctx.Deadline(); begun && ok && time.Until(end) < r.CallTimeout+budgetTime {
			return r.idle(time.Second, ledger.Reason{}, "the time of this run is used up; the other tickets follow in the next one")
		}
		begun = true
		w, err := r.ticket(ctx, i, providers.TicketRefund{TicketNo: no, Operator: who.Operator, StoreID: who.StoreID})
		if errors.Is(err, errOver) {
			return nil
		}
		if err != nil {
			return err
		}
		if w != nil && (soonest == nil || w.after < soonest.after) {
			soonest = w
		}
		if w != nil && w.held {
			break // no call may leave now; the other tickets would hear the same
		}
	}
	if soonest != nil {
		return r.idle(soonest.after, soonest.why, "waiting for a ticket: "+soonest.why.Code)
	}
	return r.endTickets()
}

// budgetTime is what a call may have to wait for the call budget.
const budgetTime = 5 * time.Second

// ticket works on one ticket of the plan. A nil wait means that it is settled.
func (r *run) ticket(ctx context.Context, i int, t providers.TicketRefund) (*errWait, error) {
	state := &r.rec.Tickets[i]
	if state.State == ledger.TicketSending {
		// A runner died, or lost Redis, between the intent and the answer.
		at := r.claim.DoubtAt
		if at.IsZero() {
			at = r.rec.DoubtAt
		}
		if err := r.settleTicket(i, ledger.TicketDoubt, "abandoned", at); err != nil {
			return nil, err
		}
		if at.IsZero() {
			var err error
			if at, err = r.Ledger.Time(ctx); err != nil {
				return nil, err
			}
		}
		state.DoubtAt = at
	}
	if state.State == ledger.TicketDoubt {
		if settled, w, err := r.proveTicket(ctx, i, t.TicketNo); settled || w != nil || err != nil {
			return w, err
		}
	}
	return r.sendTicket(ctx, i, t)
}

// sendTicket writes the intent, sends, and records the answer.
func (r *run) sendTicket(ctx context.Context, i int, t providers.TicketRefund) (*errWait, error) {
	before := r.rec.Tickets[i]
	paid, w := r.prepay(ctx)
	if w != nil {
		return w, nil
	}
	a, err := r.Ledger.SubmitTicket(ctx, r.key, r.claim.Fence, r.Lease, i)
	if err != nil {
		// The intent may stand all the same (too few replicas have it), but nothing was sent.
		_ = r.settleTicket(i, before.State, "", before.DoubtAt)
		return nil, err
	}
	if !a.Applied {
		return nil, r.recorded("submit_ticket", a, nil)
	}
	r.claim.Attempts++
	out := r.Tickets.RefundTicket(paid, t)
	r.log.Info("refund answered", "ticket", i+1, "of", len(r.rec.Tickets), "outcome", string(out.Kind), "code", out.Code)
	switch out.Kind {
	case providers.Done, providers.Accepted:
		return nil, r.settleTicket(i, ledger.TicketRefunded, "", time.Time{})
	case providers.Rejected:
		return r.rejectedTicket(ctx, i, t.TicketNo, before, out)
	case providers.NotSent, providers.Held:
		return r.waitFor(out), r.settleTicket(i, before.State, out.Code, before.DoubtAt)
	default: // Unknown
		w := r.waitFor(out)
		return w, r.settleTicket(i, ledger.TicketDoubt, out.Code, time.Time{})
	}
}

// rejectedTicket asks what the ticket's status is, because a no may mean "refunded already".
func (r *run) rejectedTicket(ctx context.Context, i int, no string, before ledger.RefundTicket, out providers.Outcome) (*errWait, error) {
	st, asked := r.ask(ctx, no)
	doubt := before.State == ledger.TicketDoubt
	if asked.Kind == providers.Done && doubt && !told(st.UseStatus) {
		asked = strange
	}
	switch {
	case asked.Kind != providers.Done:
		now, err := r.Ledger.Time(ctx)
		if err != nil {
			return nil, err
		}
		if !asked.Unasked() && r.inVain(now, later(before.SentAt, r.rec.ReopenedAt), r.claim.Attempts-len(r.rec.Tickets)+1) {
			// The refusal in the history is what the person starts from.
			if err := r.settleTicket(i, before.State, out.Code, before.DoubtAt); err != nil {
				return nil, err
			}
			return nil, r.giveUp(fmt.Sprintf("the refund of a ticket is refused, and for %s the provider has not told what has become of the ticket; ask it", r.GiveUp))
		}
		// Sending again is harmless, a ticket is refunded once; so the ticket goes back to where it was.
		return r.waitFor(asked), r.settleTicket(i, before.State, out.Code, before.DoubtAt)
	case st.UseStatus == providers.Refunded && doubt && r.ours(st, before):
		return nil, r.settleTicket(i, ledger.TicketRefunded, "", time.Time{})
	case st.UseStatus == providers.Refunded:
		return nil, r.settleTicket(i, ledger.TicketElsewhere, "refunded_elsewhere", time.Time{})
	case st.UseStatus == providers.Unused || !told(st.UseStatus): // our only request was refused
		return nil, r.settleTicket(i, ledger.TicketRejected, out.Code, time.Time{})
	default:
		return nil, r.settleTicket(i, ledger.TicketRejected, string(st.UseStatus), time.Time{})
	}
}

// told reports whether a status is one that the provider's documents know, and so tells what has
// become of a ticket in doubt. Another one may mean that a refund is under way.
func told(s providers.UseStatus) bool {
	switch s {
	case providers.Unused, providers.Redeemed, providers.Refunded, providers.Invalid:
		return true
	}
	return false
}

// codeUseStatus stands for a status that is not told. Its text is the provider's, and is not repeated.
const codeUseStatus = "use_status_unknown"

// strange is the outcome of asking for a ticket whose status is not told.
var strange = providers.Outcome{Kind: providers.Unknown, Code: codeUseStatus, Message: "the ticket's status is none of those the provider's documents know"}

// foreign is the outcome of an answer about another order's ticket.
var foreign = providers.Outcome{Kind: providers.Unknown, Code: "unauthentic_answer", Message: "the answer is about a ticket of another order"}

// ask asks for a ticket. The answer does not name the ticket, so the order is all that shows whether
// it is about the right one.
func (r *run) ask(ctx context.Context, no string) (providers.TicketStatus, providers.Outcome) {
	st, out := r.Tickets.TicketStatus(ctx, no)
	if out.Kind == providers.Done && st.OrderID != "" && st.OrderID != r.order.ID {
		return st, foreign
	}
	return st, out
}

// since is when the doubt about a ticket began; another try that a person asked for gets all the
// time that the first one had.
func (r *run) since(t ledger.RefundTicket) time.Time {
	first := t.DoubtSince
	if first.IsZero() { // of an older program
		first = t.DoubtAt
	}
	return later(first, r.rec.ReopenedAt)
}

// giveUp leaves the whole refund to a person.
func (r *run) giveUp(text string) error {
	if err := r.review("in_doubt", text); err != nil {
		return err
	}
	return errOver
}

// proveTicket asks whether a request in doubt took effect. Neither settled nor a wait means that
// it certainly did not and may be sent again.
func (r *run) proveTicket(ctx context.Context, i int, no string) (settled bool, w *errWait, err error) {
	now, err := r.Ledger.Time(ctx)
	if err != nil {
		return false, nil, err
	}
	t := r.rec.Tickets[i]
	st, out := r.ask(ctx, no)
	r.log.Info("asked for a ticket in doubt", "ticket", i+1, "outcome", string(out.Kind), "code", out.Code, "use_status", string(st.UseStatus))
	if out.Kind == providers.Done && !told(st.UseStatus) {
		out = strange
	}
	if out.Kind != providers.Done {
		if !out.Unasked() && r.tooLong(now, r.since(t)) {
			return false, nil, r.giveUp(fmt.Sprintf("whether a ticket was refunded could not be found out in %s; ask the provider", r.GiveUp))
		}
		return false, r.waitFor(out), nil
	}
	switch st.UseStatus {
	case providers.Refunded:
		if r.ours(st, t) {
			return true, nil, r.settleTicket(i, ledger.TicketRefunded, "", time.Time{})
		}
		return true, nil, r.settleTicket(i, ledger.TicketElsewhere, "refunded_elsewhere", time.Time{})
	case providers.Unused:
		if until := t.DoubtAt.Add(r.Provider.Traits().SettleAfter); now.Before(until) {
			return false, &errWait{after: min(until.Sub(now), time.Minute), why: ledger.Reason{Code: "in_doubt",
				Message: "the request may still arrive at the provider"}}, nil
		}
		if r.inVain(now, r.since(t), t.Doubts) {
			return false, nil, r.giveUp(fmt.Sprintf("no request for a ticket got a clear answer in %s (%d requests for all tickets so far), "+
				"and the ticket is not refunded; ask the provider", r.GiveUp, r.claim.Attempts))
		}
		return false, nil, nil
	default:
		return true, nil, r.settleTicket(i, ledger.TicketRejected, string(st.UseStatus), time.Time{})
	}
}

// ours reports whether a refunded ticket was refunded by a request of this refund: by our merchant
// and not before our first request. The provider tells minutes.
func (r *run) ours(st providers.TicketStatus, t ledger.RefundTicket) bool {
	if r.MerchantID != "" && st.RefundedBy != "" && st.RefundedBy != r.MerchantID {
		return false
	}
	at, ok := tasks.ProviderTime(st.RefundedAt)
	return !ok || t.SentAt.IsZero() || !at.Before(t.SentAt.Truncate(time.Minute).Add(-clockSlack))
}

// clockSlack is how far the provider's clock may be behind ours.
const clockSlack = 2 * time.Minute

// errOver says that the refund has ended while one of its tickets was worked on.
var errOver = errors.New("the refund has ended")

// settleTicket records a ticket's state in the ledger and in the run's copy.
func (r *run) settleTicket(i int, s ledger.TicketState, code string, doubtAt time.Time) error {
	ctx, cancel := handling.Recording()
	defer cancel()
	a, err := r.Ledger.SettleTicket(ctx, r.key, r.claim.Fence, i, s, code, doubtAt)
	if err == nil && a.Applied {
		t := &r.rec.Tickets[i]
		t.State, t.Code = s, code
	}
	return r.recorded("settle_ticket", a, err)
}

// endTickets records the end of a refund whose tickets are all settled.
func (r *run) endTickets() error {
	count := map[ledger.TicketState]int{}
	code := ""
	for _, t := range r.rec.Tickets {
		count[t.State]++
		if code == "" && t.Code != "" && t.State != ledger.TicketRefunded {
			code = t.Code
		}
	}
	done := count[ledger.TicketRefunded]
	text := fmt.Sprintf("%d of %d tickets refunded", done, len(r.rec.Tickets))
	if n := count[ledger.TicketElsewhere]; n > 0 {
		text += fmt.Sprintf(", %d refunded by others before", n)
	}
	if n := count[ledger.TicketRejected]; n > 0 {
		text += fmt.Sprintf(", %d refused", n)
	}
	switch done {
	case len(r.rec.Tickets):
		return r.finish(ledger.Refunded, "", "", done)
	case 0:
		return r.finish(ledger.Failed, code, text, 0)
	default:
		return r.finish(ledger.PartiallyRefunded, code, text, done)
	}
}
