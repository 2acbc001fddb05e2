package refunding

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"issuance/internal/handler"
	"issuance/internal/ledger"
	"issuance/providers"
	"issuance/tasks/order"
)

// What the provider has once shown of a ticket in doubt, and what contradicts it. An answer that shows a ticket refunded may be
// followed by older ones, and one call may stay behind the other.

// shows acts on an answer that shows the ticket as refunded. What does not settle it at once is noted, for the next answer may
// be an older one.
func (t ticket) shows(ctx context.Context, now time.Time, st providers.TicketStatus) (handler.Result, error) {
	named, err := t.named(ctx)
	if err != nil {
		return handler.GoOn(), err
	}
	res := handler.GoOn()
	if !named { // a list that does not show it is behind, for as long as a list may be
		res, err = t.laggingAt(ctx, now)
	}
	if err == nil && !res.Ends() {
		res, err = t.refunded(ctx, now, st)
	}
	return res, errors.Join(err, t.sighted(now, named))
}

// named reports whether a "refunded" is certainly about this ticket, for the answer names its order alone: if another ticket of
// the order may be refunded, a list has to show this one as refunded, unless a request for it was confirmed as well.
func (t ticket) named(ctx context.Context) (bool, error) {
	if t.state().Proven || t.state().Confirmed() {
		return true, nil
	}
	if alone, err := t.alone(ctx); err != nil || alone {
		return alone, err
	}
	list, out := t.lists.since(ctx, t.Order, time.Now())
	return out.Kind == providers.Done && slices.ContainsFunc(list, func(l providers.Ticket) bool {
		return l.TicketNo == t.call.TicketNo && l.UseStatus == providers.Refunded
	}), nil
}

// alone reports whether no other ticket of the order can be refunded, as far as the ledger knows.
func (t ticket) alone(ctx context.Context) (bool, error) {
	for i, other := range t.Rec.Tickets {
		if i != t.i && other.State != order.TicketPlanned && other.State != order.TicketRejected {
			return false, nil
		}
	}
	others, err := t.others(ctx)
	return len(others.known) == 0, err
}

// sighted notes of a ticket that is not settled that the provider has shown it as refunded. named says that the answer can be
// about no other ticket.
func (t ticket) sighted(now time.Time, named bool) error {
	s := t.state()
	if s.State.Settled() || s.Proven || !named && now.Sub(s.ShownAt) < atLeast {
		return nil
	}
	return t.settle(ledger.Settlement{State: s.State, Code: s.Code, DoubtAt: s.DoubtAt, Rejection: s.Rejection, Shown: true, Proven: named})
}

// contradicted looks whether something shows the ticket as refunded that its own status shows as unused, redeemed or invalid:
// the order's list, which names it, or an earlier answer. GoOn with the ticket still in doubt means that nothing does. A list
// counts that was asked for since a moment, in this run: for all of its tickets that is one call.
func (t ticket) contradicted(ctx context.Context, now, since time.Time) (handler.Result, error) {
	list, out := t.lists.since(ctx, t.Order, later(t.began, time.Now().Add(since.Sub(now))))
	i := slices.IndexFunc(list, func(l providers.Ticket) bool { return l.TicketNo == t.call.TicketNo })
	switch s := t.state(); {
	case out.Kind == providers.Done && i >= 0 && list[i].UseStatus == providers.Refunded:
		res, err := t.refunded(ctx, now, providers.TicketStatus{Ticket: list[i], OrderID: t.Order.ID, RefundedAt: list[i].RefundedAt})
		return res, errors.Join(err, t.sighted(now, true))
	case out.Kind != providers.Done && !out.Unasked() && t.tooLong(now, t.since()):
		return handler.Review(order.CodeInDoubt, fmt.Sprintf("a ticket in doubt does not show as refunded, and the order's list, which may, "+
			"could not be had in %s; ask the provider", t.GiveUp)), nil
	case out.Kind != providers.Done:
		t.Alarm(out)
		return t.askLater(now, s.DoubtAt, out, "asking for the order's tickets: "), nil
	case s.ShownAt.IsZero():
		return handler.GoOn(), nil
	case s.Proven && t.tooLong(now, later(s.ShownAt, t.Rec.ReopenedAt)):
		return t.hidden(s.ShownAt), nil
	case s.Proven:
		return t.hiddenFor(now, s.ShownAt.Add(t.GiveUp)), nil
	case now.Before(s.ShownAt.Add(handler.LongestLag)):
		return t.hiddenFor(now, s.ShownAt.Add(handler.LongestLag)), nil
	case s.Rejection != "":
		return t.hidden(s.ShownAt), nil
	}
	// The answer may have been about another ticket of the order: the provider is no longer behind with this one, and none of
	// its requests was rejected.
	return handler.GoOn(), nil
}

// hiddenFor waits for the provider to show again what it has shown before.
func (t ticket) hiddenFor(now, until time.Time) handler.Result {
	const text = "the provider has shown the ticket as refunded, and does not at present"
	wait := min(handler.AskAgain(now.Sub(t.state().ShownAt), t.LookAfter), max(until.Sub(now), time.Second))
	return handler.WaitFor(wait, ledger.Reason{Code: string(order.CodeListLags), Message: text}, text).As(ledger.Absent).Until(until)
}

func (t ticket) hidden(shown time.Time) handler.Result {
	return handler.Review(order.CodeInDoubt, fmt.Sprintf("the provider showed a ticket as refunded at %s, and shows it as not refunded since; ask the provider", handler.Moment(shown)))
}
