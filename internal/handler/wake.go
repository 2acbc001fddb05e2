package handler

import (
	"context"
	"log/slog"

	"issuance/internal/ledger"
	"issuance/internal/queue"
	"issuance/tasks/order"
)

// RefundWaker makes the tasks of an order's refunds run at once, for Config.Wake. What fails is logged: the
// refunds go on at their time.
func RefundWaker(l *ledger.Ledger, q *queue.Client, log *slog.Logger) func(context.Context, order.Ref) {
	return func(ctx context.Context, r order.Ref) {
		if err := q.RunRefunds(ctx, l, r); err != nil {
			LogOf(log, r).Warn("refunds that wait for this order could not be woken; they go on later", "error", err)
		}
	}
}
