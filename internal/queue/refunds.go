package queue

import (
	"context"

	"issuance/internal/ledger"
	"issuance/tasks/order"
)

// RunRefunds makes the tasks of an order's unfinished refunds run at once: what they wait for has ended. r is the
// order, or the refund that has ended.
func (c *Client) RunRefunds(ctx context.Context, l *ledger.Ledger, r order.Ref) error {
	refunds, err := l.Refunds(ctx, r)
	for _, rec := range refunds {
		if err == nil && !rec.State.Final() {
			err = c.Run(HomeOf(rec.Ref, rec.State, rec.Lane))
		}
	}
	return err
}
