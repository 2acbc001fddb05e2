package ledger

import (
	"context"
	"strconv"
	"time"

	"issuance/internal/keys"
	"issuance/internal/seal"
	"issuance/tasks/order"
)

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
	State order.TicketState
	Code  string
}

// WritePlan writes the plan. One of named tickets is written once; one of a number may be written
// anew while no request is in doubt, so that its baseline is never stale.
func (l *Ledger) WritePlan(ctx context.Context, r order.Ref, fence string, p Plan) (Answer, error) {
	baseline := ""
	if p.Baseline >= 0 {
		baseline = strconv.Itoa(p.Baseline)
	}
	args := []any{fence, pack(p.Sealed), p.Count, baseline, r.RefundID}
	for _, t := range p.Tickets {
		args = append(args, string(t.State), t.Code)
	}
	f, err := l.runIntent(ctx, r, "plan", []string{keys.Record(r), keys.Turn(r)}, args...)
	if err != nil {
		return Answer{}, err
	}
	return f.answer(), nil
}

// Settlement is what became of one ticket of a plan.
type Settlement struct {
	State order.TicketState
	Code  string
	// DoubtAt is only for TicketDoubt: when the request can have left; zero means now.
	DoubtAt time.Time
	// NotSent: the request of this claim certainly had no effect.
	NotSent bool
	// Rejection is the code of the provider's rejection that a later look has to confirm, with TicketDoubt.
	Rejection string
	// Shown: the provider has shown the ticket as refunded, with TicketDoubt; Proven: in an answer that names the ticket. Neither is
	// ever taken back.
	Shown, Proven bool
	// Confirmed: the provider has confirmed the refund in an answer that names no ticket, with TicketDoubt. The first time counts.
	Confirmed bool
}

// SettleTicket records what became of ticket i of the plan. The claim is kept.
func (l *Ledger) SettleTicket(ctx context.Context, r order.Ref, fence string, i int, s Settlement) (Answer, error) {
	at := ""
	if !s.DoubtAt.IsZero() {
		at = strconv.FormatInt(s.DoubtAt.UnixMilli(), 10)
	}
	return l.transition(ctx, r, "settle_ticket", []string{keys.Record(r)}, fence, i, string(s.State), s.Code, at, bit(s.NotSent), s.Rejection, bit(s.Shown), bit(s.Proven), bit(s.Confirmed))
}

// YieldTurn gives back the claim and the order's turn of a refund that has to wait before it could plan
// anything. unclear says that the provider's answer was of no use for a plan; see Unclear.
func (l *Ledger) YieldTurn(ctx context.Context, r order.Ref, fence string, why Reason, unclear bool) (Answer, error) {
	return l.transition(ctx, r, "yield_turn", []string{keys.Record(r), keys.Turn(r)}, fence, why.Code, why.Message, bit(unclear), r.RefundID)
}
