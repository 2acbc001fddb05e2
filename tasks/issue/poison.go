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
	if errors.As(err, &newer) && p.Provider == h.Provider.Name() && p.OrderID != "" {
		now, timeErr := h.Ledger.Time(ctx)
		if timeErr != nil {
			return timeErr
		}
		if now.Sub(p.EnqueuedAt) < tasks.UpgradePatience {
			return tasks.Wait(5*time.Second, "waiting for a newer worker")
		}
		return h.newRun(p).toReview(ctx, ledger.Reason{Code: "newer_payload", Message: err.Error()})
	}
	// Nothing in it names an order: it was none of ours.
	h.Log.Error("alarm: a task of this queue holds a payload that is not this program's; it is dropped", "error", err)
	return nil
}

// misplaced handles a payload of ours that came to the wrong handler. It names an order, so it is
// kept until it is where it belongs.
func (h *Handler) misplaced(p tasks.Payload) error {
	h.Log.Error("alarm: a task came to a handler that is not for it; check the worker's queues",
		"provider", string(p.Provider), "order", p.OrderID, "refund", p.RefundID, "handler", tasks.IssueType(h.Provider.Name()))
	return tasks.Wait(time.Minute, "this handler is not for this task")
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
		return r.busy(ctx)
	}
	// The order was taken up before, from a document that could be read.
	r.log.Error("alarm: a task's document cannot be used; its order has a record already, which stays as it is",
		"code", why.Code, "verdict", string(r.claim.Verdict), "state", string(r.claim.State))
	return nil
}
