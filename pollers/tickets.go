package pollers

import (
	"context"

	"issuance/internal/handler"
	"issuance/internal/ledger"
	"issuance/providers"
	"issuance/tasks/order"
)

// What an issued order's tickets are, and whether they are those that were ordered.

// other leaves an order to review that two looks show issued with other tickets than were ordered.
func (p *poll) other(field string) error {
	p.saysIssued = true
	return p.twice(takenEnding("its "+field+" is not that of our document"), "the provider shows other tickets than were ordered, and is asked once more")
}

// compare has an order compared with what was ordered of which the last answer showed other tickets, where this one does not
// show them. An order whose answers agree is not asked about.
func (p *poll) compare(ctx context.Context, f *providers.Finding) providers.Outcome {
	asker, ok := p.Provider.(providers.Identifier)
	if f.Sight != nil || !p.shownOther() || !ok {
		return providers.Outcome{Kind: providers.Done}
	}
	s, out := asker.Identify(ctx, p.order)
	if f.Sight = &s; out.Kind == providers.Done && s.Shown == 0 {
		out = providers.Outcome{Kind: providers.Unknown, Code: string(order.CodeListLags)}
	}
	return out
}

// shownOther reports whether the last answer that counted showed other tickets than were ordered.
func (p *poll) shownOther() bool {
	return p.rec.Reason.Code == string(order.CodeTicketCount) || p.rec.Reason.Code == string(order.CodeNumberTaken)
}

// uncompared waits for an answer by which an order can be compared that was shown with other tickets than were ordered.
func (p *poll) uncompared(out providers.Outcome) error {
	p.saysIssued = true
	if out.Banned || out.Unasked() {
		return p.unclear(out)
	}
	handler.Refused(p.log, out)
	if p.Schedule.Overdue(p.age) {
		return p.overdue(p.rec.Reason)
	}
	return p.later(handler.Reason(out), ledger.Unclear, max(out.RetryAfter, p.patience()), "no clear answer: "+handler.Text(out), p.kept)
}

// tickets are those of an issued order. A list that the look-up itself got completely is not asked for again: that costs a call,
// and another machine of the provider's may be behind.
func (p *poll) tickets(ctx context.Context, f providers.Finding, count int) (list []providers.Ticket, out providers.Outcome) {
	if f.Result != nil && len(f.Result.Tickets) == count {
		return f.Result.Tickets, providers.Outcome{Kind: providers.Done}
	}
	list, out = p.Provider.Tickets(ctx, p.order)
	p.log.Info("fetched the tickets", "outcome", string(out.Kind), "code", out.Code, "tickets", len(list))
	return list, out
}

// taken leaves an order to review whose number is somebody else's at the provider. Nothing of what was found is stored.
func (p *poll) taken(why string) error {
	return p.finish(takenEnding(why))
}

func takenEnding(why string) ledger.Ending {
	return ledger.Ending{State: order.Review, Polled: true, Reason: ledger.Reason{Code: string(order.CodeNumberTaken), Message: handler.TakenBecause(why)}}
}
