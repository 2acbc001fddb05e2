package ledger

import (
	"context"
	"fmt"

	"github.com/redis/go-redis/v9"

	"issuance/internal/keys"
	"issuance/tasks/order"
)

// Decision is something that a person did to a record or an account.
type Decision struct {
	What string // "erase", "pause", "resume", …
	order.Ref
	Who, Reason string
}

// Decided appends a decision to the stream keys.Decisions, which is never trimmed: it is short, and it is
// the only place that outlives the records. The time is the entry's id.
func (l *Ledger) Decided(ctx context.Context, d Decision) error {
	err := l.rdb.XAdd(ctx, &redis.XAddArgs{Stream: keys.Decisions, Values: []any{"what", d.What, "account", d.Account.String(),
		"order_id", d.OrderID, "refund_id", d.RefundID, "who", d.Who, "reason", d.Reason}}).Err()
	if err != nil {
		return fmt.Errorf("ledger: decision: %w", err)
	}
	return nil
}
