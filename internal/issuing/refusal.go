package issuing

import (
	"context"
	"time"

	"issuance/internal/handler"
	"issuance/internal/ledger"
	"issuance/providers"
	"issuance/tasks/order"
)

// A refusal is an answer to an order that may be a rejection, in words that no document explains, or the provider's own trouble.
// The order is in doubt, and is sent again, ever more rarely. What was refused last is kept beside the doubt as a rejection of
// a code of its own (order.CodeRefusal), which becomes the order's end when that has been in vain for long enough, and looks
// show that nothing came of it.
func refusal(rejection ledger.Reason) bool { return rejection.Code == string(order.CodeRefusal) }

// refused keeps a refusal, and has the order looked up before it is sent again.
func (r *run) refused(out providers.Outcome) (handler.Result, error) {
	rec, cancel := r.Recording()
	defer cancel()
	a, err := r.Ledger.Rejected(rec, r.Ref, r.Rec.Fence, ledger.Reason{Code: string(order.CodeRefusal), Message: out.Message})
	if err != nil || !a.Applied {
		return handler.GoOn(), r.Written("rejected", a, err)
	}
	r.Log.Warn("refused for no documented reason; the order is looked up before it is sent again", "code", out.Code, "doubts", r.Rec.Doubts+1)
	return handler.WaitFor(max(out.RetryAfter, r.lookAfter()), handler.Reason(out), "in doubt: "+handler.Text(out)).As(ledger.Unknown), nil
}

// repeat sends a refused order again that the provider does not know. The longer it has been refused, the longer it is put off: a
// thousand such orders must not take the calls of others.
func (r *run) repeat(ctx context.Context, now time.Time) (handler.Result, error) {
	begun, due := r.Rec.DoubtSince, r.Rec.SentAt
	if age := due.Sub(begun); age > 0 {
		due = due.Add(age / 2).Round(time.Millisecond) // the ledger's unit
	}
	if !now.Before(due) {
		return r.sendAgain(ctx)
	}
	if end := begun.Add(r.GiveUp + time.Second); end.Before(due) {
		due = end
	}
	return handler.WaitFor(due.Sub(now), ledger.Reason{}, "refused, and sent again ever more rarely").As(ledger.Absent).Until(due), nil
}
