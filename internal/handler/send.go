package handler

import (
	"context"
	"errors"
	"time"

	"issuance/internal/ledger"
	"issuance/internal/queue"
	"issuance/providers"
	"issuance/tasks/order"
)

// All says that an intent is for all of a record, not for one ticket of a refund.
const All = -1

// Send passes the call budget, writes the intent, and makes the call. Where no call was made, the result
// ends the run. Otherwise the outcome is the handler's to settle. The claim is looked at once more right before the
// call: a process or a Redis that stood still between the intent and the call may have lost it meanwhile.
func (r *Run) Send(ctx context.Context, ticket int, call func(context.Context) providers.Outcome) (providers.Outcome, Result, error) {
	if r.Rec.Bans >= MaxBans {
		return providers.Outcome{}, DrawsBan(r.Rec.Bans), nil
	}
	paid, err := r.Gate.Prepay(ctx)
	if err != nil {
		return providers.Outcome{}, heldBack(err), nil
	}
	asked := r.Now()
	providers.LeaveWithin(paid, r.Lease) // it may wait once more, for calls that have just left
	a, attempts, err := r.Ledger.Submit(ctx, r.Ref, r.Rec.Fence, ledger.Intent{Host: providers.Site(r.Provider), Lease: r.Lease, Ticket: ticket})
	if err != nil {
		// The intent may stand all the same (too few replicas have it), but nothing was sent.
		r.unsent(ticket)
		return providers.Outcome{}, GoOn(), err
	}
	if !a.Applied {
		return providers.Outcome{}, GoOn(), r.Written("submit", a, nil)
	}
	r.Rec.Attempts, r.Rec.SentAt = attempts, a.At
	if r.Rec.FirstSentAt.IsZero() {
		r.Rec.FirstSentAt = a.At
	}
	r.Rec.AbsentAt, r.Rec.AbsentLast = time.Time{}, time.Time{}
	// The intent made the claim valid for a lease, counted from after we asked for it.
	if ctx.Err() != nil || elapsed(asked, r.Now()) >= r.Lease {
		r.Log.Warn("nothing was sent: the claim may have run out between the intent and the call", "attempt", attempts)
		return providers.Outcome{}, r.withdrawn(ticket), nil
	}
	began := time.Now()
	out := call(paid)
	r.Log.Info("answered", "attempt", attempts, "ticket", ticket+1, "outcome", string(out.Kind), "code", out.Code, "took", time.Since(began).Round(time.Millisecond))
	r.Alarm(out)
	r.banSent = out.Banned
	if out.Settled() && !out.Unasked() || out.Exists {
		r.passed.add(r.Ref.OrderID, a.At)
	}
	return out, GoOn(), nil
}

// elapsed is the time between two moments. A machine that was suspended notices it by its wall clock alone.
func elapsed(from, to time.Time) time.Duration {
	return max(to.Sub(from), to.Round(0).Sub(from.Round(0)))
}

// withdrawn takes an intent back of which nothing was sent, and waits. If the claim was lost, whoever has it now looks
// the request up.
func (r *Run) withdrawn(ticket int) Result {
	res := WaitFor(time.Second, ledger.Reason{}, "nothing was sent: the claim may have run out")
	if ticket >= 0 {
		r.unsent(ticket)
		return res
	}
	return res.As(ledger.NotSent)
}

// unsent takes back an intent of which nothing was sent. Should that fail, it is in doubt.
func (r *Run) unsent(ticket int) {
	ctx, cancel := r.Recording()
	defer cancel()
	if ticket >= 0 {
		before := r.Rec.Tickets[ticket]
		_, _ = r.Ledger.SettleTicket(ctx, r.Ref, r.Rec.Fence, ticket, ledger.Settlement{State: before.State, DoubtAt: before.DoubtAt, NotSent: true})
		return
	}
	_, _ = r.Ledger.GiveBack(ctx, r.Ref, r.Rec.Fence, ledger.NotSent, ledger.Reason{})
}

// heldBack waits because no call may leave now.
func heldBack(err error) Result {
	var held *providers.HeldError
	if !errors.As(err, &held) {
		// Nobody knows whether a call is allowed (Redis slow or away): none leaves.
		return WaitFor(time.Second, ledger.Reason{}, "the call budget cannot be asked").Holding()
	}
	why := ledger.Reason{}
	if held.RetryAfter > time.Minute {
		why = ledger.Reason{Code: string(order.CodeHeld), Message: held.Reason}
	}
	return WaitFor(held.RetryAfter, why, held.Reason).Holding()
}

// Alarm reports an outcome that a person has to act on, and keeps in mind that a call drew a ban.
func (r *Run) Alarm(out providers.Outcome) {
	Refused(r.Log, out)
	if out.Banned {
		r.ban, r.banSent = &out, false
	}
}

// KeyMissing reports that what cannot be opened for want of its seal key, and returns how long to wait for that.
func (r *Run) KeyMissing(what string, err error) time.Duration {
	KeyMissing(r.Log, what, err, r.Config.KeyMissing)
	return r.KeyWaits.Next()
}

// Later is when to try again after an outcome without effect.
func (r *Run) Later(out providers.Outcome) time.Duration { return Later(out, r.Rec.Attempts-1) }

// Later is when to try again after an outcome without effect, the later the more tries there were. A call that
// never left is the account's trouble, which the call budget holds for all of its orders: it need not be late.
func Later(out providers.Outcome, tries int) time.Duration {
	switch {
	case out.RetryAfter > 0:
		return out.RetryAfter
	case out.Kind == providers.NotSent:
		return queue.Backoff(tries, 2*time.Second, 10*time.Second)
	}
	return queue.Backoff(tries, 2*time.Second, 2*time.Minute)
}
