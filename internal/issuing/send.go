package issuing

import (
	"cmp"
	"context"
	"time"

	"issuance/internal/handler"
	"issuance/internal/ledger"
	"issuance/internal/seal"
	"issuance/internal/vault"
	"issuance/providers"
	"issuance/tasks/order"
)

// send calls the provider once and settles the answer.
func (r *run) send(ctx context.Context) (handler.Result, error) {
	out, stop, err := r.Send(ctx, handler.All, func(ctx context.Context) providers.Outcome { return r.Provider.Issue(ctx, r.Order) })
	if err != nil || stop.Ends() {
		return stop, err
	}
	why := handler.Reason(out)
	switch {
	case out.Kind == providers.Accepted && out.Differs != "":
		r.Log.Warn("the provider accepted the order, and shows other tickets than were ordered", "field", out.Differs)
		delay := FollowSchedule
		if r.atOnce() {
			delay = 0
		}
		return r.accepted(nil, delay, found{unproven: true})
	case out.Kind == providers.Accepted && r.atOnce():
		return r.acceptedAtOnce(out.Result)
	case out.Kind == providers.Accepted:
		return r.accepted(out.Result, FollowSchedule, found{})
	case out.Kind == providers.Done:
		return r.issued(out.Result, "")
	case out.Kind == providers.Rejected && !r.mustConfirm(out):
		return handler.Fail(why), nil
	case out.Kind == providers.Rejected, out.Exists:
		return r.confirm(ctx, out)
	case out.Unasked():
		return handler.WaitFor(r.Later(out), why, "not sent: "+handler.Text(out)).As(ledger.NotSent), nil
	case out.Banned:
		return handler.WaitFor(max(out.RetryAfter, r.LookAfter), why, "in doubt: "+handler.Text(out)).As(ledger.Unknown), nil
	case out.Refusal:
		return r.refused(out)
	default: // Unknown, and whatever a provider's package may invent
		r.Log.Warn("the order may have been taken; it is looked up before anything is sent again", "code", out.Code)
		return handler.WaitFor(r.lookAfter(), why, "in doubt: "+handler.Text(out)).As(ledger.Unknown), nil
	}
}

// lookAfter is the pause before a request without a clear answer is looked into: ever longer, and for a young doubt
// not long. Its provider may only fail to issue while it answers look-ups, which is no outage of the account, and
// the end of that should not go unnoticed for minutes.
func (r *run) lookAfter() time.Duration {
	wait := handler.LookAfter(r.Rec.Doubts, r.LookAfter)
	if since := r.Rec.DoubtSince; !since.IsZero() {
		wait = min(wait, max(young, r.Claim.Now.Sub(since)/16))
	}
	return wait
}

const young = 15 * time.Second

// confirm looks up an order whose rejection means, or may mean, "I have this number already", or follows a
// request in doubt.
func (r *run) confirm(ctx context.Context, out providers.Outcome) (handler.Result, error) {
	why := handler.Reason(out)
	if out.Exists {
		why = ledger.Reason{Code: string(order.CodeNumberExists), Message: cmp.Or(out.Message, out.Code)}
	}
	rec, cancel := r.Recording()
	defer cancel()
	a, err := r.Ledger.Rejected(rec, r.Ref, r.Rec.Fence, why)
	if err != nil || !a.Applied {
		return handler.GoOn(), r.Written("rejected", a, err)
	}
	r.Rec.Rejection = ledger.Reason{Code: cmp.Or(why.Code, string(order.CodeRejected)), Message: why.Message}
	return r.lookUp(ctx)
}

// mustConfirm reports whether a rejection needs a look-up before it is the order's end.
func (r *run) mustConfirm(out providers.Outcome) bool {
	return out.Exists || out.MayHide || !r.Rec.DoubtAt.IsZero() || r.Provider.Traits().RejectionMayHideDuplicate
}

// atOnce reports whether the provider issues the order at once (paper) instead of in a job of its own.
func (r *run) atOnce() bool {
	p, ok := r.Provider.(providers.AtOnceIssuer)
	return ok && p.IssuesAtOnce(r.Order)
}

// found is what a look-up showed of an order. The zero value stands for none.
type found struct {
	state    providers.FindingState
	unproven bool          // it is still to be recognised as ours
	why      ledger.Reason // of a failure
}

// accepted records that the provider has the order, and has it followed.
func (r *run) accepted(res *providers.Result, delay time.Duration, f found) (handler.Result, error) {
	if err := r.accept(res, f); err != nil {
		return handler.GoOn(), err
	}
	return handler.Recorded(func(context.Context) error { return r.follow(delay) }), nil
}

// acceptedAtOnce is accepted for an order that can be asked for right now.
func (r *run) acceptedAtOnce(res *providers.Result) (handler.Result, error) {
	if err := r.accept(res, found{}); err != nil {
		return handler.GoOn(), err
	}
	return handler.Recorded(r.askAtOnce), nil
}

func (r *run) accept(res *providers.Result, f found) error {
	if f.unproven {
		res = nil // nothing is stored of what may be another's
	}
	var sealed seal.Sealed
	if res != nil && (res.Access != nil || len(res.Tickets) > 0) {
		var err error
		if sealed, err = r.sealed(res); err != nil {
			return err
		}
	}
	ctx, cancel := r.Recording()
	defer cancel()
	a, err := r.Ledger.Accept(ctx, r.Ref, r.Rec.Fence, ledger.Acceptance{ProviderRef: refOf(res), Result: sealed, Unproven: f.unproven, Found: f.state, Why: f.why})
	return r.Written("accepted", a, err)
}

func (r *run) follow(delay time.Duration) error {
	ctx, cancel := r.Recording()
	defer cancel()
	return r.follower.Follow(ctx, r.Ref, delay)
}

// askAtOnce asks for an order that has just been accepted, which saves it the way through the
// poller's queue. Whatever is not a plain "issued" is left to the poller. Should the worker die here,
// the order is accepted and open, and gets its poll like any other.
func (r *run) askAtOnce(ctx context.Context) error {
	f := r.Provider.LookUp(ctx, r.Order)
	r.Log.Info("asked", "finding", string(f.State), "code", f.Outcome.Code)
	switch need, _ := r.Provider.NeedsTickets(r.Order); {
	case f.State == providers.FoundPending || f.State == providers.Absent:
		return r.follow(FollowSchedule)
	case f.Outcome.Banned:
		rec, cancel := r.Recording()
		defer cancel()
		handler.DrewBan(rec, r.Log, r.Ledger, r.Rec, r.OthersPassed)
		return r.follow(handler.AfterBan(f.Outcome, 0))
	case f.State != providers.FoundIssued || need || handler.Fewer(f) || handler.Other(f):
		return r.follow(0)
	}
	sealed, err := r.sealed(f.Result)
	if err != nil {
		return err
	}
	rec, cancel := r.Recording()
	defer cancel()
	a, err := r.Ledger.Finish(rec, r.Ref, "", ledger.Ending{State: order.Issued, ProviderRef: refOf(f.Result), Result: sealed, Polled: true})
	if err == nil && a.Applied {
		r.Log.Info("final", "state", string(order.Issued), "attempts", r.Rec.Attempts)
	}
	r.WakeRefunds(rec, a)
	return r.Written("finish", a, err)
}

func (r *run) sealed(res *providers.Result) (seal.Sealed, error) {
	return vault.SealResult(r.Ring, r.Ref, res)
}
