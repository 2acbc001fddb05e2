package refunding

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"issuance/internal/handler"
	"issuance/internal/ledger"
	"issuance/providers"
	"issuance/tasks/order"
)

// byCount refunds a number of tickets in one call. The provider picks them and knows no refund id,
// so the number of refunded tickets before and after is the only proof, also of a confirmation, which may be an
// earlier one's. A request in doubt is never simply sent again.
type byCount struct{ provider providers.CountRefunder }

func (s byCount) refund(ctx context.Context, r *run) (handler.Result, error) {
	if r.Claim.Verdict == ledger.MustLookUp {
		return s.prove(ctx, r)
	}
	if res, err := s.plan(ctx, r); err != nil || res.Ends() {
		return res, err
	}
	return s.send(ctx, r)
}

// plan writes how many tickets are to be refunded and how many are refunded already.
func (s byCount) plan(ctx context.Context, r *run) (handler.Result, error) {
	if r.doc == nil {
		return r.invalidDocument(), nil
	}
	others, err := r.others(ctx)
	if err != nil {
		return r.unopened(err)
	}
	now, err := r.Ledger.Time(ctx)
	if err != nil {
		return handler.GoOn(), err
	}
	if id, until := others.underWay(now, r.Provider.Traits().SettleAfter); id != "" {
		return r.yield(min(until.Sub(now), time.Minute), order.CodeOtherRefund,
			"refund "+id+" of the order is in doubt, and its request may still arrive; what it refunds could not be distinguished from what this one refunds").Until(until), nil
	}
	base, out := s.provider.RefundBaseline(ctx, r.Order)
	if out.Kind == providers.Rejected {
		return r.noList(ctx, out) // the order is issued, so the provider may only be behind itself
	}
	if out.Kind != providers.Done {
		return r.noAnswer(now, out), nil
	}
	if shown := base.Total > 0; shown && (!base.Provable || base.Refunded < others.floor) {
		return r.noBaseline(now, base, others), nil
	}
	want, refusal := r.wanted(base, others)
	if refusal.Ends() {
		return refusal, nil
	}
	if res := r.unrecorded(base.Refunded, others.explainedCount(base.Refunded)); res.Ends() {
		return res, nil
	}
	baseline := -1
	if base.Provable {
		baseline = base.Refunded
	}
	plan, err := r.sealTotal(base)
	if err != nil {
		return handler.GoOn(), err
	}
	a, err := r.Ledger.WritePlan(ctx, r.Ref, r.Rec.Fence, ledger.Plan{Sealed: plan, Count: want, Baseline: baseline})
	if err != nil || !a.Applied {
		return handler.GoOn(), r.Written("plan", a, err)
	}
	r.Rec.Planned, r.Rec.Plan, r.Rec.Count, r.Rec.Baseline, r.Rec.BaselineAt = true, plan, want, baseline, a.At
	return handler.GoOn(), nil
}

// wanted is how many tickets to refund, or why there is nothing to.
func (r *run) wanted(base providers.Baseline, o others) (int, handler.Result) {
	want, ordered := r.doc.Wish.Quantity, r.quantity()
	left := ordered - o.refunded // as far as the ledger knows
	if base.Provable {
		left = base.Refundable
	}
	known := base.Provable || ordered > 0
	if r.doc.Wish.All {
		if !known {
			return 0, r.fail(order.CodeQuantityUnknown, "the provider does not say how many tickets this order has left; give a quantity")
		}
		want = left
	}
	switch {
	case known && left <= 0:
		return 0, r.fail(order.CodeNothingRefundable, "no ticket of the order can be refunded any more")
	case known && want > left:
		return 0, r.fail(order.CodeNotEnough, fmt.Sprintf("%d tickets to refund, only %d can be", want, left))
	}
	return want, handler.GoOn()
}

