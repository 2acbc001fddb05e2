package refunding

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"time"

	"issuance/internal/handler"
	"issuance/internal/ledger"
	"issuance/internal/seal"
	"issuance/internal/vault"
	"issuance/providers"
	"issuance/tasks/order"
)

// sealTotal is the plan of a refund by number: how many tickets the provider listed before.
func (r *run) sealTotal(b providers.Baseline) (seal.Sealed, error) {
	return vault.SealPlan(r.Ring, r.Ref, []string{strconv.Itoa(b.Total)})
}

func (r *run) openTotal() (int, error) {
	plan, err := vault.OpenPlan(r.Ring, r.Ref, r.Rec.Plan)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", errPlan, err)
	}
	if len(plan) != 1 {
		return 0, errPlan
	}
	total, err := strconv.Atoi(plan[0])
	if err != nil {
		return 0, errPlan
	}
	return total, nil
}

// prove finds out whether a request in doubt took effect.
func (s byCount) prove(ctx context.Context, r *run) (handler.Result, error) {
	now, err := r.Ledger.Time(ctx)
	if err != nil {
		return handler.GoOn(), err
	}
	if r.Rec.Baseline < 0 {
		return s.proveWithoutBaseline(ctx, r, now)
	}
	total, err := r.openTotal()
	if err != nil {
		return r.unopened(err)
	}
	base, out := s.provider.RefundBaseline(ctx, r.Order)
	r.Log.Info("compared with the baseline", "outcome", string(out.Kind), "code", out.Code,
		"refunded_before", r.Rec.Baseline, "refunded_now", base.Refunded, "quantity", r.Rec.Count)
	if out.Kind != providers.Done || !base.Provable {
		return r.nothingLearned(now, out), nil
	}
	others, err := r.others(ctx)
	if err != nil {
		return r.unopened(err)
	}
	c := r.compare(base, total, others)
	switch certain := c.sameTickets && c.since.doubtful == ""; {
	case certain && c.shown:
		if r.Rec.Confirmed {
			r.SawLag(ctx, r.Rec.DoubtAt, r.Rec.AbsentLast)
		}
		return r.end(order.Refunded, ledger.Reason{}, r.Rec.Count), nil
	case certain && c.delta+base.Refundable < r.Rec.Count:
		return s.tooFew(ctx, r, base)
	case now.Before(c.settled):
		return r.unsettled(now, c.settled), nil
	}
	if res, err := r.firstLook(ctx, now, c.settled); err != nil || res.IsWait() {
		return res, err
	}
	if c.sameTickets && c.delta == 0 && r.Rec.Rejection.Code == "" {
		return s.resend(ctx, r, now)
	}
	return r.notShown(base, total, c), nil
}

// comparison is what a list says beside the count that was taken before a refund.
type comparison struct {
	sameTickets bool      // it lists as many tickets
	since       meanwhile // what the order's other refunds did
	delta       int       // tickets refunded since, and by none of those
	shown       bool      // they are what this refund was to do
	settled     time.Time // when no request can arrive any more
}

func (r *run) compare(base providers.Baseline, total int, others others) comparison {
	c := comparison{since: others.since(r.Rec.BaselineAt)}
	if r.Rec.Confirmed {
		// It was sent when no other one could arrive any more, and what had arrived was counted.
		c.since.doubtful = others.since(r.Rec.SentAt).doubtful
	}
	// A list that left refunded tickets out would make a refund look as if it had not happened. So
	// would one that does not show yet what the order's other refunds did.
	c.sameTickets = base.Total == total
	c.settled = later(r.lastRequest(), c.since.last).Add(r.Provider.Traits().SettleAfter)
	// Of one request that was confirmed, more than its own tickets are somebody else's.
	once := r.Rec.Confirmed && r.Rec.Attempts-r.Rec.Unsent == 1
	c.delta = base.Refunded - r.Rec.Baseline - c.since.refunded
	ours := r.Rec.Count + r.strangers(base, c.since.refunded) + r.latecomers(base, c.settled)
	c.shown = c.delta == ours || once && c.delta > ours
	return c
}

