package refunding

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"issuance/internal/handler"
	"issuance/internal/ledger"
	"issuance/providers"
	"issuance/providers/instead"
	"issuance/tasks/order"
)

// ticket is one ticket of the plan that is worked on.
type ticket struct {
	*run
	provider providers.TicketRefunder
	lists    *lists
	owners   *owners
	ours     *ours
	single   *instead.Call // what is known of asking for single tickets
	i        int           // its place in the plan
	call     providers.TicketRefund
}

// state is the ticket as it is recorded.
func (t ticket) state() *ledger.Ticket { return &t.Rec.Tickets[t.i] }

// refund goes on with the ticket. GoOn means that it is settled.
func (t ticket) refund(ctx context.Context) (handler.Result, error) {
	if t.state().State == order.TicketSending {
		if err := t.abandoned(ctx); err != nil {
			return handler.GoOn(), err
		}
	}
	if t.state().State == order.TicketDoubt {
		if res, err := t.prove(ctx); err != nil || res.Ends() || t.state().State.Settled() {
			return res, err
		}
	}
	if t.state().State == order.TicketPlanned && t.state().SentAt.IsZero() {
		if res, err := t.vouched(ctx); err != nil || res.Ends() || t.state().State.Settled() {
			return res, err
		}
	}
	return t.send(ctx)
}

// abandoned records the doubt about a ticket whose runner died, or lost Redis, between the intent and the
// answer.
func (t ticket) abandoned(ctx context.Context) error {
	at := t.Rec.DoubtAt
	if err := t.settle(ledger.Settlement{State: order.TicketDoubt, Code: string(order.CodeAbandoned), DoubtAt: at}); err != nil {
		return err
	}
	if at.IsZero() {
		var err error
		if at, err = t.Ledger.Time(ctx); err != nil {
			return err
		}
	}
	t.state().DoubtAt = at
	if t.state().DoubtSince.IsZero() {
		t.state().DoubtSince = at
	}
	return nil
}

// send makes the call and records the answer. A confirmation names neither order nor ticket, and a rejection
// may mean "refunded already", so both have to show in an answer that does.
func (t ticket) send(ctx context.Context) (handler.Result, error) {
	before := *t.state()
	recorded := func() {}
	defer func() { recorded() }()
	out, stop, err := t.Send(ctx, t.i, func(ctx context.Context) providers.Outcome {
		recorded = t.lists.calling(t.Order.ID)
		return t.provider.RefundTicket(ctx, t.call)
	})
	if err != nil || stop.Ends() {
		return stop, err
	}
	if before.SentAt.IsZero() {
		t.state().SentAt = t.Rec.SentAt
	}
	switch out.Kind {
	case providers.Done, providers.Accepted:
		return handler.GoOn(), t.settle(ledger.Settlement{State: order.TicketDoubt, Code: string(order.CodeUnconfirmed), Confirmed: true})
	case providers.Rejected:
		if err := t.settle(ledger.Settlement{State: order.TicketDoubt, Code: out.Code, Rejection: cmp.Or(out.Code, string(order.CodeRejected))}); err != nil {
			return handler.GoOn(), err
		}
		return t.prove(ctx)
	case providers.NotSent, providers.Held:
		t.state().SentAt = before.SentAt
		return t.waitForIt(out), t.settle(ledger.Settlement{State: before.State, Code: out.Code, DoubtAt: before.DoubtAt, NotSent: true})
	default: // Unknown
		return t.waitForIt(out), t.settle(ledger.Settlement{State: order.TicketDoubt, Code: out.Code})
	}
}

// prove asks whether a request in doubt took effect. GoOn with the ticket still in doubt means that it may be
// sent again: a ticket is refunded once, so that cannot refund too much.
func (t ticket) prove(ctx context.Context) (handler.Result, error) {
	now, err := t.Ledger.Time(ctx)
	if err != nil {
		return handler.GoOn(), err
	}
	st, out := t.ask(ctx)
	t.Log.Info("asked for a ticket in doubt", "ticket", t.i+1, "outcome", string(out.Kind), "code", out.Code, "use_status", string(st.UseStatus))
	if out.Kind == providers.Done && !documented(st.UseStatus) {
		out = unknownStatus
	}
	if out.Kind != providers.Done {
		t.Alarm(out)
		if !out.Unasked() && t.tooLong(now, t.since()) {
			return handler.Review(order.CodeInDoubt, fmt.Sprintf("whether a ticket was refunded could not be found out in %s; ask the provider", t.GiveUp)), nil
		}
		return t.askLater(now, t.state().DoubtAt, out, "waiting for a ticket: "), nil
	}
	switch st.UseStatus {
	case providers.Refunded:
		return t.shows(ctx, now, st)
	case providers.Unused:
		return t.stillUnused(ctx, now)
	default:
		if t.state().Confirmed() {
			return t.unshown(ctx, now, false)
		}
		if res, err := t.contradicted(ctx, now, t.state().DoubtAt); err != nil || res.Ends() || t.state().State.Settled() {
			return res, err
		}
		return handler.GoOn(), t.settle(ledger.Settlement{State: order.TicketRejected, Code: string(st.UseStatus)})
	}
}

