// Package handling is what the handlers of issuing, refunding and polling have in common: tasks that
// cannot be read or came to the wrong handler, claims that are another's, and results that have to be
// written down whatever becomes of the task.
//
// It imports tasks and internal/ledger, internal/seal, and no handler.
package handling

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"issuance/internal/ledger"
	"issuance/internal/seal"
	"issuance/tasks"
)

// recordTimeout bounds writing down a result on a context that outlives the task's.
const recordTimeout = 5 * time.Second

// Recording is a context for writing results down: a cancelled task must not lose one.
func Recording() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), recordTimeout)
}

// Unreadable handles a payload that this worker cannot read, by the error of tasks.DecodePayload. One
// that names a record of this handler's (ours) and is of a newer version waits for a newer worker, and
// goes to review when none comes; anything else is none of this program's, and is dropped.
func Unreadable(ctx context.Context, l *ledger.Ledger, log *slog.Logger, p tasks.Payload, err error, ours bool, review func(ledger.Reason) error) error {
	var newer *tasks.NewerPayloadError
	if !ours || !errors.As(err, &newer) {
		log.Error("alarm: a task of this queue holds a payload that is not this program's; it is dropped", "error", err)
		return nil
	}
	now, timeErr := l.Time(ctx)
	if timeErr != nil {
		return timeErr
	}
	if now.Sub(p.EnqueuedAt) < tasks.UpgradePatience {
		return tasks.Wait(5*time.Second, "waiting for a newer worker")
	}
	return review(ledger.Reason{Code: "newer_payload", Message: err.Error()})
}

// Misplaced handles a payload of ours that came to the wrong handler, which serves tasks of the given
// type. It names an order, so it is kept until it is where it belongs.
func Misplaced(log *slog.Logger, p tasks.Payload, handler string) error {
	log.Error("alarm: a task came to a handler that is not for it; check the worker's queues",
		"provider", string(p.Provider), "order", p.OrderID, "refund", p.RefundID, "handler", handler)
	return tasks.Wait(time.Minute, "this handler is not for this task")
}

// MissingKey waits when an error says that a seal key is missing; what says what cannot be done without.
func MissingKey(log *slog.Logger, what string, err error) (wait error, missing bool) {
	if !errors.Is(err, seal.ErrUnknownKey) {
		return nil, false
	}
	log.Error("alarm: "+what, "error", err)
	return tasks.Wait(time.Minute, "waiting for its seal key in ISSUANCE_SEAL_KEYS"), true
}

// Busy waits until the claim of another runner ends, by the clock that made it.
func Busy(ctx context.Context, l *ledger.Ledger, c ledger.Claim, lease time.Duration) error {
	now, err := l.Time(ctx)
	if err != nil {
		return err
	}
	return tasks.Wait(min(c.Until.Sub(now), lease), "another worker is at it")
}

// Recorded turns a transition's answer into the task's result. A refused one means that another
// runner has taken over: the queue runs the task again, and the ledger says what is left to do.
func Recorded(log *slog.Logger, lease time.Duration, what string, a ledger.Answer, err error) error {
	if err != nil || a.Applied {
		return err
	}
	log.Warn("a late answer is not applied: another run has taken over", "transition", what, "state", string(a.State))
	return tasks.Wait(lease, "another worker has taken over")
}
