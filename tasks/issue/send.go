package issue

import (
	"context"
	"errors"
	"time"

	"issuance/internal/handling"
	"issuance/internal/ledger"
	"issuance/providers"
	"issuance/tasks"
)

// send passes the call budget, writes the intent, calls the provider once, and records the answer.
func (r *run) send(ctx context.Context) error {
	paid, err := r.Gate.Prepay(ctx)
	if err != nil {
		return r.heldBack(err)
	}
	a, attempt, err := r.Ledger.Submit(ctx, r.key, r.claim.Fence, r.Lease)
	if err != nil {
		// The intent may stand all the same (too few replicas have it), but nothing was sent.
		rec, cancel := handling.Recording()
		defer cancel()
		_, _ = r.Ledger.NotSent(rec, r.key, r.claim.Fence, ledger.Reason{})
		return err
	}
	if !a.Applied {
		return r.recorded("submit", a, nil)
	}
	r.claim.Attempts = attempt
	log := r.log.With("attempt", attempt)
	began := time.Now()
	out := r.Provider.Issue(paid, r.order)
	log.Info("issue answered", "outcome", string(out.Kind), "code", out.Code, "took", time.Since(began).Round(time.Millisecond))
	if out.Alarm {
		log.Error("alarm: the provider refuses this account; a person has to act", "code", out.Code, "message", out.Message)
	}
	return r.settle(ctx, out)
}

// settle records the answer to a request of ours.
func (r *run) settle(ctx context.Context, out providers.Outcome) error {
	why := ledger.Reason{Code: out.Code, Message: out.Message}
	rec, cancel := handling.Recording()
	defer cancel()
	switch {
	case out.Kind == providers.Accepted && r.atOnce():
		r.ask = true
		return r.accept(out.Result)
	case out.Kind == providers.Accepted:
		return r.accepted(out.Result, FollowSchedule)
	case out.Kind == providers.Done:
		return r.issued(out.Result)
	case out.Kind == providers.Rejected && !r.mustConfirm(out):
		return r.finish(ledger.Ending{State: ledger.Failed, Reason: why})
	case out.Kind == providers.Rejected, out.Exists:
		// A no that means, or may mean, "I have this number already", or that follows a request in doubt.
		if out.Exists {
			why = ledger.Reason{Code: codeNumberExists, Message: orDefault(out.Message, out.Code)}
		}
		if a, err := r.Ledger.Rejected(rec, r.key, r.claim.Fence, why); err != nil || !a.Applied {
			return r.recorded("rejected", a, err)
		}
		r.claim.RejectedCode, r.claim.RejectedMessage = orDefault(why.Code, "rejected"), why.Message
		return r.lookUp(ctx)
	case out.Unasked():
		a, err := r.Ledger.NotSent(rec, r.key, r.claim.Fence, why)
		if err != nil || !a.Applied {
			return r.recorded("not_sent", a, err)
		}
		return tasks.Wait(r.later(out), "not sent: "+outcomeText(out))
	default: // Unknown, and whatever a provider's package may invent
		a, err := r.Ledger.Unknown(rec, r.key, r.claim.Fence, why)
		if err != nil || !a.Applied {
			return r.recorded("unknown", a, err)
		}
		r.log.Warn("the order may have been taken; it is looked up before anything is sent again", "code", out.Code)
		return tasks.Wait(handling.LookAfter(r.claim.Doubts, r.LookAfter), "in doubt: "+outcomeText(out))
	}
}

// codeNumberExists is a refusal because the provider has the order's number already.
const codeNumberExists = "number_exists"

// mustConfirm reports whether a rejection needs a look-up before it is the order's end.
func (r *run) mustConfirm(out providers.Outcome) bool {
	return out.Exists || !r.claim.DoubtAt.IsZero() || r.Provider.Traits().RejectionMayHideDuplicate
}

// atOnce reports whether the provider issues the order at once (paper) instead of in a job of its own.
func (r *run) atOnce() bool {
	p, ok := r.Provider.(interface{ IssuesAtOnce(providers.Order) bool })
	return ok && p.IssuesAtOnce(r.order)
}

// FollowSchedule asks a Follower to choose the delay by its own schedule.
const FollowSchedule time.Duration = -1

// accepted records that the provider has the order, and has it followed.
func (r *run) accepted(res *providers.Result, delay time.Duration) error {
	if err := r.accept(res); err != nil {
		return err
	}
	return r.follow(delay)
}

