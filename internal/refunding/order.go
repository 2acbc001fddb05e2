package refunding

import (
	"context"
	"errors"
	"time"

	"issuance/internal/handler"
	"issuance/internal/ledger"
	"issuance/internal/seal"
	"issuance/internal/vault"
	"issuance/providers"
	"issuance/tasks/order"
)

// locate finds the order to refund.
func (r *run) locate(ctx context.Context) (handler.Result, error) {
	rec, err := r.Ledger.Load(ctx, r.Ref.Order())
	if errors.Is(err, ledger.ErrNotFound) {
		return r.elsewhere(ctx)
	}
	if err != nil {
		return handler.GoOn(), err
	}
	r.orderRec = rec
	switch rec.State {
	case order.Issued:
		if elsewhere, err := handler.Elsewhere(ctx, r.Log, r.Provider, r.Ledger, rec); err != nil || elsewhere {
			return r.OtherHost(rec).Yielding(), err
		}
		return r.issuedHere(rec), nil
	case order.Failed:
		return r.giveUp(order.CodeOrderFailed, "the order was not issued, so there is nothing to refund: "+rec.Reason.Code), nil
	case order.Cancelled:
		return r.giveUp(order.CodeOrderCancelled, "the order was cancelled before it was sent, so there is nothing to refund"), nil
	case order.Review:
		return r.yield(time.Minute, order.CodeOrderInReview, "the order needs review first"), nil
	default:
		// Its end wakes this refund; should that be lost, it looks for itself.
		wait := min(handler.AskAgain(r.Claim.Now.Sub(r.Rec.CreatedAt), 5*time.Second), 5*time.Minute)
		return r.yield(wait, order.CodeOrderPending, "the order is still being issued"), nil
	}
}

// issuedHere takes the order from its record. Once its document has expired, the stub is enough.
func (r *run) issuedHere(rec *ledger.Record) handler.Result {
	request := rec.Stub
	if rec.Document != "" {
		raw, err := vault.OpenDocument(r.Ring, rec.Ref, rec.Document)
		switch {
		case errors.Is(err, seal.ErrUnknownKey):
			return r.yield(r.KeyMissing("the order's document", err), order.CodeSealKey, "waiting for the seal key of its order in ISSUANCE_SEAL_KEYS")
		case err != nil:
			return handler.Review(order.CodeUnreadable, "the order's own document cannot be opened: "+err.Error())
		}
		request = raw
	}
	if len(request) == 0 {
		return r.neverSent(rec)
	}
	r.Order = providers.Order{ID: rec.OrderID, Request: request, Ref: rec.ProviderRef}
	if field := r.Codec.OtherOrder(r.Request, r.Order); field != "" {
		return r.giveUp(order.CodeOtherOrder, "the refund's "+field+" is not that of the order with this number; correct or leave it out, and refund under a new refund id")
	}
	return handler.GoOn()
}

// neverSent takes the order from the refund's document: a person has found it issued though no worker ever
// sent it, and its own document has expired.
func (r *run) neverSent(rec *ledger.Record) handler.Result {
	if r.doc == nil || r.doc.Outside == nil {
		return r.giveUp(order.CodeOrderUnknown, "the order's document has expired; "+r.lacks())
	}
	r.Order = *r.doc.Outside
	if rec.ProviderRef != "" {
		r.Order.Ref = rec.ProviderRef
	}
	return handler.GoOn()
}

// lacks says why the refund's document does not describe its order.
func (r *run) lacks() string {
	if r.doc == nil {
		return "the refund's document does not keep the provider's rules"
	}
	return r.doc.Lacks
}

// elsewhere handles an order the ledger does not know: it was issued by somebody else, or it is enqueued
// later than its refund.
func (r *run) elsewhere(ctx context.Context) (handler.Result, error) {
	if r.doc == nil || r.doc.Outside == nil {
		return r.unknownOrder("the ledger does not know the order; " + r.lacks())
	}
	r.Order = *r.doc.Outside
	if r.Rec.Planned {
		return handler.GoOn(), nil // it was found before
	}
	f := r.Provider.LookUp(ctx, r.Order)
	r.Log.Info("looked up an order issued elsewhere", "finding", string(f.State), "code", f.Outcome.Code)
	switch f.State {
	case providers.FoundIssued:
		return handler.GoOn(), nil
	case providers.FoundPending:
		return r.yield(10*time.Second, order.CodeOrderPending, "the provider has not issued the order yet"), nil
	case providers.FoundFailed:
		return r.failedElsewhere(ctx)
	case providers.Absent:
		if !handler.SurelyAbsent(ctx, r.Log, r.Provider, f) {
			return r.waitFor(f.Outcome, "looking the order up: "), nil
		}
		return r.unknownOrder("neither the ledger nor the provider knows the order")
	default:
		r.Alarm(f.Outcome)
		return r.waitFor(f.Outcome, "looking the order up: "), nil
	}
}

// failedElsewhere gives the refund of an order up that the provider could not issue, once a second look says the same: one
// answer may be an old one.
func (r *run) failedElsewhere(ctx context.Context) (handler.Result, error) {
	const text = "the provider did not issue the order, so there is nothing to refund"
	if r.Rec.Reason.Code == string(order.CodeOrderFailed) {
		return r.giveUp(order.CodeOrderFailed, text), nil
	}
	lag, err := r.Lag(ctx)
	return r.yield(lag, order.CodeOrderFailed, text), err
}

// unknownOrder waits a while for an order that may be enqueued later than its refund.
func (r *run) unknownOrder(text string) (handler.Result, error) {
	if until := r.Rec.CreatedAt.Add(r.orderPatience); r.Claim.Now.Before(until) {
		return r.yield(10*time.Second, order.CodeOrderUnknown, text).Until(until), nil
	}
	return r.giveUp(order.CodeOrderUnknown, text), nil
}

// quantity is how many tickets the order holds, 0 when that is not known.
func (r *run) quantity() int { return r.Codec.Tickets(r.Order.Request) }
