package refunding

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"issuance/internal/handler"
	"issuance/internal/ledger"
	"issuance/internal/seal"
	"issuance/providers"
	"issuance/tasks/order"
)

// listUnclear says why a list of tickets proves nothing.
var listUnclear = ledger.Reason{Code: string(order.CodeListUnclear),
	Message: "the provider leaves tickets of the order out of its list, or shows them in a status that its documents do not know"}

// noAnswer waits for an answer about the order's tickets, and lets the order's other refunds go first.
func (r *run) noAnswer(now time.Time, out providers.Outcome) handler.Result {
	r.Alarm(out)
	switch {
	case out.Unasked():
		return r.waitFor(out, "asking for the order's tickets: ")
	case r.tooLong(now, r.Rec.UnclearSince):
		return r.listNeverClear()
	default:
		return r.yieldUnclear(now, out.RetryAfter, handler.Reason(out))
	}
}

// listNeverClear ends a refund of which nothing was sent, so this is true, and whoever asked can ask again.
func (r *run) listNeverClear() handler.Result {
	r.Log.Error("alarm: the provider's list of an order's tickets cannot be counted; look the order up there")
	return handler.Fail(ledger.Reason{Code: listUnclear.Code, Message: fmt.Sprintf(
		"for %s the provider left tickets of the order out of its list, showed them in a status that its documents do not know, or gave no clear answer; "+
			"nothing was refunded", r.GiveUp)})
}

// yieldUnclear waits ever longer for an answer that is of use. The turn stays with a refund whose plan could
// not be sent.
func (r *run) yieldUnclear(now time.Time, retryAfter time.Duration, why ledger.Reason) handler.Result {
	return r.unclear(max(handler.AskAgain(r.unclearFor(now), r.LookAfter), retryAfter), why)
}

// yieldLagging is yieldUnclear for what the provider will show, and may at any moment: it is looked for more often.
func (r *run) yieldLagging(now time.Time, retryAfter time.Duration, why ledger.Reason) handler.Result {
	age := r.unclearFor(now)
	wait := handler.AskAgain(age/2, r.LookAfter)
	if age < handler.LongestLag {
		wait = min(wait, atLeast)
	}
	return r.unclear(max(wait, retryAfter), why)
}

func (r *run) unclear(wait time.Duration, why ledger.Reason) handler.Result {
	return handler.WaitFor(wait, why, cmp.Or(why.Message, why.Code)).As(ledger.Unclear).Yielding()
}

// unclearFor is for how long the provider's answers have been of no use.
func (r *run) unclearFor(now time.Time) time.Duration {
	if r.Rec.UnclearSince.IsZero() {
		return 0
	}
	return now.Sub(r.Rec.UnclearSince)
}

// unopened handles a plan, of this refund or of another one of the order, that cannot be opened.
func (r *run) unopened(err error) (handler.Result, error) {
	if errors.Is(err, seal.ErrUnknownKey) {
		return handler.Wait(r.KeyMissing("a refund's plan", err), order.CodeSealKey, "waiting for its seal key in ISSUANCE_SEAL_KEYS"), nil
	}
	if errors.Is(err, errPlan) {
		return handler.Review(order.CodeUnreadablePlan, "a plan that holds ticket numbers cannot be opened; see the history of the order's refunds for what was sent"), nil
	}
	return handler.GoOn(), err
}
