package refunding

import (
	"context"
	"fmt"
	"time"

	"issuance/internal/handler"
	"issuance/internal/ledger"
	"issuance/tasks/order"
)

// Tickets whose refund the provider has confirmed. That names no ticket, and may be an old answer to another refund: the clock of
// the provider does not show one that is some seconds old, and refunds follow each other within seconds. Whoever takes a
// confirmation for an old one too soon refunds twice where the provider is only behind.

// unshown acts on a ticket whose refund was confirmed and does not show; unused says that the ticket could be refunded. It
// is sent again once, when no provider is so far behind, and has not failed, whatever that is answered with: what was refunded
// cannot be refunded again, so that a rejection contradicts nothing. It is looked for, and then left to a person. GoOn with
// the ticket still in doubt means that it may be sent again.
func (t ticket) unshown(ctx context.Context, now time.Time, unused bool) (handler.Result, error) {
	s := t.state()
	list, until := s.DoubtAt.Add(atLeast), s.ConfirmedAt.Add(handler.LongestLag)
	if now.Before(list) {
		return t.behind(now, list).Until(later(list, until)), nil
	}
	if res, err := t.contradicted(ctx, now, list); err != nil || res.Ends() || s.State.Settled() {
		return res, err
	}
	switch {
	case now.Before(until):
		return t.behind(now, until), nil
	case unused && t.mayRepeat():
		return handler.GoOn(), nil
	case t.tooLong(now, later(t.since(), s.DoubtAt)):
		return handler.Review(order.CodeInDoubt, fmt.Sprintf("the provider confirmed the refund of a ticket at %s, and has not shown it as refunded in %s; ask the provider",
			handler.Moment(s.ConfirmedAt), t.GiveUp)), nil
	}
	return handler.WaitFor(handler.AskAgain(now.Sub(s.DoubtAt), t.LookAfter), ledger.Reason{Code: string(order.CodeListLags), Message: listBehind}, listBehind).
		As(ledger.Absent).Until(s.DoubtAt.Add(t.GiveUp)), nil
}

// mayRepeat reports whether a confirmed ticket may be sent again: once, or once more when a person has asked for another try, and
// never when it was seen as refunded.
func (t ticket) mayRepeat() bool {
	s := t.state()
	return s.ShownAt.IsZero() && (!s.DoubtAt.After(s.ConfirmedAt) || s.DoubtAt.Before(t.Rec.ReopenedAt))
}

// mayShow reports whether a ticket is in doubt whose refund was confirmed, and not so long ago that it would show.
func (r *run) mayShow(i int, now time.Time) bool {
	t := r.Rec.Tickets[i]
	return t.State == order.TicketDoubt && t.Confirmed() && now.Before(t.ConfirmedAt.Add(handler.LongestLag))
}

// verdict ends the refund as one of its tickets demands, once no other one is left that may still be proven.
func (s byTickets) verdict(ctx context.Context, r *run, numbers []string, verdict, soonest handler.Result, fresh bool) (handler.Result, error) {
	if ctx.Err() != nil && soonest.IsWait() {
		return soonest, nil
	}
	if fresh {
		res, err := s.confirm(ctx, r, numbers)
		if soonest = soonest.Sooner(res); err != nil || res.Held() {
			return soonest, err
		}
	}
	now, err := r.Ledger.Time(ctx)
	if err != nil {
		return handler.GoOn(), err
	}
	for i := range r.Rec.Tickets {
		if soonest.IsWait() && r.mayShow(i, now) && r.Rec.Bans < handler.MaxBans {
			return soonest, nil
		}
	}
	return verdict, nil
}
