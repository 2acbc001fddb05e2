package pollers

import (
	"context"
	"fmt"
	"time"

	"issuance/internal/handler"
	"issuance/internal/ledger"
	"issuance/internal/queue"
	"issuance/providers"
	"issuance/tasks/order"
)

// What comes of answers by which it is not clear that the provider has our order, or may be asked about it.

// tooFew waits for the tickets that an order lacks which is not certainly ours, for as long as a list may lag. The
// others do not wait for it.
func (p *poll) tooFew(f providers.Finding) error {
	if p.age >= handler.LongestLag {
		return p.taken(fmt.Sprintf("for %s it has had fewer tickets than were ordered", handler.LongestLag))
	}
	wait := min(handler.AskAgain(p.age, soonest), handler.LongestLag-p.age)
	return p.doubted(handler.Reason(f.Outcome), ledger.Idle, wait, "the provider lists fewer tickets than were ordered", p.rec.AcceptedAt.Add(handler.LongestLag))
}

// denied waits after an answer that the provider does not know the order: soon at first, because it may only be behind,
// and ever more rarely. The others do not wait for it.
func (p *poll) denied(why ledger.Reason) error {
	if p.Schedule.Overdue(p.age) {
		return p.overdue(why)
	}
	wait := min(Jitter(p.Schedule.Next(p.age)), handler.AskAgain(p.age, soonest))
	if !p.rec.Unproven {
		ctx, cancel := p.recording()
		defer cancel()
		if err := p.Ledger.NotShown(ctx, p.rec.Ref, p.rec.SentAt); err != nil {
			return err
		}
	}
	return p.doubted(why, ledger.Absent, wait, "the provider accepted it and now does not know it", p.rec.AcceptedAt.Add(p.Schedule.Deadline))
}

// surelyAbsent reports whether an answer certainly means that the provider does not know the order: it answers so about a number
// that does not exist, and finds an order that it has.
func (p *poll) surelyAbsent(ctx context.Context, f providers.Finding) (bool, error) {
	if !f.Assumed {
		return true, nil
	}
	if !handler.SurelyAbsent(ctx, p.log, p.Provider, f) {
		return false, nil
	}
	found, _, err := handler.Known(ctx, p.log, p.Provider, p.Ledger)
	return found, err
}

// shownLate remembers for how long the order was accepted and not known.
func (p *poll) shownLate(ctx context.Context) error {
	code := p.rec.Reason.Code
	if !p.rec.UnclearSince.IsZero() {
		code = "" // of a later answer
	}
	return handler.ShownLate(ctx, p.Provider, p.Ledger, p.rec, code)
}

// failed ends an order that the provider says it could not issue, once a second look says the same: one answer may be an
// old one. The others do not wait for it. One of which tickets were shown is left to review.
func (p *poll) failed(f providers.Finding) error {
	end := ledger.Ending{State: order.Failed, ProviderRef: ref(f), Polled: true}
	var half bool
	if end.Reason, half = handler.WhyFailed(f); !half && p.rec.Reason.Code == string(order.CodeTicketCount) {
		end.Reason, half = p.rec.Reason, true
		end.Reason.Message = "the provider says that issuing failed, and said before: " + p.rec.Reason.Message
	}
	if half {
		end.State = order.Review
	}
	return p.twice(end, "the provider says that issuing failed, and is asked once more")
}

// twice ends an order by what a second look says as well, a lag or more after the first.
func (p *poll) twice(end ledger.Ending, text string) error {
	ctx, cancel := p.recording()
	defer cancel()
	lag, err := handler.Lag(ctx, p.Ledger, p.rec.Ref.Account)
	if err != nil {
		return err
	}
	const early = time.Second // that the queue may be
	switch settled := p.rec.PolledAt.Add(lag); {
	case p.rec.Reason.Code != end.Reason.Code:
		return p.doubted(end.Reason, ledger.Idle, lag+early, text, p.now.Add(lag+early))
	case p.now.Before(settled): // it came too soon, is not counted, and does not put the second look off
		return queue.WaitUntil(settled.Sub(p.now)+early, text, settled)
	}
	return p.finish(end)
}

