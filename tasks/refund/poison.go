package refund

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
	if errors.As(err, &newer) && p.Provider == h.Provider.Name() && p.OrderID != "" && p.RefundID != "" {
		now, timeErr := h.Ledger.Time(ctx)
		if timeErr != nil {
			return timeErr
		}
		if now.Sub(p.EnqueuedAt) < tasks.UpgradePatience {
			return tasks.Wait(5*time.Second, "waiting for a newer worker")
		}
		return h.newRun(p).toReview(ctx, ledger.Reason{Code: "newer_payload", Message: err.Error()})
	}
	h.Log.Error("alarm: a task of this queue holds a payload that is not this program's; it is dropped", "error", err)
	return nil
}

// misplaced handles a payload of ours that came to the wrong handler. It names an order, so it is
// kept until it is where it belongs.
func (h *Handler) misplaced(p tasks.Payload) error {
	h.Log.Error("alarm: a task came to a handler that is not for it; check the worker's queues",
		"provider", string(p.Provider), "order", p.OrderID, "refund", p.RefundID, "handler", tasks.RefundType(h.Provider.Name()))
	return tasks.Wait(time.Minute, "this handler is not for this task")
}

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
		return r.busy(ctx)
	case ledger.WaitTurn:
		return tasks.Wait(r.Lease, "waiting for refund "+r.claim.Turn+" of the same order")
	}
	// The refund was taken up before, from a document that could be read.
	r.log.Error("alarm: a task's document cannot be used; its refund has a record already, which stays as it is",
		"code", why.Code, "verdict", string(r.claim.Verdict), "state", string(r.claim.State))
	return nil
}
