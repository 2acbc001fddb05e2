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
	switch {
	case f.Found(), handler.Contradicts(f):
		return r.found(ctx, f)
	case f.State == providers.Absent:
		return r.absent(ctx, f)
	default: // Unclear: nothing was learned
		return r.unclear(f.Outcome)
	}
}

// found acts on an order that the provider has under our number, once it is recognised.
func (r *run) found(ctx context.Context, f providers.Finding) (handler.Result, error) {
	id, why, out := handler.Identify(ctx, r.Provider, r.Order, &f, r.Rec.FirstSentAt)
	if out.Kind != providers.Done {
		return r.unrecognised(out)
	}
	r.Log.Info("compared with what was sent", "identity", int(id), "why", why)
	switch rejected := r.onlyRejected(); {
	case id == handler.Taken:
		return taken(why), nil
	case id == handler.Unproven && rejected && f.State == providers.FoundPending:
		// A copy of our request may have taken effect, or the order is another's: once issued, it shows.
		return r.unrecognised(providers.Outcome{Kind: providers.Unknown, Code: string(order.CodeNumberExists),
			Message: "the provider has an order under this number and does not show yet whose it is"})
	case id == handler.Unproven && rejected && f.State == providers.FoundFailed:
		// Ours or another's: nothing was issued under the number, and it can be used no more.
	case id == handler.Unproven && rejected:
		return taken("the only request for it was rejected (" + r.Rec.Rejection.Code + ")"), nil
	case id == handler.Ours:
		r.SawLag(ctx, r.Rec.SentAt, r.Rec.AbsentLast)
	}
	// A list that lacks tickets may lag, or be another's that was made after our first request: the poller sees which.
	unproven := id == handler.Unproven || handler.TooFew(f) || handler.Fewer(f)
	switch f.State {
	case providers.FoundIssued:
		if need, _ := r.Provider.NeedsTickets(r.Order); need || handler.Fewer(f) {
			return r.accepted(&providers.Result{Ref: refOf(f.Result)}, 0, found{state: f.State, unproven: unproven})
		}
		return r.issued(f.Result, f.State)
	case providers.FoundPending:
		return r.accepted(f.Result, FollowSchedule, found{state: f.State, unproven: unproven})
	default:
		return r.failed(f, unproven)
	}
}

// unrecognised waits after a look-up that found an order under the number and did not show whose it is. That it is there is
// remembered, because it does not vanish.
func (r *run) unrecognised(out providers.Outcome) (handler.Result, error) {
	res, err := r.unclear(out)
	if res.IsWait() {
		res = res.As(ledger.Unrecognised)
	}
	return res, err
}

// hidden is the outcome of an answer that does not know an order which another answer has shown.
var hidden = providers.Outcome{Kind: providers.Unknown, Code: string(order.CodeListLags),
	Message: "the provider has shown an order under this number, and does not know it in its latest answer"}

// failed leaves an order to the poller that the provider could not issue: a second look has to say the same. This one counts
// as the first.
func (r *run) failed(f providers.Finding, unproven bool) (handler.Result, error) {
	rec, cancel := r.Recording()
	defer cancel()
	lag, err := r.Lag(rec)
	if err != nil {
		return handler.GoOn(), err
	}
	why, _ := handler.WhyFailed(f)
	if err := r.accept(nil, found{f.State, unproven, why}); err != nil {
		return handler.GoOn(), err
	}
	return handler.Recorded(func(context.Context) error { return r.follow(lag + time.Second) }), nil // the queue may be a second early
}

// onlyRejected reports whether the last request was rejected, and those before it, if any, certainly had no
// effect.
func (r *run) onlyRejected() bool {
	return r.Rec.Rejection.Code != "" && r.Rec.DoubtAt.IsZero()
}

// absent acts on the provider's answer that it does not know the order. One such answer is not enough for an
// end: the provider may be behind itself, or a copy of the request on its way.
func (r *run) absent(ctx context.Context, f providers.Finding) (handler.Result, error) {
	if r.Rec.Unproven {
		return r.unclear(hidden)
	}
	rejection := r.Rec.Rejection
	if rejection.Code == "" {
		return r.sendAgain(ctx)
	}
	now, since, err := r.sentSince()
	if err != nil {
		return handler.GoOn(), err
	}
	if refusal(rejection) && !handler.InVain(r.Rec.Doubts, now, r.Rec.DoubtSince, r.GiveUp) {
		return r.repeat(ctx, now)
	}
	lag, err := r.Lag(ctx)
	if err != nil {
		return handler.GoOn(), err
	}
	settled := now.Add(lag) // when a look may be the last one: after the first one
	if first := r.Rec.AbsentAt; !first.IsZero() {
		settled = first.Add(lag)
	}
	exists := rejection.Code == string(order.CodeNumberExists)
	if arrives := since.Add(r.Provider.Traits().SettleAfter); (exists || !r.Rec.DoubtAt.IsZero()) && arrives.After(settled) {
		settled = arrives
	}
	if r.unseen(now, since) {
		settled = now.Add(atLeast)
	}
	if now.Before(settled) || r.Rec.AbsentAt.IsZero() {
		return r.lookLater(now, since, settled, "rejected, and looked up until no earlier request can arrive any more"), nil
	}
	if exists {
		return handler.Review(order.CodeNumberExists, fmt.Sprintf(
			"the provider refuses this order because it has its number (%s), and does not find it when asked; ask the provider", rejection.Message)), nil
	}
	return r.rejectedForGood(ctx, f, now, since)
}

