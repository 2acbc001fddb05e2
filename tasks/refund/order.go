package refund

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"issuance/internal/handling"
	"issuance/internal/ledger"
	"issuance/internal/seal"
	"issuance/providers"
	"issuance/tasks"
)

// locate finds the order to refund. ready is false when the refund has ended or has to wait; the
// error is then the task's result.
func (r *run) locate(ctx context.Context) (ready bool, err error) {
	rec, err := r.Ledger.Load(ctx, r.key.Key)
	if errors.Is(err, ledger.ErrNotFound) {
		return r.elsewhere(ctx)
	}
	if err != nil {
		return false, err
	}
	switch rec.State {
	case ledger.Issued:
		raw, err := tasks.OpenOrder(r.Ring, rec.Key, rec.Document)
		switch {
		case errors.Is(err, seal.ErrUnknownKey):
			r.log.Error("alarm: the order's document cannot be opened", "error", err)
			return false, r.yield(time.Minute, "seal_key", "the order's document was sealed with a key that is not in ISSUANCE_SEAL_KEYS")
		case err != nil:
			return false, r.review("unreadable_document", "the order's own document cannot be opened: "+err.Error())
		}
		r.order = providers.Order{ID: rec.OrderID, Request: raw, Ref: rec.Ref}
		if field := otherOrder(r.request, r.order); field != "" {
			return false, r.fail("other_order", "the refund's "+field+" is not that of the order with this number; correct or leave it out, and refund under a new refund id")
		}
		return true, nil
	case ledger.Failed:
		return false, r.fail("order_failed", "the order was not issued, so there is nothing to refund: "+rec.Reason.Code)
	case ledger.Review:
		return false, r.yield(time.Minute, "order_in_review", "the order needs a person first; see `enqueue review`")
	default:
		return false, r.yield(5*time.Second, "order_not_issued_yet", "the order is still being issued")
	}
}

// elsewhere handles an order the ledger does not know: it may still wait in a queue, or it was
// issued by somebody else.
func (r *run) elsewhere(ctx context.Context) (bool, error) {
	queued, err := r.Queued(ctx, r.key.Key)
	if err != nil {
		return false, err
	}
	if queued {
		return false, r.yield(5*time.Second, "order_not_issued_yet", "the order is still waiting to be issued")
	}
	if r.order, err = tasks.OutsideOrder(r.key, r.request); err != nil {
		return r.unknownOrder("the ledger does not know the order; " + err.Error())
	}
	if r.rec.Planned {
		return true, nil // it was found before
	}
	f := r.Provider.LookUp(ctx, r.order)
	r.log.Info("looked up an order issued elsewhere", "finding", string(f.State), "code", f.Outcome.Code)
	switch f.State {
	case providers.FoundIssued:
		return true, nil
	case providers.FoundPending:
		return false, r.yield(10*time.Second, "order_not_issued_yet", "the provider has not issued the order yet")
	case providers.FoundFailed:
		return false, r.fail("order_failed", "the provider did not issue the order, so there is nothing to refund")
	case providers.Absent:
		return r.unknownOrder("neither the ledger nor the provider knows the order")
	default:
		return false, r.idle(r.wait(f.Outcome), ledger.Reason{Code: f.Outcome.Code, Message: f.Outcome.Message}, "looking the order up")
	}
}

// unknownOrder waits a while for an order that may be enqueued later than its refund.
func (r *run) unknownOrder(text string) (bool, error) {
	ctx, cancel := handling.Recording()
	defer cancel()
	now, err := r.Ledger.Time(ctx)
	if err != nil {
		return false, err
	}
	if now.Sub(r.payload.EnqueuedAt) < r.OrderPatience {
		return false, r.yield(10*time.Second, "order_unknown", text)
	}
	return false, r.fail("order_unknown", text)
}

// fail ends a refund of which nothing was sent. What may have been sent is a person's to decide: an
// order's record may have expired, or a document changed hands, while its refund was in doubt.
func (r *run) fail(code, text string) error {
	if r.rec.Planned || r.claim.Attempts > 0 || !r.claim.DoubtAt.IsZero() || r.claim.RejectedCode != "" {
		return r.review(code, text+"; the refund may have been sent before, so look at the provider")
	}
	return r.finish(ledger.Failed, code, text, 0)
}

// otherOrder names the field, if there is one, by which a refund's document means another order than
// the one recorded under its number: a number may be a MerchantTradeNo and a FreeTradeNo.
func otherOrder(refund json.RawMessage, o providers.Order) string {
	type names struct{ MerchantTradeNo, FreeTradeNo, ProductSaleID, PickupType, Pass2uOrderID string }
	var has, wants names
	// Both were checked before; a document that cannot be read names no field here.
	_, _ = json.Unmarshal(o.Request, &has), json.Unmarshal(refund, &wants)
	if o.Ref != "" {
		has.Pass2uOrderID = o.Ref
	} else {
		has.Pass2uOrderID = wants.Pass2uOrderID // not known, so it cannot differ
	}
	for _, f := range []struct{ name, wants, has string }{
		{"MerchantTradeNo", wants.MerchantTradeNo, has.MerchantTradeNo}, {"FreeTradeNo", wants.FreeTradeNo, has.FreeTradeNo},
		{"productSaleId", wants.ProductSaleID, has.ProductSaleID}, {"pickupType", wants.PickupType, has.PickupType},
		{"pass2uOrderId", wants.Pass2uOrderID, has.Pass2uOrderID},
	} {
		if f.wants != "" && f.wants != f.has {
			return f.name
		}
	}
	return ""
}

// quantity is how many tickets the order holds, 0 when that is not known.
func (r *run) quantity() int {
	var q struct {
		Quantity int `json:"quantity"`
	}
	if json.Unmarshal(r.order.Request, &q) != nil {
		return 0
	}
	return q.Quantity
}
