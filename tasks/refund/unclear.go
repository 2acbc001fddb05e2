package refund

import (
	"fmt"
	"time"

	"issuance/internal/handling"
	"issuance/internal/ledger"
	"issuance/providers"
	"issuance/tasks"
)

// listUnclear says why a list of tickets proves nothing.
var listUnclear = ledger.Reason{Code: "list_unclear",
	Message: "the provider leaves tickets of the order out of its list, or shows them in a status that its documents do not know"}

// noAnswer waits for an answer about the order's tickets, and lets the order's other refunds go first.
func (r *run) noAnswer(now time.Time, out providers.Outcome) error {
	switch why := (ledger.Reason{Code: out.Code, Message: out.Message}); {
	case out.Unasked():
		return r.idle(r.wait(out), why, "asking for the order's tickets: "+out.Code)
	case r.tooLong(now, r.rec.UnclearSince):
		return r.listNeverClear()
	default:
		return r.yieldUnclear(now, out.RetryAfter, why)
	}
}

// listNeverClear ends a refund of which nothing was sent, so this is true, and whoever asked can ask again.
func (r *run) listNeverClear() error {
	r.log.Error("alarm: the provider's list of an order's tickets cannot be counted; look the order up there")
	return r.finish(ledger.Failed, listUnclear.Code, fmt.Sprintf(
		"for %s the provider left tickets of the order out of its list, showed them in a status that its documents do not know, or gave no clear answer; "+
			"nothing was refunded", r.GiveUp), 0)
}

// yieldUnclear waits ever longer for an answer that is of use.
func (r *run) yieldUnclear(now time.Time, atLeast time.Duration, why ledger.Reason) error {
	ctx, cancel := handling.Recording()
	defer cancel()
	a, err := r.Ledger.YieldUnclear(ctx, r.key, r.claim.Fence, why)
	if err == nil && !a.Applied { // it has a plan that could not be sent: the turn stays
		a, err = r.Ledger.RefundUnclear(ctx, r.key, r.claim.Fence, why)
	}
	if err != nil || !a.Applied {
		return r.recorded("unclear", a, err)
	}
	wait := r.LookAfter
	if since := r.rec.UnclearSince; !since.IsZero() {
		wait = handling.AskAgain(now.Sub(since), r.LookAfter)
	}
	return tasks.Wait(max(wait, atLeast), why.Message)
}