// unseen reports whether nobody has looked for so long before this look that the order may have appeared meanwhile: an old
// answer to this one would hide that. The longer it is since the order was sent, the rarer looks are.
func (r *run) unseen(now, since time.Time) bool {
	return !r.Rec.AbsentLast.IsZero() && now.Sub(r.Rec.AbsentLast) > max(2*atLeast, now.Sub(since)/2)
}

// rejectedForGood ends an order whose rejection stands, unless the provider does not answer about orders at
// present: where its codes do not say so, it has to find an order that it certainly has, and to answer about a number
// that does not exist as it did about this one. An account without such an order has to wait for as long as a request can
// take.
func (r *run) rejectedForGood(ctx context.Context, f providers.Finding, now, since time.Time) (handler.Result, error) {
	if !f.Assumed {
		return handler.Fail(r.Rec.Rejection), nil
	}
	c, err := r.Control(ctx, r.Log, r.RejectedBeside() > 0)
	if err != nil {
		return handler.GoOn(), err
	}
	settled := r.Rec.AbsentAt.Add(r.Provider.Traits().SettleAfter)
	switch {
	case (c.OK && c.Found || !c.OK && r.Rec.DoubtAt.IsZero() && !now.Before(settled)) && c.Means(f):
		return handler.Fail(r.Rec.Rejection), nil
	case handler.Old(now, since, r.GiveUp):
		return handler.Review(order.CodeInDoubt, fmt.Sprintf("rejected (%s), and for %s the provider did not find orders that it has, or there was none to ask for; ask the provider",
			r.Rec.Rejection.Code, r.GiveUp)), nil
	}
	return r.lookLater(now, since, settled, "rejected, and the provider's answers do not say that it does not know the order"), nil
}

// atLeast is how often an order is looked at that may appear at any moment.
const atLeast = 30 * time.Second

// lookLater looks again, ever more rarely, and at the latest when the matter is settled.
func (r *run) lookLater(now, since, settled time.Time, text string) handler.Result {
	age := now.Sub(since)
	wait, most := handler.AskAgain(age, r.LookAfter), atLeast
	// Most of a crowd are rejected indeed, and the looks before the last one only find sooner what was not. All of them together
	// are looked at about once a second; each often enough not to be unseen.
	if apart := time.Duration(r.RejectedBeside()) * time.Second; apart > 0 {
		wait, most = max(wait, apart), max(most, age/2)
	}
	if left := settled.Sub(now); left > 0 {
		wait = min(wait, left, most)
	}
	why := ledger.Reason{}
	if r.Rec.Rejection.Code != "" && r.Rec.Reason != r.Rec.Rejection { // an answer that was of no use in between is not the last result
		why = r.Rec.Rejection
	}
	w := handler.WaitFor(wait, why, text).As(ledger.Absent)
	if now.Before(settled) {
		w = w.Until(settled)
	}
	return w
}

// sendAgain sends an order that the provider does not know. That cannot issue twice: the provider takes a
// number once. But it has to end somewhere.
func (r *run) sendAgain(ctx context.Context) (handler.Result, error) {
	now, err := r.Ledger.Time(ctx)
	if err != nil {
		return handler.GoOn(), err
	}
	if r.Rec.Bans >= handler.MaxBans {
		return handler.DrawsBan(r.Rec.Bans), nil
	}
	if handler.InVain(r.Rec.Doubts, now, r.Rec.DoubtSince, r.GiveUp) {
		return handler.Review(order.CodeInDoubt, fmt.Sprintf(
			"sent %d times in %s, never with a clear answer, and the provider does not know it when asked; ask the provider", r.Rec.Doubts, r.GiveUp)), nil
	}
	invalid := r.Recheck()
	if invalid == nil {
		return r.send(ctx)
	}
	// It must not be sent again, because its date has passed. An earlier request may have taken effect, or
	// may still, so it is no failure, and review does not come too early.
	_, since, err := r.sentSince()
	if err != nil {
		return handler.GoOn(), err
	}
	if settled := since.Add(r.Provider.Traits().SettleAfter); now.Before(settled) {
		return r.lookLater(now, since, settled, "in doubt, and looked up until no earlier request can arrive any more"), nil
	}
	return handler.Review(order.CodeInvalidDocument,
		"the document no longer keeps the rules, so it is not sent again; an earlier request got no clear answer, look the order up: "+invalid.Error()), nil
}

// sentSince is the time, and the last moment at which a request of this order that is not settled
// can have left.
func (r *run) sentSince() (now, since time.Time, err error) {
	ctx, cancel := r.Recording()
	defer cancel()
	now, err = r.Ledger.Time(ctx)
	if !r.Rec.DoubtAt.IsZero() {
		return now, r.Rec.DoubtAt, err
	}
	return now, r.Rec.SentAt, err
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
	text := "in doubt, and the look-up learned nothing: "
	if out.Kind == providers.NotSent || out.Kind == providers.Held && out.RetryAfter > 0 {
		return handler.WaitFor(handler.Later(out, 0), handler.Reason(out), text+handler.Text(out)), nil
	}
	// The longer there have been no useful answers, the later: an old order need not wait for long after
	// the first of them.
	wait := r.LookAfter
	if !r.Rec.UnclearSince.IsZero() {
		wait = handler.AskAgain(now.Sub(r.Rec.UnclearSince), r.LookAfter)
	}
	return handler.WaitFor(max(wait, out.RetryAfter), handler.Reason(out), text+handler.Text(out)).As(ledger.Unclear), nil
}
