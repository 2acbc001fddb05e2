package refund

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"issuance/internal/ledger"
	"issuance/internal/seal"
	"issuance/providers"
	"issuance/tasks"
)

// sealTotal is the plan of a refund by number: how many tickets the provider listed before.
func (r *run) sealTotal(b providers.Baseline) (seal.Sealed, error) {
	return tasks.SealPlan(r.Ring, r.key, []string{strconv.Itoa(b.Total)})
}

func (r *run) openTotal() (int, error) {
	plan, err := tasks.OpenPlan(r.Ring, r.key, r.rec.Plan)
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
func (r *run) prove(ctx context.Context) error {
	now, err := r.Ledger.Time(ctx)
	if err != nil {
		return err
	}
	if r.rec.Baseline < 0 {
		return r.proveWithoutBaseline(ctx, now)
	}
	total, err := r.openTotal()
	if err != nil {
		return r.unopened(err)
	}
	base, out := r.Count.RefundBaseline(ctx, r.order)
	r.log.Info("compared with the baseline", "outcome", string(out.Kind), "code", out.Code,
		"refunded_before", r.rec.Baseline, "refunded_now", base.Refunded, "quantity", r.rec.Count)
	if out.Kind != providers.Done || !base.Provable {
		if !out.Unasked() && r.tooLong(now, r.doubtSince()) {
			return r.review("in_doubt", fmt.Sprintf("whether the refund took effect could not be found out in %s; ask the provider", r.GiveUp))
		}
		why := ledger.Reason{Code: out.Code, Message: out.Message}
		if out.Kind == providers.Done {
			why, out.Kind = listUnclear, providers.Unknown // the answer told nothing
		}
		return r.idle(r.wait(out), why, "in doubt, and the look-up learned nothing: "+why.Code)
	}
	others, err := r.others(ctx)
	if err != nil {
		return r.unopened(err)
	}
	since := others.since(r.rec.BaselineAt)
	// A list that left refunded tickets out would make a refund look as if it had not happened. So
	// would one that does not show yet what the order's other refunds did.
	sameTickets := base.Total == total
	settled := later(r.claim.DoubtAt, since.last).Add(r.Provider.Traits().SettleAfter)
	switch delta := base.Refunded - r.rec.Baseline - since.refunded; {
	case sameTickets && since.doubtful == "" && delta == r.rec.Count:
		return r.finish(ledger.Refunded, "", "", r.rec.Count)
	case now.Before(settled):
		return r.unsettled(now, settled)
	case since.doubtful != "" && delta != 0: // refunds only ever add up, so none is nobody's
		return r.review("unexplained_refunds", fmt.Sprintf("%d tickets were to be refunded, and %d more are refunded than before; "+
			"refund %s of the order may have refunded some of them", r.rec.Count, base.Refunded-r.rec.Baseline, since.doubtful))
	case !sameTickets:
		return r.review("other_tickets", fmt.Sprintf(
			"the provider listed %d tickets before the refund and lists %d now, so what it refunded cannot be proven; ask the provider", total, base.Total))
	case delta == 0 && r.claim.RejectedCode != "":
		return r.finish(ledger.Failed, r.claim.RejectedCode, r.claim.RejectedMessage, 0)
	case delta == 0:
		return r.resendCount(ctx, now)
	default:
		return r.review("unexplained_refunds", fmt.Sprintf(
			"%d tickets were to be refunded, and %d more are refunded than before; somebody else may have refunded too", r.rec.Count, delta))
	}
}

// resendCount sends again what may be sent again, unless nothing has come of that for too long.
func (r *run) resendCount(ctx context.Context, now time.Time) error {
	if r.inVain(now, r.doubtSince(), r.claim.Doubts) {
		return r.review("in_doubt", fmt.Sprintf("it was sent %d times, the last time at %s, and none of them got a clear answer in %s; ask the provider",
			r.claim.Attempts, r.rec.SentAt.UTC().Format(time.RFC3339), r.GiveUp))
	}
	return r.sendCount(ctx)
}

// doubtSince is when the doubt began. The records of older programs tell only when it was renewed.
func (r *run) doubtSince() time.Time {
	if r.claim.DoubtSince.IsZero() {
		return r.claim.DoubtAt
	}
	return r.claim.DoubtSince
}

// unsettled waits until the request in doubt has arrived or cannot arrive any more.
func (r *run) unsettled(now, settled time.Time) error {
	return r.idle(min(settled.Sub(now), time.Minute), ledger.Reason{Code: "in_doubt",
		Message: "the request may still arrive at the provider"}, "in doubt, waiting until the request cannot arrive any more")
}

// proveWithoutBaseline handles orders whose refunds the provider does not show. If everything that
// was left was asked for, asking again cannot refund too much, and a yes proves that it is refunded
// now. A no proves nothing: "not enough left" is also what the provider says of tickets that were
// redeemed, which it does not show either. That, and anything else, needs a person, who is asked
// when the request cannot arrive any more: what is looked up earlier may be untrue a minute later.
func (r *run) proveWithoutBaseline(ctx context.Context, now time.Time) error {
	settled := r.claim.DoubtAt.Add(r.Provider.Traits().SettleAfter)
	if r.claim.RejectedCode != "" {
		if now.Before(settled) {
			return r.unsettled(now, settled)
		}
		// Asking again would be refused again, and the refusal says nothing of the request in doubt.
		return r.review("unprovable", fmt.Sprintf("a request to refund %d tickets got no clear answer, the next one was refused (%s), "+
			"and the provider does not show which tickets of this order are refunded; ask the provider", r.rec.Count, r.claim.RejectedCode))
	}
	others, err := r.others(ctx)
	if err != nil {
		return err
	}
	if q := r.quantity(); q > 0 && !others.open && r.rec.Count == q-others.refunded {
		return r.resendCount(ctx, now)
	}
	if now.Before(settled) {
		return r.unsettled(now, settled)
	}
	return r.review("unprovable", fmt.Sprintf(
		"a request to refund %d tickets got no clear answer, and the provider does not show which tickets of this order are refunded; ask the provider", r.rec.Count))
}
