package queue

import (
	"context"
	"errors"
	"fmt"

	"issuance/internal/ledger"
	"issuance/tasks/order"
)

// Wake makes sure at once, without waiting for a sweep, that unfinished records have tasks that will run. A record
// that does not exist is a ledger.ErrNotFound, and keeps the others from nothing.
func (c *Client) Wake(ctx context.Context, l *ledger.Ledger, refs ...order.Ref) error {
	views, err := l.Views(ctx, refs)
	if err != nil {
		return err
	}
	tasks, err := c.EnsureAll(ctx, refs, views)
	for i, t := range tasks {
		if err = errors.Join(err, t.Err); views[i] == nil {
			err = errors.Join(err, fmt.Errorf("queue: %s: %w", refs[i], ledger.ErrNotFound))
		}
	}
	return err
}

// RunRefunds makes the tasks of an order's unfinished refunds run at once: what they wait for has ended. r is the
// order, or the refund that has ended.
func (c *Client) RunRefunds(ctx context.Context, l *ledger.Ledger, r order.Ref) error {
	refunds, err := l.Refunds(ctx, r)
	for _, rec := range refunds {
		if err == nil && !rec.State.Final() {
			err = c.Run(ctx, HomeOf(rec.Ref, rec.State, rec.Lane))
		}
	}
	return err
}
