package ledger

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"issuance/internal/seal"
)

// TicketState is where one ticket of a refund's plan stands.
type TicketState string

const (
	// TicketPlanned: chosen, nothing sent yet (or certainly without effect).
	TicketPlanned TicketState = "planned"
	// TicketSending: the intent is written; found at the start of a run it means doubt.
	TicketSending TicketState = "sending"
	// TicketDoubt: a request for it may have taken effect.
	TicketDoubt TicketState = "doubt"
	// TicketRefunded: refunded by this refund.
	TicketRefunded TicketState = "refunded"
	// TicketElsewhere: refunded, but by somebody else.
	TicketElsewhere TicketState = "elsewhere"
	// TicketRejected: the provider refuses to refund it.
	TicketRejected TicketState = "rejected"
)

// Settled reports whether nothing more will happen to the ticket.
func (s TicketState) Settled() bool {
	return s == TicketRefunded || s == TicketElsewhere || s == TicketRejected
}

// Plan is what a refund is going to do, written before its first call.
type Plan struct {
	Sealed seal.Sealed // the ticket numbers, or nothing that needs to be secret
	Count  int         // tickets to refund
	// Baseline is how many of the order's tickets were refunded before; negative when that
	// cannot be proven. Only for refunds by number (Pass2U).
	Baseline int
	// Tickets holds the starting state of each ticket, for refunds ticket by ticket (ECTicket).
	Tickets []PlannedTicket
}

// PlannedTicket is the starting state of one ticket in a plan.
type PlannedTicket struct {
	State TicketState
	Code  string
}

// WritePlan writes the plan. One of named tickets is written once; one of a number may be written
// anew while no request is in doubt, so that its baseline is never stale.
func (l *Ledger) WritePlan(ctx context.Context, k RefundKey, fence string, p Plan) (Answer, error) {
	baseline := ""
	if p.Baseline >= 0 {
		baseline = strconv.Itoa(p.Baseline)
	}
	args := []any{fence, string(p.Sealed), p.Count, baseline}
	for _, t := range p.Tickets {
		args = append(args, string(t.State), t.Code)
	}
	reply, err := l.runIntent(ctx, "plan", []string{k.refund()}, args...)
	if err != nil {
		return Answer{}, err
	}
	return answer(reply), nil
}

// SubmitRefund writes the intent to refund the plan's number of tickets in one call.
func (l *Ledger) SubmitRefund(ctx context.Context, k RefundKey, fence string, lease time.Duration) (Answer, int, error) {
	reply, err := l.runIntent(ctx, "submit", []string{k.refund()}, fence, lease.Milliseconds())
	if err != nil {
		return Answer{}, 0, err
	}
	return answer(reply), number(reply[2]), nil
}

// SubmitTicket writes the intent to refund ticket i of the plan.
func (l *Ledger) SubmitTicket(ctx context.Context, k RefundKey, fence string, lease time.Duration, i int) (Answer, error) {
	reply, err := l.runIntent(ctx, "submit_ticket", []string{k.refund()}, fence, lease.Milliseconds(), i)
	if err != nil {
		return Answer{}, err
	}
	return answer(reply), nil
}

// SettleTicket records what became of ticket i. doubtAt is only for TicketDoubt: since when the
// request may have left; zero means now.
func (l *Ledger) SettleTicket(ctx context.Context, k RefundKey, fence string, i int, s TicketState, code string, doubtAt time.Time) (Answer, error) {
	at := ""
	if !doubtAt.IsZero() {
		at = strconv.FormatInt(doubtAt.UnixMilli(), 10)
	}
	reply, err := l.run(ctx, "settle_ticket", []string{k.refund()}, fence, i, string(s), code, at)
	if err != nil {
		return Answer{}, err
	}
	return answer(reply), nil
}

// RefundNotSent, RefundUnknown and RefundIdle give a refund's claim back; see NotSent, Unknown
// and Idle. The order's turn stays with the refund.
func (l *Ledger) RefundNotSent(ctx context.Context, k RefundKey, fence string, why Reason) (Answer, error) {
	return l.release(ctx, k.refund(), fence, releaseNotSent, why)
}

// RefundUnknown gives a refund's claim back; see Unknown.
func (l *Ledger) RefundUnknown(ctx context.Context, k RefundKey, fence string, why Reason) (Answer, error) {
	return l.release(ctx, k.refund(), fence, releaseUnknown, why)
}

// RefundIdle gives a refund's claim back; see Idle.
func (l *Ledger) RefundIdle(ctx context.Context, k RefundKey, fence string, why Reason) (Answer, error) {
	return l.release(ctx, k.refund(), fence, releaseIdle, why)
}

// RefundUnclear is RefundIdle because the provider's answer is of no use; see YieldUnclear.
func (l *Ledger) RefundUnclear(ctx context.Context, k RefundKey, fence string, why Reason) (Answer, error) {
	return l.release(ctx, k.refund(), fence, releaseUnclear, why)
}

// RefundRejected remembers the provider's no; see Rejected.
func (l *Ledger) RefundRejected(ctx context.Context, k RefundKey, fence string, why Reason) (Answer, error) {
	return l.rejected(ctx, k.refund(), fence, why)
}

// YieldTurn gives back the claim and the order's turn of a refund that has to wait before it
// could plan anything.
func (l *Ledger) YieldTurn(ctx context.Context, k RefundKey, fence string, why Reason) (Answer, error) {
	return l.yieldTurn(ctx, k, fence, why, "")
}

// YieldUnclear is YieldTurn because the provider's answer is of no use for a plan. Since when that is
// so is kept (RefundRecord.UnclearSince) until there is one.
func (l *Ledger) YieldUnclear(ctx context.Context, k RefundKey, fence string, why Reason) (Answer, error) {
	return l.yieldTurn(ctx, k, fence, why, "1")
}

func (l *Ledger) yieldTurn(ctx context.Context, k RefundKey, fence string, why Reason, unclear string) (Answer, error) {
	reply, err := l.run(ctx, "yield_turn", []string{k.refund(), k.turn()}, fence, why.Code, why.Message, unclear)
	if err != nil {
		return Answer{}, err
	}
	return answer(reply), nil
}

// RefundEnding is a refund's final status.
type RefundEnding struct {
	State    State // Refunded, PartiallyRefunded, Failed or Review
	Reason   Reason
	Refunded int // tickets refunded by this refund
}

// FinishRefund records a refund's final status, gives the order's turn on, and publishes the
// event. A state that is no refund's end is an error.
func (l *Ledger) FinishRefund(ctx context.Context, k RefundKey, fence string, e RefundEnding) (Answer, error) {
	if !canEnd(Ref(k), e.State) {
		return Answer{}, fmt.Errorf("ledger: finish %s: a refund cannot end as %q", k, e.State)
	}
	keys, tell := l.tell(Ref(k))
	reply, err := l.run(ctx, "finish_refund", append([]string{k.refund(), k.turn()}, keys...), append([]any{fence, string(e.State),
		e.Reason.Code, e.Reason.Message, e.Refunded}, tell...)...)
	return l.ended(ctx, Ref(k), reply, err)
}
