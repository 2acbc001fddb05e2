package refund

import (
	"context"
	"fmt"
	"time"

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
	base, out := r.Count.RefundBaseline(ctx, r.order)
	if out.Kind == providers.Rejected {
		return true, r.finish(ledger.Failed, out.Code, out.Message, 0)
	}
	if out.Kind != providers.Done {
		return true, r.idle(r.wait(out), ledger.Reason{Code: out.Code, Message: out.Message}, "asking how much is refunded already: "+out.Code)
	}
	others, err := r.others(ctx)
	if err != nil {
		return true, err
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
	plan, err := tasks.SealPlan(r.Ring, r.key, nil)
	if err != nil {
		return true, err
	}
	a, err := r.Ledger.WritePlan(ctx, r.key, r.claim.Fence, ledger.Plan{Sealed: plan, Count: want, Baseline: baseline})
	if err != nil || !a.Applied {
		return true, r.recorded("plan", a, err)
	}
	r.rec.Count, r.rec.Baseline = want, baseline
	return false, nil
}

func (r *run) sendCount(ctx context.Context) error {
	paid, w := r.prepay(ctx)
	if w != nil {
		return r.idle(w.after, w.why, w.why.Message)
	}
	a, attempt, err := r.Ledger.SubmitRefund(ctx, r.key, r.claim.Fence, r.Lease)
	if err != nil || !a.Applied {
		return r.recorded("submit", a, err)
	}
	r.claim.Attempts = attempt
	out := r.Count.RefundCount(paid, r.order, r.rec.Count)
	r.log.Info("refund answered", "attempt", attempt, "outcome", string(out.Kind), "code", out.Code, "quantity", r.rec.Count)
	why := ledger.Reason{Code: out.Code, Message: out.Message}
	rec, cancel := recording()
	defer cancel()
	switch {
	case out.Kind == providers.Done:
		return r.finish(ledger.Refunded, "", "", r.rec.Count)
	case out.Kind == providers.Rejected && r.claim.DoubtAt.IsZero():
		return r.finish(ledger.Failed, why.Code, why.Message, 0)
	case out.Kind == providers.Rejected:
		if out.Exhausted && r.rec.Baseline < 0 {
			// Everything that was left had been asked for before: the request in doubt took effect.
			return r.finish(ledger.Refunded, "", "", r.rec.Count)
		}
		if a, err := r.Ledger.RefundRejected(rec, r.key, r.claim.Fence, why); err != nil || !a.Applied {
			return r.recorded("rejected", a, err)
		}
		r.claim.RejectedCode, r.claim.RejectedMessage = why.Code, why.Message
		return r.prove(ctx)
	case out.Kind == providers.NotSent || out.Kind == providers.Held:
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
		return tasks.Wait(r.LookAfter, "in doubt: "+out.Code)
	}
}

// prove finds out whether a request in doubt took effect.
func (r *run) prove(ctx context.Context) error {
	now, err := r.Ledger.Time(ctx)
	if err != nil {
		return err
	}
	if r.rec.Baseline < 0 {
		return r.proveWithoutBaseline(ctx)
	}
	base, out := r.Count.RefundBaseline(ctx, r.order)
	r.log.Info("compared with the baseline", "outcome", string(out.Kind), "code", out.Code,
		"refunded_before", r.rec.Baseline, "refunded_now", base.Refunded, "quantity", r.rec.Count)
	if out.Kind != providers.Done || !base.Provable {
		if r.tooLong(now, r.claim.DoubtAt) {
			return r.review("in_doubt", fmt.Sprintf("whether the refund took effect could not be found out in %s; ask the provider", r.GiveUp))
		}
		return r.idle(r.wait(out), ledger.Reason{Code: out.Code, Message: out.Message}, "in doubt, and the look-up learned nothing: "+out.Code)
	}
	settled := r.claim.DoubtAt.Add(r.Provider.Traits().SettleAfter)
	switch delta := base.Refunded - r.rec.Baseline; {
	case delta == r.rec.Count:
		return r.finish(ledger.Refunded, "", "", r.rec.Count)
	case now.Before(settled):
		return r.idle(min(settled.Sub(now), time.Minute), ledger.Reason{Code: "in_doubt",
			Message: "the request may still arrive at the provider"}, "in doubt, waiting until the request cannot arrive any more")
	case delta == 0 && r.claim.RejectedCode != "":
		return r.finish(ledger.Failed, r.claim.RejectedCode, r.claim.RejectedMessage, 0)
	case delta == 0:
		return r.sendCount(ctx)
	default:
		return r.review("unexplained_refunds", fmt.Sprintf(
			"%d tickets were to be refunded, and %d more are refunded than before; somebody else may have refunded too", r.rec.Count, delta))
	}
}

// proveWithoutBaseline handles orders whose refunds the provider does not show. If everything that
// was left was asked for, asking again cannot refund too much, and the answer is the proof;
// anything else needs a person.
func (r *run) proveWithoutBaseline(ctx context.Context) error {
	others, err := r.others(ctx)
	if err != nil {
		return err
	}
	if q := r.quantity(); q > 0 && !others.open && r.rec.Count == q-others.refunded {
		return r.sendCount(ctx)
	}
	return r.review("unprovable", fmt.Sprintf(
		"a request to refund %d tickets got no clear answer, and the provider does not show which tickets of this order are refunded; ask the provider", r.rec.Count))
}