func (r *run) accept(res *providers.Result) error {
	sealed, err := tasks.SealResult(r.Ring, r.key, withoutTickets(res))
	if err != nil {
		return err
	}
	ctx, cancel := handling.Recording()
	defer cancel()
	a, err := r.Ledger.Accept(ctx, r.key, r.claim.Fence, refOf(res), sealed)
	return r.recorded("accepted", a, err)
}

func (r *run) follow(delay time.Duration) error {
	ctx, cancel := handling.Recording()
	defer cancel()
	return r.Follower.Follow(ctx, r.key, delay)
}

// askAtOnce asks for an order that has just been accepted, which saves it the way through the
// poller's queue. Whatever is not a plain "issued" is left to the poller. Should the worker die here,
// the order is accepted and open, and gets its poll like any other.
func (r *run) askAtOnce(ctx context.Context) error {
	f := r.Provider.LookUp(ctx, r.order)
	r.log.Info("asked", "finding", string(f.State), "code", f.Outcome.Code)
	switch need, _ := r.Provider.NeedsTickets(r.order); {
	case f.State == providers.FoundPending || f.State == providers.Absent:
		return r.follow(FollowSchedule)
	case f.State != providers.FoundIssued || need:
		return r.follow(0)
	}
	sealed, err := tasks.SealResult(r.Ring, r.key, f.Result)
	if err != nil {
		return err
	}
	r.claim.Fence = "" // given back when the order was accepted
	return r.finish(ledger.Ending{State: ledger.Issued, Ref: refOf(f.Result), Result: sealed, Polled: true})
}

func (r *run) issued(res *providers.Result) error {
	sealed, err := tasks.SealResult(r.Ring, r.key, res)
	if err != nil {
		return err
	}
	return r.finish(ledger.Ending{State: ledger.Issued, Ref: refOf(res), Result: sealed})
}

func (r *run) review(why ledger.Reason) error {
	r.log.Error("alarm: the order needs a person", "code", why.Code, "message", why.Message)
	return r.finish(ledger.Ending{State: ledger.Review, Reason: why})
}

func (r *run) finish(e ledger.Ending) error {
	ctx, cancel := handling.Recording()
	defer cancel()
	a, err := r.Ledger.Finish(ctx, r.key, r.claim.Fence, e)
	if err == nil && a.Applied {
		r.log.Info("final", "state", string(e.State), "code", e.Reason.Code, "attempts", r.claim.Attempts)
	}
	return r.recorded("finish", a, err)
}

func (r *run) recorded(what string, a ledger.Answer, err error) error {
	return handling.Recorded(r.log, r.Lease, what, a, err)
}

// heldBack gives the claim back because no call may leave now.
func (r *run) heldBack(err error) error {
	ctx, cancel := handling.Recording()
	defer cancel()
	var held *providers.HeldError
	if !errors.As(err, &held) {
		// Nobody knows whether a call is allowed (Redis slow or away): none leaves.
		if _, idleErr := r.Ledger.Idle(ctx, r.key, r.claim.Fence, ledger.Reason{}); idleErr != nil {
			return idleErr
		}
		return tasks.Wait(time.Second, "the call budget cannot be asked")
	}
	why := ledger.Reason{}
	if held.RetryAfter > time.Minute {
		why = ledger.Reason{Code: "held", Message: held.Reason}
	}
	a, err := r.Ledger.Idle(ctx, r.key, r.claim.Fence, why)
	if err != nil || !a.Applied {
		return r.recorded("held", a, err)
	}
	return tasks.Wait(held.RetryAfter, held.Reason)
}

// later is when to try again after an outcome without effect.
func (r *run) later(out providers.Outcome) time.Duration {
	if out.RetryAfter > 0 {
		return out.RetryAfter
	}
	return tasks.Backoff(r.claim.Attempts-1, 2*time.Second, 2*time.Minute)
}

func outcomeText(out providers.Outcome) string {
	if out.Code == "" {
		return string(out.Kind)
	}
	return out.Code
}

func orDefault(s, def string) string {
	if s == "" {
		return def
	}
	return s
}

func refOf(res *providers.Result) string {
	if res == nil {
		return ""
	}
	return res.Ref
}

// withoutTickets is what is worth keeping of an order that is only accepted.
func withoutTickets(res *providers.Result) *providers.Result {
	if res == nil || (res.Access == nil && len(res.Tickets) == 0) {
		return nil
	}
	return res
}