// banned waits after a poll that drew a ban of the account, or sets the order apart.
func (p *poll) banned(out providers.Outcome) error {
	ctx, cancel := p.recording()
	defer cancel()
	passed := func(ctx context.Context, since time.Time) (bool, error) {
		return handler.OthersIssued(ctx, p.Ledger, p.rec.Ref, providers.Site(p.Provider), since)
	}
	if bans := handler.DrewBan(ctx, p.log, p.Ledger, p.rec, passed); bans >= handler.MaxBans {
		return p.finish(ledger.Ending{State: order.Review, Polled: true, Reason: handler.DrawsBanReason(bans)})
	}
	return p.doubted(handler.Reason(out), ledger.Unclear, handler.AfterBan(out, refusedWait), "held: "+handler.Text(out), time.Time{})
}

// unlisted waits for the tickets of an order that the provider says is issued. A job has run, so the others need not wait for
// this one.
func (p *poll) unlisted(out providers.Outcome) error {
	p.saysIssued = true
	if out.Banned || out.Unasked() {
		return p.unclear(out)
	}
	handler.Refused(p.log, out)
	if p.Schedule.Overdue(p.age) { // that it is issued is a clear answer
		return p.overdue(handler.Reason(out))
	}
	return p.later(handler.Reason(out), ledger.Unclear, max(out.RetryAfter, p.patience()), "issued, and its tickets are not shown completely: "+handler.Text(out), p.kept)
}

// miscounted is unlisted for a complete list of another number of tickets.
func (p *poll) miscounted(listed, ordered int) error {
	p.saysIssued = true
	why := ledger.Reason{Code: string(order.CodeTicketCount), Message: fmt.Sprintf("the provider lists %d tickets, %d were ordered", listed, ordered)}
	if p.Schedule.Overdue(p.age) {
		return p.overdue(why)
	}
	return p.later(why, ledger.Unclear, p.patience(), "the provider lists another number of tickets than was ordered", p.kept)
}

// unrecognised waits for an answer that shows whose an issued order is. The others do not wait for it.
func (p *poll) unrecognised(out providers.Outcome) error {
	p.saysIssued = true
	if out.Banned || out.Unasked() {
		return p.unclear(out)
	}
	handler.Refused(p.log, out)
	if p.Schedule.Overdue(p.age) {
		return p.overdue(handler.Reason(out))
	}
	return p.later(handler.Reason(out), ledger.Unclear, max(out.RetryAfter, p.patience()), "no clear answer: "+handler.Text(out), p.aside)
}

// patience is the pause of an order that nobody waits for: the longer its answers have been of no use, the longer.
func (p *poll) patience() time.Duration { return min(Jitter(p.Schedule.Next(p.age)), p.soon()) }

func (p *poll) aside(ctx context.Context) error { return p.Follower.aside(ctx, p.rec.Ref) }

func (p *poll) kept(ctx context.Context) error {
	return p.Follower.kept(ctx, p.rec.Ref, p.received())
}

// received is since when the provider has had the order as one of those that it issues in a job; zero for one that it issues at
// once, which says nothing about a job.
func (p *poll) received() time.Time {
	if at, ok := p.Provider.(providers.AtOnceIssuer); ok && at.IssuesAtOnce(p.order) {
		return time.Time{}
	}
	return p.rec.AcceptedAt
}

// later is doubted for an order within its deadline, of which the sentinel learns by says.
func (p *poll) later(why ledger.Reason, answer ledger.Release, wait time.Duration, text string, says func(context.Context) error) error {
	return p.counted(why, answer, wait, text, p.rec.AcceptedAt.Add(p.Schedule.Deadline), says)
}

// doubted counts the poll and waits, and has no other order wait for this one.
func (p *poll) doubted(why ledger.Reason, answer ledger.Release, wait time.Duration, text string, until time.Time) error {
	return p.counted(why, answer, wait, text, until, p.aside)
}

func (p *poll) counted(why ledger.Reason, answer ledger.Release, wait time.Duration, text string, until time.Time, says func(context.Context) error) error {
	if done, err := p.polled(why, answer); done || err != nil {
		return err
	}
	ctx, cancel := p.recording()
	defer cancel()
	if err := says(ctx); err != nil {
		return err
	}
	return queue.WaitUntil(wait, text, until)
}
