package issue

import (
	"context"
	"errors"
	"time"

	"issuance/internal/ledger"
	"issuance/tasks"
)

// unreadable handles a payload that this worker cannot read.
func (h *Handler) unreadable(ctx context.Context, p tasks.Payload, err error) error {
	var newer *tasks.NewerPayloadError
	if errors.As(err, &newer) && p.Provider.Known() && p.OrderID != "" {
		if time.Since(p.EnqueuedAt) < tasks.UpgradePatience {
			return tasks.Wait(5*time.Second, "waiting for a newer worker")
		}
		r := &run{Handler: h, key: p.Key(), payload: p, log: h.Log.With("provider", string(p.Provider), "order", p.OrderID)}
		return r.toReview(ctx, ledger.Reason{Code: "newer_payload", Message: err.Error()})
	}
	// Nothing in it names an order: it was none of ours.
	h.Log.Error("alarm: a task of this queue holds a payload that is not this program's; it is dropped", "error", err)
	return nil
}

// damaged handles a document that can never be opened.
func (r *run) damaged(ctx context.Context, err error) error {
	return r.toReview(ctx, ledger.Reason{Code: "unreadable_document", Message: err.Error()})
}

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
		return tasks.Wait(time.Until(r.claim.Until), "another worker is at it")
	}
	return nil
}
