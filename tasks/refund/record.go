package refund

import (
	"context"
	"errors"
	"time"

	"issuance/internal/handling"
	"issuance/internal/ledger"
	"issuance/providers"
	"issuance/tasks"
)

// finish records the refund's end. refunded counts the tickets it refunded.
func (r *run) finish(s ledger.State, code, message string, refunded int) error {
	ctx, cancel := handling.Recording()
	defer cancel()
	a, err := r.Ledger.FinishRefund(ctx, r.key, r.claim.Fence, ledger.RefundEnding{State: s,
		Reason: ledger.Reason{Code: code, Message: message}, Refunded: refunded})
	if err == nil && a.Applied {
		r.log.Info("final", "state", string(s), "code", code, "refunded", refunded)
	}
	return r.recorded("finish", a, err)
}

func (r *run) review(code, message string) error {
	r.log.Error("alarm: the refund needs a person", "code", code, "message", message)
	return r.finish(ledger.Review, code, message, r.refundedSoFar())
}

func (r *run) refundedSoFar() int {
	n := 0
	if r.rec != nil {
		for _, t := range r.rec.Tickets {
			if t.State == ledger.TicketRefunded {
				n++
			}
		}
	}
	return n
}

// idle gives the claim back, keeps the order's turn, and waits.
func (r *run) idle(wait time.Duration, why ledger.Reason, text string) error {
	ctx, cancel := handling.Recording()
	defer cancel()
	a, err := r.Ledger.RefundIdle(ctx, r.key, r.claim.Fence, why)
	if err != nil || !a.Applied {
		return r.recorded("idle", a, err)
	}
	return tasks.Wait(wait, text)
}

// yield gives claim and turn back, and waits: nothing has been planned yet.
func (r *run) yield(wait time.Duration, code, text string) error {
	ctx, cancel := handling.Recording()
	defer cancel()
	why := ledger.Reason{Code: code, Message: text}
	a, err := r.Ledger.YieldTurn(ctx, r.key, r.claim.Fence, why)
	if err != nil {
		return err
	}
	if !a.Applied {
		// Something is planned or in doubt already: the turn stays.
		return r.idle(wait, why, text)
	}
	return tasks.Wait(wait, text)
}

func (r *run) recorded(what string, a ledger.Answer, err error) error {
	return handling.Recorded(r.log, r.Lease, what, a, err)
}

// errWait carries what a step says about the run: how long to wait, and why.
type errWait struct {
	after time.Duration
	why   ledger.Reason
	held  bool // no call may leave now: other tickets would hear the same
}

func (e *errWait) Error() string { return "wait: " + e.why.Code }

// waitFor makes the wait after an outcome that settled nothing.
func (r *run) waitFor(out providers.Outcome) *errWait {
	return &errWait{after: r.wait(out), why: ledger.Reason{Code: out.Code, Message: out.Message}, held: out.Kind == providers.Held}
}

// wait is how long to pause after an outcome that settled nothing.
func (r *run) wait(out providers.Outcome) time.Duration {
	if out.Alarm {
		r.log.Error("alarm: the provider refuses this account; a person has to act", "code", out.Code, "message", out.Message)
	}
	switch {
	case out.RetryAfter > 0:
		return out.RetryAfter
	case out.Kind == providers.Unknown:
		return r.lookAfter()
	}
	return tasks.Backoff(r.claim.Attempts, 2*time.Second, 2*time.Minute)
}

// lookAfter is how long to leave a request in doubt alone.
func (r *run) lookAfter() time.Duration { return handling.LookAfter(r.doubts(), r.LookAfter) }

// doubts is how many requests had no clear answer before; of tickets, the most that one of them had.
// Requests that never left do not count.
func (r *run) doubts() int {
	if r.rec == nil || len(r.rec.Tickets) == 0 {
		return r.claim.Doubts
	}
	n := 0
	for _, t := range r.rec.Tickets {
		n = max(n, t.Doubts-1)
	}
	return n
}

// inVain reports whether sending again has gone on for so long that a person has to decide.
func (r *run) inVain(now, since time.Time, doubts int) bool {
	return handling.InVain(doubts, now, since, r.GiveUp)
}

// prepay passes the call budget before an intent is written. A refusal becomes a wait.
func (r *run) prepay(ctx context.Context) (context.Context, *errWait) {
	paid, err := r.Gate.Prepay(ctx)
	if err == nil {
		return paid, nil
	}
	var held *providers.HeldError
	if errors.As(err, &held) {
		return nil, &errWait{after: held.RetryAfter, why: ledger.Reason{Code: "held", Message: held.Reason}, held: true}
	}
	return nil, &errWait{after: time.Second, why: ledger.Reason{Code: "held", Message: "the call budget cannot be asked"}, held: true}
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// tooLong reports whether a doubt is so old that a person has to decide.
func (r *run) tooLong(now, doubtAt time.Time) bool {
	return handling.Old(now, doubtAt, r.GiveUp)
}