// noBaseline waits for a list that can be counted on. One that lags behind would make an earlier
// refund's tickets look like this one's, and one that shows too few tickets, or tickets in an unknown
// status, would leave this one without proof.
func (r *run) noBaseline(now time.Time, base providers.Baseline, o others) handler.Result {
	switch late := r.tooLong(now, r.Rec.UnclearSince); {
	case !base.Provable && late:
		return r.listNeverClear()
	case !base.Provable:
		return r.yieldUnclear(now, 0, listUnclear)
	case late:
		return handler.Review(order.CodeRefundsNotShown, fmt.Sprintf("at least %d tickets of the order were refunded before, and the provider has shown %d for %s; "+
			"nothing of this refund was sent", o.floor, base.Refunded, r.GiveUp))
	default:
		return r.yieldUnclear(now, 0, ledger.Reason{Code: string(order.CodeRefundsNotShown),
			Message: fmt.Sprintf("at least %d tickets of the order were refunded before, and the provider shows %d so far", o.floor, base.Refunded)})
	}
}

// confirm looks for the effect of a request that the provider has confirmed.
func (s byCount) confirm(ctx context.Context, r *run) (handler.Result, error) {
	rec, cancel := r.Recording()
	defer cancel()
	a, err := r.Ledger.Confirmed(rec, r.Ref, r.Rec.Fence, ledger.Reason{Code: string(order.CodeUnconfirmed)})
	if err != nil || !a.Applied {
		return handler.GoOn(), r.Written("confirmed", a, err)
	}
	r.Rec.Confirmed, r.Rec.DoubtAt, r.Rec.DoubtSince = true, a.At, later(r.Rec.DoubtSince, a.At)
	r.Rec.Doubts++
	return s.prove(ctx, r)
}

// send calls the provider once and settles the answer.
func (s byCount) send(ctx context.Context, r *run) (handler.Result, error) {
	refund, respells := s.spelling(r)
	out, stop, err := r.Send(ctx, handler.All, func(ctx context.Context) providers.Outcome {
		return refund(ctx, r.Order, r.Rec.Count)
	})
	if err != nil || stop.Ends() {
		return stop, err
	}
	if out.Kind == providers.Rejected && respells(out.Code) {
		out.Kind = providers.Unknown // the other spelling is another request, sent once this one is proven to have had no effect
	}
	why := handler.Reason(out)
	switch {
	case out.Kind == providers.Done && r.Rec.Baseline < 0:
		return r.end(order.Refunded, ledger.Reason{}, r.Rec.Count), nil // nothing can be shown of it
	case out.Kind == providers.Done:
		return s.confirm(ctx, r)
	case out.Kind == providers.Rejected && !out.MayHide && r.Rec.DoubtAt.IsZero() && r.Rec.Baseline < 0:
		return handler.Fail(why), nil // nothing can be shown of it
	case out.Kind == providers.Rejected:
		rec, cancel := r.Recording()
		defer cancel()
		if a, err := r.Ledger.Rejected(rec, r.Ref, r.Rec.Fence, why); err != nil || !a.Applied {
			return handler.GoOn(), r.Written("rejected", a, err)
		}
		r.Rec.Rejection = ledger.Reason{Code: cmp.Or(why.Code, string(order.CodeRejected)), Message: why.Message}
		return s.prove(ctx, r)
	case out.Unasked():
		return r.waitFor(out, "not sent: ").As(ledger.NotSent), nil
	default: // Unknown
		r.Log.Warn("the refund may have taken effect; that is proven before anything is sent again", "code", out.Code)
		return handler.WaitFor(max(out.RetryAfter, r.lookAfter()), why, "in doubt: "+handler.Text(out)).As(ledger.Unknown), nil
	}
}

// spelling is how the refund is sent, and whether a rejection is for that. Each refund tries the other spelling once, which its
// history remembers: should that line ever be dropped from a very long one, the first spelling is refused, and looked after, once more.
func (s byCount) spelling(r *run) (refund func(context.Context, providers.Order, int) providers.Outcome, respells func(code string) bool) {
	p, ok := s.provider.(providers.Respeller)
	if !ok {
		return s.provider.RefundCount, func(string) bool { return false }
	}
	if slices.ContainsFunc(r.Rec.History, func(h ledger.Step) bool { return h.Event == string(ledger.Unknown) && p.Respells(h.Detail) }) {
		return p.RefundCountRespelled, func(string) bool { return false }
	}
	return s.provider.RefundCount, p.Respells
}