// notShown ends a refund whose effect is not shown, though no request can arrive any more, and which is not to be sent again.
func (r *run) notShown(base providers.Baseline, total int, c comparison) handler.Result {
	switch {
	case c.since.doubtful != "" && c.delta != 0: // refunds only ever add up, so a total of none is certain
		return handler.Review(order.CodeUnexplained, fmt.Sprintf("%s should have been refunded, and the provider shows %d more than before; "+
			"refund %s of the order may have refunded some of them", handler.Tickets(r.Rec.Count), base.Refunded-r.Rec.Baseline, c.since.doubtful))
	case !c.sameTickets:
		return handler.Review(order.CodeOtherTickets, fmt.Sprintf(
			"the provider listed %d tickets before the refund and lists %d now, so what it refunded cannot be proven; ask the provider", total, base.Total))
	case c.delta == 0:
		return handler.Fail(r.Rec.Rejection)
	default:
		return handler.Review(order.CodeUnexplained, fmt.Sprintf(
			"%s should have been refunded, and the provider shows %d more than before; somebody else may have refunded too", handler.Tickets(r.Rec.Count), c.delta))
	}
}

// strangers is how many tickets were refunded before this refund was first sent, and by none that is recorded here: the
// provider did not show them yet when it was planned. A confirmed request's own tickets are not looked at so closely.
func (r *run) strangers(b providers.Baseline, ours int) int {
	if r.Rec.Confirmed || r.Rec.FirstSentAt.IsZero() {
		return 0
	}
	before := 0
	for _, at := range b.RefundedAt {
		if when, _ := handler.Compare(r.Provider, at, time.Second, r.Rec.FirstSentAt); when != handler.Since {
			before++
		}
	}
	return max(before-r.Rec.Baseline-ours, 0)
}

// latecomers is how many tickets were refunded when no request of this refund could arrive any more. What was refunded before
// may show late, so only those count that a look of ours at that time did not show, and that the provider dates so.
func (r *run) latecomers(b providers.Baseline, settled time.Time) (n int) {
	if r.Rec.AbsentLast.Before(settled) {
		return 0
	}
	for _, at := range b.RefundedAt {
		if handler.After(r.Provider, at, settled) {
			n++
		}
	}
	return n
}

// lastRequest is when the last request whose effect is looked for can have left.
func (r *run) lastRequest() time.Time {
	if r.Rec.Rejection.Code != "" {
		return later(r.Rec.DoubtAt, r.Rec.SentAt)
	}
	return r.Rec.DoubtAt
}

// tooFew acts on a list on which what was refunded since, and what can be, is less than was asked for. That only ever becomes
// less, also if the list is an old one: no request had an effect, or can have one. What asks for all that is left is planned anew.
func (s byCount) tooFew(ctx context.Context, r *run, base providers.Baseline) (handler.Result, error) {
	if r.doc == nil || !r.doc.Wish.All {
		text := fmt.Sprintf("%d tickets to refund, only %d can be", r.Rec.Count, base.Refundable)
		return handler.Fail(ledger.Reason{Code: cmp.Or(r.Rec.Rejection.Code, string(order.CodeNotEnough)), Message: cmp.Or(r.Rec.Rejection.Message, text)}), nil
	}
	rec, cancel := r.Recording()
	defer cancel()
	a, err := r.Ledger.WithoutEffect(rec, r.Ref, r.Rec.Fence)
	if err != nil || !a.Applied {
		return handler.GoOn(), r.Written("without_effect", a, err)
	}
	r.Rec.DoubtAt, r.Rec.DoubtSince, r.Rec.Doubts, r.Rec.Rejection, r.Rec.Confirmed, r.Rec.Unsent = time.Time{}, time.Time{}, 0, ledger.Reason{}, false, r.Rec.Attempts
	if res, err := s.plan(ctx, r); err != nil || res.Ends() {
		return res, err
	}
	return s.send(ctx, r)
}

// firstLook waits with what follows from a look that does not prove a request in doubt, made when that cannot arrive any
// more: its answer may be an old one, and the request may have arrived since the looks before. So there is a second one,
// later by the lag. GoOn means that this is it.
func (r *run) firstLook(ctx context.Context, now, settled time.Time) (handler.Result, error) {
	lag, err := r.Lag(ctx)
	if err != nil {
		return handler.GoOn(), err
	}
	why := ledger.Reason{Code: string(order.CodeInDoubt), Message: "the effect of the request does not show, and is looked for once more"}
	second := r.Rec.AbsentLast.Add(lag)
	switch {
	case r.Rec.AbsentLast.Before(settled):
		return handler.WaitFor(lag, why, why.Message).As(ledger.Absent).Until(now.Add(lag)), nil
	case now.Before(second): // it came too soon, and does not put the second look off
		return handler.WaitFor(second.Sub(now), why, why.Message).Until(second), nil
	}
	return handler.GoOn(), nil
}

