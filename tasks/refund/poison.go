package refund

import (
	"context"

	"issuance/internal/handling"
	"issuance/internal/ledger"
	"issuance/tasks"
)

// toReview records a review for a refund that cannot be worked on at all.
func (r *run) toReview(ctx context.Context, why ledger.Reason) error {
	if err := r.begin(ctx); err != nil {
		return err
	}
	switch r.claim.Verdict {
	case ledger.MaySend, ledger.MustLookUp:
		var err error
		if r.rec, err = r.Ledger.LoadRefund(ctx, r.key); err != nil {
			return err
		}
		return r.review(why.Code, why.Message)
	case ledger.Busy:
		return handling.Busy(ctx, r.Ledger, r.claim, r.Lease)
	case ledger.WaitTurn:
		return tasks.Wait(r.Lease, "waiting for refund "+r.claim.Turn+" of the same order")
	}
	// The refund was taken up before, from a document that could be read.
	r.log.Error("alarm: a task's document cannot be used; its refund has a record already, which stays as it is",
		"code", why.Code, "verdict", string(r.claim.Verdict), "state", string(r.claim.State))
	return nil
}
