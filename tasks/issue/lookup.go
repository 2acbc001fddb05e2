package issue

import (
	"context"
	"fmt"
	"time"

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
			"the provider refused this order (%s) and has another one under its number, which this system never sent with success; find out whose it is",
			r.claim.RejectedCode)})
	}
	switch f.State {
	case providers.FoundIssued:
		if need, _ := r.Provider.NeedsTickets(r.order); need {
			return r.accepted(f.Result, 0)
		}
		return r.issued(f.Result)
	case providers.FoundPending:
		return r.accepted(f.Result, r.firstPoll())
	case providers.FoundFailed:
		return r.finish(ledger.Ending{State: ledger.Failed, Reason: reasonOf(f), Ref: refOf(f.Result)})
	case providers.Absent:
		return r.absent(ctx)
	default: // Unclear: nothing was learned
		return r.unclear(f.Outcome)
	}
}

// strangers reports whether an order found at the provider cannot be ours: the only request we
// ever sent was refused.
func (r *run) strangers() bool {
	return r.claim.RejectedCode != "" && r.claim.DoubtAt.IsZero() && r.claim.Attempts <= 1
}

// absent acts on the provider's word that it does not know the order.
func (r *run) absent(ctx context.Context) error {
	if r.claim.RejectedCode == "" {
		// Sending the same number again cannot issue twice: the provider takes a number once.
		return r.send(ctx)
	}
	now, err := r.Ledger.Time(ctx)
	if err != nil {
		return err
	}
	if settled := r.claim.DoubtAt.Add(r.Provider.Traits().SettleAfter); !r.claim.DoubtAt.IsZero() && now.Before(settled) {
		// The last request was refused, but an earlier one may still be on its way.
		return r.idle(settled.Sub(now), "refused, and waiting until no earlier request can arrive any more", ledger.Reason{})
	}
	return r.finish(ledger.Ending{State: ledger.Failed,
		Reason: ledger.Reason{Code: r.claim.RejectedCode, Message: r.claim.RejectedMessage}})
}

// unclear waits after a look-up that learned nothing, and gives up to a person in the end.
func (r *run) unclear(out providers.Outcome) error {
	if out.Alarm {
		r.log.Error("alarm: the provider refuses this account; a person has to act", "code", out.Code, "message", out.Message)
	}
	ctx, cancel := recording()
	defer cancel()
	now, err := r.Ledger.Time(ctx)
	if err != nil {
		return err
	}
	if !r.claim.DoubtAt.IsZero() && now.Sub(r.claim.DoubtAt) > r.GiveUp {
		return r.review(ledger.Reason{Code: "in_doubt", Message: fmt.Sprintf(
			"whether the provider took this order could not be found out in %s (last: %s); ask the provider", r.GiveUp, outcomeText(out))})
	}
	wait := out.RetryAfter
	if wait <= 0 {
		// The older the doubt, the longer the pause, up to ten minutes.
		wait = min(max(r.LookAfter, now.Sub(r.claim.DoubtAt)/2), 10*time.Minute)
		if r.claim.DoubtAt.IsZero() {
			wait = r.LookAfter
		}
	}
	return r.idle(wait, "in doubt, and the look-up learned nothing: "+outcomeText(out), ledger.Reason{Code: out.Code, Message: out.Message})
}

func (r *run) idle(wait time.Duration, text string, why ledger.Reason) error {
	ctx, cancel := recording()
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