// nothingLearned waits after an answer that proves nothing.
func (r *run) nothingLearned(now time.Time, out providers.Outcome) handler.Result {
	r.Alarm(out)
	if !out.Unasked() && r.tooLong(now, r.doubtSince()) {
		return handler.Review(order.CodeInDoubt, fmt.Sprintf("whether the refund took effect could not be found out in %s; ask the provider", r.GiveUp))
	}
	if out.Kind == providers.Done {
		out = providers.Outcome{Kind: providers.Unknown, Code: listUnclear.Code, Message: listUnclear.Message}
	}
	return r.askLater(now, later(r.Rec.DoubtAt, r.Rec.SentAt), out, "in doubt, and the look-up learned nothing: ")
}

// resend sends again what may be sent again, unless nothing has come of that for too long.
func (s byCount) resend(ctx context.Context, r *run, now time.Time) (handler.Result, error) {
	if r.inVain(now, r.doubtSince(), r.Rec.Doubts) {
		return handler.Review(order.CodeInDoubt, fmt.Sprintf("it was sent %d times, the last time at %s, and none of them got a clear answer in %s; ask the provider",
			r.Rec.Attempts-r.Rec.Unsent, handler.Moment(r.Rec.SentAt), r.GiveUp)), nil
	}
	return s.send(ctx, r)
}

// doubtSince is when the doubt began.
func (r *run) doubtSince() time.Time {
	if r.Rec.DoubtSince.IsZero() {
		return r.Rec.DoubtAt
	}
	return r.Rec.DoubtSince
}

// atLeast is how often the provider is asked while what it has answered, or was asked to do, may appear at any moment.
const atLeast = 30 * time.Second

// unsettled waits until the request in doubt has arrived or cannot arrive any more.
func (r *run) unsettled(now, settled time.Time) handler.Result {
	why := ledger.Reason{Code: string(order.CodeInDoubt), Message: "the request may still arrive at the provider"}
	if r.Rec.Confirmed {
		why = ledger.Reason{Code: string(order.CodeListLags), Message: listBehind}
	}
	often := atLeast
	if r.Rec.DoubtAt.IsZero() { // most rejections had no effect
		often = settled.Sub(now)
	}
	wait := min(settled.Sub(now), handler.AskAgain(now.Sub(later(r.Rec.DoubtAt, r.Rec.SentAt)), r.LookAfter), often)
	return handler.WaitFor(wait, why, "in doubt: "+why.Message).As(ledger.Absent).Until(settled)
}

// proveWithoutBaseline handles orders whose refunds the provider does not show. If everything that
// was left was asked for, asking again cannot refund too much, and a confirmation proves that it is refunded
// now. A rejection proves nothing: "not enough left" is also what the provider answers for tickets that were
// redeemed, which it does not show either. That, and anything else, needs review, which comes when the
// request cannot arrive any more: what is looked up earlier may be untrue a minute later.
func (s byCount) proveWithoutBaseline(ctx context.Context, r *run, now time.Time) (handler.Result, error) {
	settled := r.lastRequest().Add(r.Provider.Traits().SettleAfter)
	if r.Rec.Rejection.Code != "" {
		if now.Before(settled) {
			return r.unsettled(now, settled), nil
		}
		return r.rejectedUnshown(), nil
	}
	others, err := r.others(ctx)
	if err != nil {
		return handler.GoOn(), err
	}
	if q := r.quantity(); q > 0 && !others.open && r.Rec.Count == q-others.refunded {
		return s.resend(ctx, r, now)
	}
	if now.Before(settled) {
		return r.unsettled(now, settled), nil
	}
	return handler.Review(order.CodeUnprovable, fmt.Sprintf(
		"a request to refund %s got no clear answer, and the provider does not show which tickets of this order are refunded; ask the provider", handler.Tickets(r.Rec.Count))), nil
}

// rejectedUnshown leaves a rejected refund to review. Asking again would be rejected again, and the rejection says nothing of a
// copy of its request, or of the request before it.
func (r *run) rejectedUnshown() handler.Result {
	if r.Rec.DoubtAt.IsZero() {
		return handler.Review(order.CodeUnprovable, fmt.Sprintf("the request to refund %s was rejected (%s), which may hide that a copy of it took effect, "+
			"and the provider does not show which tickets of this order are refunded; ask the provider", handler.Tickets(r.Rec.Count), r.Rec.Rejection.Code))
	}
	return handler.Review(order.CodeUnprovable, fmt.Sprintf("a request to refund %s got no clear answer, the next one was rejected (%s), "+
		"and the provider does not show which tickets of this order are refunded; ask the provider", handler.Tickets(r.Rec.Count), r.Rec.Rejection.Code))
}