// stillUnused acts on a ticket that is not refunded. The provider may only be behind itself, so one look is not enough,
// whatever was answered: that it refunds a ticket once is not all that keeps it from being refunded twice.
func (t ticket) stillUnused(ctx context.Context, now time.Time) (handler.Result, error) {
	s := t.state()
	if s.Confirmed() {
		return t.unshown(ctx, now, true)
	}
	until, err := t.shownBy(ctx)
	if err != nil {
		return handler.GoOn(), err
	}
	if now.Before(until) {
		return t.behind(now, until), nil
	}
	if res, err := t.contradicted(ctx, now, until); err != nil || res.Ends() || s.State.Settled() {
		return res, err
	}
	if s.Rejection != "" {
		return handler.GoOn(), t.settle(ledger.Settlement{State: order.TicketRejected, Code: s.Rejection})
	}
	if t.inVain(now, t.since(), s.Doubts) {
		return handler.Review(order.CodeInDoubt, fmt.Sprintf("no request for a ticket got a clear answer in %s (%d requests for all tickets so far), "+
			"and the ticket is not refunded; ask the provider", t.GiveUp, t.Rec.Attempts-t.Rec.Unsent)), nil
	}
	return handler.GoOn(), nil
}

const listBehind = "the provider may not show yet what it was asked to do"

// lagging waits while the provider may not show yet what it has answered about the ticket. GoOn means that it
// would by now.
func (t ticket) lagging(ctx context.Context) (handler.Result, error) {
	now, err := t.Ledger.Time(ctx)
	if err != nil {
		return handler.GoOn(), err
	}
	return t.laggingAt(ctx, now)
}

func (t ticket) laggingAt(ctx context.Context, now time.Time) (handler.Result, error) {
	until, err := t.shownBy(ctx)
	if err != nil || !now.Before(until) {
		return handler.GoOn(), err
	}
	return t.behind(now, until), nil
}

// shownBy is when the provider would show by what it has answered about the ticket.
func (t ticket) shownBy(ctx context.Context) (time.Time, error) {
	lag, err := t.Lag(ctx)
	s := t.state()
	if s.Rejection != "" || s.Confirmed() {
		lag = handler.LookAfter(s.Doubts-1, lag) // the more often it was answered in vain, the longer
	}
	return s.DoubtAt.Add(lag), err
}

func (t ticket) behind(now, until time.Time) handler.Result {
	wait := min(until.Sub(now), handler.AskAgain(now.Sub(t.state().DoubtAt), t.LookAfter), atLeast)
	return handler.WaitFor(wait, ledger.Reason{Code: string(order.CodeListLags), Message: listBehind}, listBehind).As(ledger.Absent).Until(until)
}

func (t ticket) waitForIt(out providers.Outcome) handler.Result {
	return t.waitFor(out, "waiting for a ticket: ")
}

// documented reports whether a status is one that the provider's documents know, and so says what has
// become of a ticket in doubt. Another one may mean that a refund is under way.
func documented(s providers.UseStatus) bool {
	switch s {
	case providers.Unused, providers.Redeemed, providers.Refunded, providers.Invalid:
		return true
	}
	return false
}

// unknownStatus is the outcome of asking for a ticket whose status no document knows. Its text is the
// provider's, and is not repeated.
var unknownStatus = providers.Outcome{Kind: providers.Unknown, Code: string(order.CodeUseStatus), Message: "the ticket's status is none of those the provider's documents know"}

// otherOrders is the outcome of an answer about another order's ticket.
var otherOrders = providers.Outcome{Kind: providers.Unknown, Code: string(order.CodeUnauthentic), Message: "the answer is about a ticket of another order"}

// ask asks for the ticket. The answer does not name the ticket, so the order is all that shows whether
// it is about the right one.
func (t ticket) ask(ctx context.Context) (providers.TicketStatus, providers.Outcome) {
	st, out := t.status(ctx)
	if out.Kind == providers.Done && st.OrderID != "" && st.OrderID != t.Order.ID {
		return st, otherOrders
	}
	return st, out
}

// since is when the doubt about the ticket began; another try that a person asked for gets all the
// time that the first one had.
func (t ticket) since() time.Time { return later(t.state().DoubtSince, t.Rec.ReopenedAt) }

// settle records the ticket's state in the ledger and in the run's copy.
func (t ticket) settle(s ledger.Settlement) error {
	ctx, cancel := t.Recording()
	defer cancel()
	a, err := t.Ledger.SettleTicket(ctx, t.Ref, t.Rec.Fence, t.i, s)
	if err == nil && a.Applied {
		now := t.state()
		if s.State == order.TicketRefunded && (now.Rejection != "" || now.Confirmed()) {
			t.SawLag(ctx, now.DoubtAt, t.Rec.AbsentLast)
		}
		now.State, now.Code, now.Rejection = s.State, s.Code, s.Rejection
		if s.Shown {
			now.ShownAt, now.Proven = a.At, s.Proven
		}
		if s.Confirmed && !now.Confirmed() {
			now.ConfirmedAt = a.At
		}
		if s.State == order.TicketDoubt {
			if now.DoubtAt = s.DoubtAt; now.DoubtAt.IsZero() {
				now.DoubtAt = a.At
			}
		}
	}
	return t.Written("settle_ticket", a, err)
}
