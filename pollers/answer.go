package pollers

import (
	"cmp"
	"fmt"
	"time"

	"issuance/internal/handler"
	"issuance/internal/ledger"
	"issuance/internal/queue"
	"issuance/providers"
	"issuance/tasks/order"
)

// An overdue order is asked for again when the answer was not clear, but not for ever: so many unclear answers in
// a row, over as long as the order had at first, give it up. They do not mount up while no worker runs.
const (
	unreachedWait = 30 * time.Second
	enoughUnclear = 100
)

// A poll that was turned away is the account's trouble, and one without a clear answer often is: it is asked again
// soon, the later the longer that has gone on.
const (
	refusedWait = 10 * time.Second
	soonest     = 2 * time.Second
)

func (p *poll) soon() time.Duration {
	if p.rec.UnclearSince.IsZero() {
		return soonest
	}
	return handler.AskAgain(p.now.Sub(p.rec.UnclearSince), soonest)
}

// unclear waits after a call that learned nothing. A call that was held back is no poll, and an
// order that could not be asked for is not given up.
func (p *poll) unclear(out providers.Outcome) error {
	handler.Refused(p.log, out)
	if out.Banned {
		return p.banned(out)
	}
	if out.Kind == providers.Held {
		return queue.Wait(cmp.Or(out.RetryAfter, refusedWait), "held: "+cmp.Or(out.Message, out.Code))
	}
	if !p.Schedule.Overdue(p.age) {
		h := mute
		if out.Unasked() {
			h = unasked
		}
		return p.notYet(handler.Reason(out), h, out.RetryAfter, "no clear answer: "+handler.Text(out))
	}
	if out.Unasked() {
		return queue.Wait(handler.Later(out, 1), "overdue, and it could not be asked: "+handler.Text(out))
	}
	if since := p.rec.UnclearSince; p.rec.Unclear >= enoughUnclear && p.now.Sub(since) > p.Schedule.Deadline {
		return p.overdue(handler.Reason(out))
	}
	if done, err := p.polled(handler.Reason(out), ledger.Unclear); done || err != nil {
		return err
	}
	wait := Jitter(unreachedWait)
	if out.Kind != providers.Rejected { // "busy" and the like are the provider's own answers
		wait = min(wait, p.soon())
	}
	return queue.Wait(max(out.RetryAfter, wait), "overdue, and there is no clear answer: "+handler.Text(out))
}

// again counts the poll and waits for the next. Without a reason the provider's answer was a clear
// "not yet". An order past its deadline is given up to review, but never unasked, however long the
// workers were away.
func (p *poll) again(why ledger.Reason, atLeast time.Duration, text string) error {
	if p.Schedule.Overdue(p.age) {
		return p.overdue(why)
	}
	return p.notYet(why, notYet, atLeast, text)
}

// overdue leaves an order to a person. why is empty when the provider's last answer was a clear "not yet".
func (p *poll) overdue(why ledger.Reason) error {
	message := fmt.Sprintf("the provider accepted this order and has not issued it in %s (last: %s); ask the provider", p.Schedule.Deadline, cmp.Or(why.Code, "not issued yet"))
	switch {
	case p.saysIssued && p.rec.Unproven && why.Code != string(order.CodeTicketCount):
		message = fmt.Sprintf("the provider has issued an order under this number, and in %s it has not shown whose it is (last: %s); ask the provider", p.Schedule.Deadline, why.Code)
	case p.saysIssued:
		message = fmt.Sprintf("the provider says that it has issued this order, and in %s its tickets could not be had completely (last: %s); ask the provider", p.Schedule.Deadline, why.Code)
	}
	return p.finish(ledger.Ending{State: order.Review, Polled: true, Reason: ledger.Reason{Code: string(order.CodeOverdue), Message: message}})
}

// polled counts a poll. done says that somebody else has recorded the end meanwhile.
func (p *poll) polled(why ledger.Reason, answer ledger.Release) (done bool, err error) {
	if answer == ledger.Unclear && p.shownOther() {
		why = p.rec.Reason // an answer of no use does not make that good
	}
	ctx, cancel := p.recording()
	defer cancel()
	a, err := p.Ledger.Polled(ctx, p.rec.Ref, p.fence, why, answer)
	p.fence = ""
	return err == nil && !a.Applied, err
}

func (p *poll) notYet(why ledger.Reason, h heard, atLeast time.Duration, text string) error {
	answer := ledger.Idle
	if h != notYet {
		answer = ledger.Unclear
	}
	if done, err := p.polled(why, answer); done || err != nil {
		return err
	}
	ctx, cancel := p.recording()
	defer cancel()
	wait := Jitter(p.Schedule.Next(p.age))
	var err error
	if p.Follower != nil {
		if wait, err = p.Follower.next(ctx, p.rec.Ref, p.rec.AcceptedAt, p.age, h); err != nil {
			return err
		}
	}
	if h != notYet {
		wait = min(wait, p.soon())
	}
	return queue.WaitUntil(max(atLeast, wait), text, p.rec.AcceptedAt.Add(p.Schedule.Deadline))
}

func (p *poll) finish(e ledger.Ending) error {
	ctx, cancel := p.recording()
	defer cancel()
	a, err := p.Ledger.Finish(ctx, p.rec.Ref, "", e)
	if err != nil {
		return err
	}
	p.fence = ""
	if a.Applied && a.Refunds > 0 && p.Wake != nil {
		p.Wake(ctx, p.rec.Ref)
	}
	switch {
	case !a.Applied:
		p.log.Warn("a late answer is not applied: the order has ended already", "state", string(a.State))
	case e.State == order.Review:
		p.log.Error("alarm: it needs review", "code", e.Reason.Code, "message", e.Reason.Message)
	default:
		p.log.Info("final", "state", string(e.State), "code", e.Reason.Code, "polls", p.rec.Polls+1)
	}
	return p.Follower.finished(ctx, p.rec.Ref, e.State, p.received())
}

func ref(f providers.Finding) string {
	if f.Result == nil {
		return ""
	}
	return f.Result.Ref
}
