// Package issuing is the handler that issues orders: it writes the intent, calls the provider once, and
// says how that ended. Whatever may have taken effect is looked up before anything is sent again.
//
// It may import internal/handler and what that may import. It acts on the kind of an outcome alone and knows
// no provider's codes.
package issuing

import (
	"context"
	"time"

	"issuance/internal/handler"
	"issuance/internal/ledger"
	"issuance/providers"
	"issuance/tasks/order"
)

// Follower has orders that the provider has accepted asked for.
type Follower interface {
	// Follow makes sure that the order is polled, for the first time after delay. Doing it twice
	// is one follow-up.
	Follow(ctx context.Context, r order.Ref, delay time.Duration) error
}

// FollowSchedule asks a Follower to choose the delay by its own schedule.
const FollowSchedule time.Duration = -1

// Handler issues orders of one account; an asynq.Handler. Safe for concurrent use.
type Handler struct {
	*handler.Course
	follower Follower
}

// New makes a handler.
func New(c handler.Config, f Follower) *Handler {
	h := &Handler{follower: f}
	h.Course = handler.New(c, false, func(ctx context.Context, r *handler.Run) (handler.Result, error) {
		return (&run{Run: r, follower: f}).act(ctx)
	})
	h.Course.Accepted = func(ctx context.Context, r order.Ref) error { return f.Follow(ctx, r, 0) }
	return h
}

// run is one run of one order's task.
type run struct {
	*handler.Run
	follower Follower
}

func (r *run) act(ctx context.Context) (handler.Result, error) {
	if r.Claim.Verdict == ledger.MustLookUp {
		return r.lookUp(ctx)
	}
	// Again before every sending: a date may have passed while the order waited.
	if err := r.Recheck(); err != nil {
		// Nothing of it is in doubt, so nothing was issued.
		return handler.Fail(ledger.Reason{Code: string(order.CodeInvalidDocument),
			Message: "the document no longer keeps the rules, nothing was issued: " + err.Error()}), nil
	}
	return r.send(ctx)
}

// issued ends the order with what the provider answered. found is the state in which a look-up found it, if one did.
func (r *run) issued(res *providers.Result, found providers.FindingState) (handler.Result, error) {
	sealed, err := r.sealed(res)
	return handler.End(ledger.Ending{State: order.Issued, ProviderRef: refOf(res), Result: sealed, Found: found}), err
}

func refOf(res *providers.Result) string {
	if res == nil {
		return ""
	}
	return res.Ref
}

// taken leaves an order to review whose number is somebody else's at the provider. Nothing of what was found
// is stored.
func taken(why string) handler.Result {
	return handler.Review(order.CodeNumberTaken, handler.TakenBecause(why))
}
