package handler

import (
	"context"
	"fmt"
	"time"

	"issuance/internal/ledger"
	"issuance/internal/queue"
	"issuance/tasks/order"
)

// recordTimeout bounds writing down a result on a context that outlives the task's.
const recordTimeout = 5 * time.Second

// Recording is a context for writing results down: a cancelled task must not lose one.
func Recording() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), recordTimeout)
}

// Recording is a context for writing the run's results down, within its trace.
func (r *Run) Recording() (context.Context, context.CancelFunc) {
	ctx, cancel := Recording()
	return r.span.In(ctx), cancel
}

// record writes a result down and turns it into the task's.
func (r *Run) record(res Result) error {
	ctx, cancel := r.Recording()
	defer cancel()
	r.noteRejected(res)
	switch res.kind {
	case ends:
		return r.finish(ctx, res.ending)
	case waits:
		if r.ban != nil {
			if res = r.afterBan(ctx, res); !res.IsWait() {
				return r.finish(ctx, res.ending)
			}
		}
		a, err := r.giveBack(ctx, res)
		if err != nil || !a.Applied {
			return r.Written("release", a, err)
		}
		return queue.WaitUntil(res.wait, res.text, res.until)
	case recorded:
		return nil
	}
	return fmt.Errorf("handler: %s: the run came to no result", r.Ref)
}

func (r *Run) finish(ctx context.Context, e ledger.Ending) error {
	if e.State == order.Review {
		e.Refunded = r.refunded()
	}
	a, err := r.Ledger.Finish(ctx, r.Ref, r.Rec.Fence, e)
	switch {
	case err != nil || !a.Applied:
	case e.State == order.Review:
		r.Log.Error("alarm: it needs review", "code", e.Reason.Code, "message", e.Reason.Message, "attempts", r.Rec.Attempts, "refunded", e.Refunded)
	default:
		r.Log.Info("final", "state", string(e.State), "code", e.Reason.Code, "attempts", r.Rec.Attempts, "refunded", e.Refunded)
	}
	r.WakeRefunds(ctx, a)
	return r.Written("finish", a, err)
}

// WakeRefunds lets the refunds of an order go on that has just ended.
func (r *Run) WakeRefunds(ctx context.Context, a ledger.Answer) {
	if a.Applied && a.Refunds > 0 && r.Wake != nil {
		r.Wake(ctx, r.Ref)
	}
}

// refunded counts the tickets that a refund has refunded so far, ticket by ticket.
func (r *Run) refunded() int {
	n := 0
	for _, t := range r.Rec.Tickets {
		if t.State == order.TicketRefunded {
			n++
		}
	}
	return n
}

func (r *Run) giveBack(ctx context.Context, res Result) (ledger.Answer, error) {
	if res.yield && r.Ref.IsRefund() {
		a, err := r.Ledger.YieldTurn(ctx, r.Ref, r.Rec.Fence, res.why, res.release == ledger.Unclear)
		if err != nil || a.Applied {
			return a, err
		}
		// Something is planned or in doubt already: the turn stays.
	}
	return r.Ledger.GiveBack(ctx, r.Ref, r.Rec.Fence, res.release, res.why)
}

// Written turns a transition's answer into the task's result. A refused one means that another run has
// taken over: the queue runs the task again, and the ledger says what is left to do.
func (r *Run) Written(what string, a ledger.Answer, err error) error {
	if err != nil || a.Applied {
		return err
	}
	r.Log.Warn("a late answer is not applied: another run has taken over", "transition", what, "state", string(a.State))
	return queue.Wait(r.Lease, "another worker has taken over")
}
