package refund

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"issuance/internal/handling"
	"issuance/internal/ledger"
	"issuance/providers"
	"issuance/tasks"
)

// byCount refunds a number of tickets in one call. The provider picks them and knows no refund id,
// so the number of refunded tickets before and after is the only proof, and a request in doubt is
// never simply sent again.
func (r *run) byCount(ctx context.Context) error {
	if r.claim.Verdict == ledger.MustLookUp {
		return r.prove(ctx)
	}
	if done, err := r.planCount(ctx); done || err != nil {
		return err
	}
	return r.sendCount(ctx)
}

// planCount writes how many tickets are to be refunded and how many are refunded already. done
// means that the run is over.
func (r *run) planCount(ctx context.Context) (done bool, err error) {
	want, all, err := tasks.RefundQuantity(r.key.Provider, r.request)
	if err != nil {
		return true, r.review("invalid_document", "the refund's document cannot be read; nothing was sent")
	}
	others, err := r.others(ctx)
	if err != nil {
		return true, r.unopened(err)
	}
	now, err := r.Ledger.Time(ctx)
	if err != nil {
		return true, err
	}
	if id, until := others.underWay(now, r.Provider.Traits().SettleAfter); id != "" {
		return true, r.yield(min(until.Sub(now), time.Minute), "other_refund_in_doubt",
			"refund "+id+" of the order is in doubt, and its request may still arrive; what it refunds could not be told from what this one refunds")
	}
	base, out := r.Count.RefundBaseline(ctx, r.order)
	if out.Kind == providers.Rejected {
		return true, r.finish(ledger.Failed, out.Code, out.Message, 0)
	}
	if out.Kind != providers.Done {
		return true, r.noAnswer(now, out)
	}
	if shown := base.Total > 0; shown && (!base.Provable || base.Refunded < others.floor) {
		return true, r.noBaseline(now, base, others)
	}
	baseline := -1
	left := r.quantity() - others.refunded // as far as the ledger knows
	if base.Provable {
		baseline, left = base.Refunded, base.Refundable
	}
	if all {
		if !base.Provable && r.quantity() == 0 {
			return true, r.finish(ledger.Failed, "quantity_unknown", "the provider does not tell how many tickets this order has left; give a quantity", 0)
		}
		want = left
	}
	switch known := base.Provable || r.quantity() > 0; {
	case known && left <= 0:
		return true, r.finish(ledger.Failed, "nothing_refundable", "no ticket of the order can be refunded any more", 0)
	case known && want > left:
		return true, r.finish(ledger.Failed, "not_enough_refundable", fmt.Sprintf("%d tickets to refund, only %d can be", want, left), 0)
	}
	plan, err := r.sealTotal(base)
	if err != nil {
		return true, err
	}
	a, err := r.Ledger.WritePlan(ctx, r.key, r.claim.Fence, ledger.Plan{Sealed: plan, Count: want, Baseline: baseline})
	if err != nil || !a.Applied {
		return true, r.recorded("plan", a, err)
	}
	r.rec.Planned, r.rec.Plan, r.rec.Count, r.rec.Baseline = true, plan, want, baseline
	return false, nil
}

// noBaseline waits for a list that can be counted on. One that lags behind would make an earlier
// refund's tickets look like this one's, and one that shows too few tickets, or tickets in a status
// nobody knows, would leave this one without proof.
func (r *run) noBaseline(now time.Time, base providers.Baseline, o others) error {
	switch late := r.tooLong(now, r.rec.UnclearSince); {
	case !base.Provable && late:
		return r.listNeverClear()
	case !base.Provable:
		return r.yieldUnclear(now, 0, listUnclear)
	case late:
		return r.review("refunds_not_shown", fmt.Sprintf("at least %d tickets of the order were refunded before, and the provider has shown %d for %s; "+
			"nothing of this refund was sent", o.floor, base.Refunded, r.GiveUp))
	default:
		return r.yieldUnclear(now, 0, ledger.Reason{Code: "refunds_not_shown",
			Message: fmt.Sprintf("at least %d tickets of the order were refunded before, and the provider shows %d so far", o.floor, base.Refunded)})
	}
}

func (r *run) sendCount(ctx context.Context) error {
	paid, w := r.prepay(ctx)
	if w != nil {
		return r.idle(w.after, w.why, w.why.Message)
	}
	a, attempt, err := r.Ledger.SubmitRefund(ctx, r.key, r.claim.Fence, r.Lease)
	if err != nil {
		// The intent may stand all the same (too few replicas have it), but nothing was sent.
		rec, cancel := handling.Recording()
		defer cancel()
		_, _ = r.Ledger.RefundNotSent(rec, r.key, r.claim.Fence, ledger.Reason{})
	}
	if err != nil || !a.Applied {
		return r.recorded("submit", a, err)
	}
	r.claim.Attempts = attempt
	out := r.Count.RefundCount(paid, r.order, r.rec.Count)
	r.log.Info("refund answered", "attempt", attempt, "outcome", string(out.Kind), "code", out.Code, "quantity", r.rec.Count)
	return r.settleCount(ctx, out)
}

// settleCount records the answer to a request.
func (r *run) settleCount(ctx context.Context, out providers.Outcome) error {
	why := ledger.Reason{Code: out.Code, Message: out.Message}
	rec, cancel := handling.Recording()
	defer cancel()
	switch {
	case out.Kind == providers.Done:
		return r.finish(ledger.Refunded, "", "", r.rec.Count)
	case out.Kind == providers.Rejected && r.claim.DoubtAt.IsZero():
		return r.finish(ledger.Failed, why.Code, why.Message, 0)
	case out.Kind == providers.Rejected:
		if a, err := r.Ledger.RefundRejected(rec, r.key, r.claim.Fence, why); err != nil || !a.Applied {
			return r.recorded("rejected", a, err)
		}
		r.claim.RejectedCode, r.claim.RejectedMessage = cmp.Or(why.Code, "rejected"), why.Message
		return r.prove(ctx)
	case out.Unasked():
		a, err := r.Ledger.RefundNotSent(rec, r.key, r.claim.Fence, why)
		if err != nil || !a.Applied {
			return r.recorded("not_sent", a, err)
		}
		return tasks.Wait(r.wait(out), "not sent: "+out.Code)
	default: // Unknown
		a, err := r.Ledger.RefundUnknown(rec, r.key, r.claim.Fence, why)
		if err != nil || !a.Applied {
			return r.recorded("unknown", a, err)
		}
		r.log.Warn("the refund may have taken effect; that is proven before anything is sent again", "code", out.Code)
		return tasks.Wait(max(out.RetryAfter, r.lookAfter()), "in doubt: "+out.Code)
	}
}
