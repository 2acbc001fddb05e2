package handler

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/hibiken/asynq"

	"issuance/internal/queue"
	"issuance/providers"
	"issuance/tasks/order"
)

// Decode reads which record a task is for. A payload that is not this program's is dropped with an alarm; a
// newer version's is good as long as it names a record, for the record says the rest.
func Decode(log *slog.Logger, t *asynq.Task) (r order.Ref, ok bool) {
	r, _, err := queue.Decode(t.Payload())
	var newer *queue.NewerVersionError
	readable := errors.As(err, &newer) && providers.ValidMerchant(r.Account.Merchant) && r.OrderID != ""
	if err != nil && !readable {
		log.Error("alarm: a task holds a payload that is not this program's; it is dropped", "type", t.Type(), "error", err)
		return r, false
	}
	return r, true
}

// LogOf names a record in log lines.
func LogOf(log *slog.Logger, r order.Ref) *slog.Logger {
	log = log.With("account", r.Account.String(), "order", r.OrderID)
	if r.IsRefund() {
		log = log.With("refund", r.RefundID)
	}
	return log
}

// NoRecord reports a task without a record. It is dropped: nobody has receipted such a document, and who can
// merely write to the queue must not issue or refund anything.
func NoRecord(log *slog.Logger) {
	log.Error("alarm: a task names an order or refund that the ledger does not know; nothing is done")
}

// NewerRecord leaves a record alone that a newer program wrote: this one would not understand all of it.
func NewerRecord(log *slog.Logger) error {
	stands(log, "the record was written by a newer version; upgrade this worker")
	return queue.Wait(time.Minute, "waiting for a worker of a newer version")
}

// Misplaced handles a task that came to the wrong handler. It names a record, so it is kept until it is
// where it belongs.
func Misplaced(log *slog.Logger, taskType string) error {
	stands(log, "a task came to a handler that is not for it; check the worker's queues", "type", taskType)
	return queue.Wait(time.Minute, "this handler is not for this task")
}

// ByAccount leads the tasks of several accounts to their handlers; find is nil for an account that this worker does not
// serve. Those wait: they are never worked on under another one.
func ByAccount(log *slog.Logger, find func(providers.Account) asynq.Handler) asynq.Handler {
	return asynq.HandlerFunc(func(ctx context.Context, t *asynq.Task) error {
		r, ok := Decode(log, t)
		if !ok {
			return nil
		}
		if h := find(r.Account); h != nil {
			return h.ProcessTask(ctx, t)
		}
		return queue.Wait(time.Second, queue.NowhereText+r.Account.String())
	})
}

// Among finds handlers that do not change.
func Among(handlers map[providers.Account]asynq.Handler) func(providers.Account) asynq.Handler {
	return func(a providers.Account) asynq.Handler { return handlers[a] }
}
