package issuing

import (
	"context"
	"fmt"
	"time"

	"issuance/internal/handler"
	"issuance/internal/ledger"
	"issuance/providers"
	"issuance/tasks/order"
)

// lookUp asks the provider what it knows of an order that may have reached it, and acts on that.
func (r *run) lookUp(ctx context.Context) (handler.Result, error) {
	f := r.Provider.LookUp(ctx, r.Order)
	r.Log.Info("looked up", "finding", string(f.State), "code", f.Outcome.Code, "attempts", r.Rec.Attempts)
	if f.Found() && r.notOurs() {
		return handler.Review(order.CodeNumberTaken, takenText(r.Rec.Rejection.Code)), nil
	}
	switch f.State {
	case providers.FoundIssued:
		if need, _ := r.Provider.NeedsTickets(r.Order); need {
			return r.accepted(f.Result, 0)
		}
		return r.issued(f.Result)
	case providers.FoundPending:
		return r.accepted(f.Result, FollowSchedule)
	case providers.FoundFailed:
		return handler.End(ledger.Ending{State: order.Failed, Reason: reasonOf(f), ProviderRef: refOf(f.Result)}), nil
	case providers.Absent:
		return r.absent(ctx)
	default: // Unclear: nothing was learned
		return r.unclear(f.Outcome)
	}
}

// notOurs reports whether an order found at the provider cannot be ours: the last request was
// refused, and those before it, if any, certainly had no effect.
func (r *run) notOurs() bool {
	return r.Rec.Rejection.Code != "" && r.Rec.DoubtAt.IsZero()
}

// absent acts on the provider's answer that it does not know the order.
func (r *run) absent(ctx context.Context) (handler.Result, error) {
	rejection := r.Rec.Rejection
	if rejection.Code == "" {
		return r.sendAgain(ctx)
	}
	exists := rejection.Code == string(order.CodeNumberExists)
	if exists || !r.Rec.DoubtAt.IsZero() {
		// The last request was refused, but an earlier one may still be on its way.
		if wait, ok, err := r.unsettled("refused, and waiting until no earlier request can arrive any more"); ok || err != nil {
			return wait, err
		}
	}
	if exists {
		return handler.Review(order.CodeNumberExists, fmt.Sprintf(
			"the provider refuses this order because it has its number (%s), and does not find it when asked; ask the provider", rejection.Message)), nil
	}
	return handler.Fail(rejection), nil
}

// sendAgain sends an order that the provider does not know. That cannot issue twice: the provider takes a
// number once. But it has to end somewhere.
func (r *run) sendAgain(ctx context.Context) (handler.Result, error) {
	now, err := r.Ledger.Time(ctx)
	if err != nil {
		return handler.GoOn(), err
	}
	if handler.InVain(r.Rec.Doubts, now, r.Rec.DoubtSince, r.GiveUp) {
		return handler.Review(order.CodeInDoubt, fmt.Sprintf(
			"sent %d times in %s, never with a clear answer, and the provider does not know it when asked; ask the provider", r.Rec.Doubts, r.GiveUp)), nil
	}
	stub, invalid := r.Recheck()
	if invalid == nil {
		return r.send(ctx, stub)
	}
	// It must not be sent again, because its date has passed. An earlier request may have taken effect, or
	// may still, so it is no failure, and nobody is asked too early.
	if wait, ok, err := r.unsettled("in doubt, and waiting until no earlier request can arrive any more"); ok || err != nil {
		return wait, err
	}
	return handler.Review(order.CodeInvalidDocument,
		"the document no longer keeps the rules, so it is not sent again; an earlier request got no clear answer, look the order up: "+invalid.Error()), nil
}

// unsettled waits as long as an earlier request can still arrive at the provider; ok is false when none can.
func (r *run) unsettled(text string) (wait handler.Result, ok bool, err error) {
	now, since, err := r.sentSince()
	if err != nil {
		return wait, false, err
	}
	settled := since.Add(r.Provider.Traits().SettleAfter)
	if !now.Before(settled) {
		return wait, false, nil
	}
	return handler.WaitFor(settled.Sub(now), ledger.Reason{}, text).Until(settled), true, nil
}

// sentSince is the time, and the last moment at which a request of this order that is not settled
// can have left.
func (r *run) sentSince() (now, since time.Time, err error) {
	ctx, cancel := handler.Recording()
	defer cancel()
	if !r.Rec.DoubtAt.IsZero() {
		now, err = r.Ledger.Time(ctx)
		return now, r.Rec.DoubtAt, err
	}
	rec, now, err := r.Ledger.LoadNow(ctx, r.Ref)
	if err != nil {
		return now, since, err
	}
	return now, rec.SentAt, nil
}

// unclear waits after a look-up that learned nothing, and leaves the order to a person in the end.
func (r *run) unclear(out providers.Outcome) (handler.Result, error) {
	r.Alarm(out)
	now, since, err := r.sentSince()
	if err != nil {
		return handler.GoOn(), err
	}
	if !r.Rec.DoubtSince.IsZero() {
		since = r.Rec.DoubtSince
	}
	// A question that never left is no reason to give up, however long the workers were away.
	if !out.Unasked() && handler.Old(now, since, r.GiveUp) {
		return handler.Review(order.CodeInDoubt, fmt.Sprintf(
			"whether the provider took this order could not be found out in %s (last: %s); ask the provider", r.GiveUp, handler.Text(out))), nil
	}
	wait := out.RetryAfter
	if wait <= 0 {
		wait = handler.AskAgain(now.Sub(since), r.LookAfter)
	}
	return handler.WaitFor(wait, handler.Reason(out), "in doubt, and the look-up learned nothing: "+handler.Text(out)), nil
}
