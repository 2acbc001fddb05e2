package issue

import (
	"context"
	"fmt"
	"time"

	"issuance/internal/handling"
	"issuance/internal/ledger"
	"issuance/providers"
	"issuance/tasks"
)

// lookUp asks the provider what it knows of an order that may have reached it, and acts on that.
func (r *run) lookUp(ctx context.Context) error {
	f := r.Provider.LookUp(ctx, r.order)
	r.log.Info("looked up", "finding", string(f.State), "code", f.Outcome.Code, "attempts", r.claim.Attempts)
	if f.Found() && r.strangers() {
		return r.review(ledger.Reason{Code: "number_taken", Message: fmt.Sprintf(
			"the provider refused this order (%s) and has one under its number, although no request of this system can have made it; find out whose it is",
			r.claim.RejectedCode)})
	}
	switch f.State {
	case providers.FoundIssued:
		if need, _ := r.Provider.NeedsTickets(r.order); need {
			return r.accepted(f.Result, 0)
		}
		return r.issued(f.Result)
	case providers.FoundPending:
		return r.accepted(f.Result, FollowSchedule)
	case providers.FoundFailed:
		return r.finish(ledger.Ending{State: ledger.Failed, Reason: reasonOf(f), Ref: refOf(f.Result)})
	case providers.Absent:
		return r.absent(ctx)
	default: // Unclear: nothing was learned
		return r.unclear(f.Outcome)
	}
}

// strangers reports whether an order found at the provider cannot be ours: the last request was
// refused, and those before it, if any, certainly had no effect.
func (r *run) strangers() bool {
	return r.claim.RejectedCode != "" && r.claim.DoubtAt.IsZero()
}

// absent acts on the provider's word that it does not know the order.
func (r *run) absent(ctx context.Context) error {
	if r.claim.RejectedCode == "" {
		return r.sendAgain(ctx)
	}
	exists := r.claim.RejectedCode == codeNumberExists
	if exists || !r.claim.DoubtAt.IsZero() {
		now, since, err := r.sentSince()
		if err != nil {
			return err
		}
		if settled := since.Add(r.Provider.Traits().SettleAfter); now.Before(settled) {
			// The last request was refused, but an earlier one may still be on its way.
			return r.idle(settled.Sub(now), "refused, and waiting until no earlier request can arrive any more", ledger.Reason{})
		}
	}
	if exists {
		return r.review(ledger.Reason{Code: codeNumberExists, Message: fmt.Sprintf(
			"the provider refuses this order because it has its number (%s), and does not find it when asked; ask the provider", r.claim.RejectedMessage)})
	}
	return r.finish(ledger.Ending{State: ledger.Failed,
		Reason: ledger.Reason{Code: r.claim.RejectedCode, Message: r.claim.RejectedMessage}})
}

// sendAgain sends an order that the provider does not know. That cannot issue twice: the provider takes a
// number once. But it has to end somewhere.
func (r *run) sendAgain(ctx context.Context) error {
	now, err := r.Ledger.Time(ctx)
	if err != nil {
		return err
	}
	if handling.InVain(r.claim.Doubts, now, r.claim.DoubtSince, r.GiveUp) {
		return r.review(ledger.Reason{Code: "in_doubt", Message: fmt.Sprintf(
			"sent %d times in %s, never with a clear answer, and the provider does not know it when asked; ask the provider", r.claim.Doubts, r.GiveUp)})
	}
	if err := tasks.Recheck(r.key, r.order.Request, r.Rules); err != nil {
		return r.outdated(err)
	}
	return r.send(ctx)
}

// outdated leaves an order to a person that the provider does not know and that must not be sent again,
// because its date has passed, or because this worker is another merchant's. An earlier request may have
// taken effect, or may still, so it is no failure, and nobody is asked too early.
func (r *run) outdated(why error) error {
	now, since, err := r.sentSince()
	if err != nil {
		return err
	}
	if settled := since.Add(r.Provider.Traits().SettleAfter); now.Before(settled) {
		return r.idle(settled.Sub(now), "in doubt, and waiting until no earlier request can arrive any more", ledger.Reason{})
	}
	return r.review(ledger.Reason{Code: "invalid_document",
		Message: "the document no longer keeps the rules, so it is not sent again; an earlier request got no clear answer, look the order up: " + why.Error()})
}

// sentSince is the time, and the last moment at which a request of this order that is not settled
// can have left.
func (r *run) sentSince() (now, since time.Time, err error) {
	ctx, cancel := handling.Recording()
	defer cancel()
	if now, err = r.Ledger.Time(ctx); err != nil || !r.claim.DoubtAt.IsZero() {
		return now, r.claim.DoubtAt, err
	}
	rec, err := r.Ledger.Load(ctx, r.key)
	if err != nil {
		return now, since, err
	}
	return now, rec.SentAt, nil
}

// unclear waits after a look-up that learned nothing, and gives up to a person in the end.
func (r *run) unclear(out providers.Outcome) error {
	if out.Alarm {
		r.log.Error("alarm: the provider refuses this account; a person has to act", "code", out.Code, "message", out.Message)
	}
	now, since, err := r.sentSince()
	if err != nil {
		return err
	}
	if !r.claim.DoubtSince.IsZero() {
		since = r.claim.DoubtSince
	}
	// A question that never left is no reason to give up, however long the workers were away.
	if !out.Unasked() && handling.Old(now, since, r.GiveUp) {
		return r.review(ledger.Reason{Code: "in_doubt", Message: fmt.Sprintf(
			"whether the provider took this order could not be found out in %s (last: %s); ask the provider", r.GiveUp, outcomeText(out))})
	}
	wait := out.RetryAfter
	if wait <= 0 {
		wait = handling.AskAgain(now.Sub(since), r.LookAfter)
	}
	return r.idle(wait, "in doubt, and the look-up learned nothing: "+outcomeText(out), ledger.Reason{Code: out.Code, Message: out.Message})
}

func (r *run) idle(wait time.Duration, text string, why ledger.Reason) error {
	ctx, cancel := handling.Recording()
	defer cancel()
	a, err := r.Ledger.Idle(ctx, r.key, r.claim.Fence, why)
	if err != nil || !a.Applied {
		return r.recorded("idle", a, err)
	}
	return tasks.Wait(wait, text)
}

func reasonOf(f providers.Finding) ledger.Reason {
	return ledger.Reason{Code: orDefault(f.Outcome.Code, "issuing_failed"), Message: f.Outcome.Message}
}
