package issue

import (
	"context"

	"issuance/internal/handling"
	"issuance/internal/ledger"
)

// toReview records a review for an order that cannot be worked on at all.
func (r *run) toReview(ctx context.Context, why ledger.Reason) error {
	var err error
	if r.claim, err = r.Ledger.Begin(ctx, r.key, ledger.Intake{Runner: r.Worker, Lease: r.Lease,
		Fingerprint: r.payload.Fingerprint, Lane: string(r.payload.Lane), Shape: string(r.payload.Shape), Document: r.payload.Document}); err != nil {
		return err
	}
	switch r.claim.Verdict {
	case ledger.MaySend, ledger.MustLookUp:
		return r.review(why)
	case ledger.Busy:
		return handling.Busy(ctx, r.Ledger, r.claim, r.Lease)
	}
	// The order was taken up before, from a document that could be read.
	r.log.Error("alarm: a task's document cannot be used; its order has a record already, which stays as it is",
		"code", why.Code, "verdict", string(r.claim.Verdict), "state", string(r.claim.State))
	return nil
}
