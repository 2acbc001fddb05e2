package tasks

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// recheck is how often Wait reads the record even though no event came.
const recheck = 5 * time.Second

// Wait blocks until the order is final (settled, or in review) and returns its status; the context ends
// it early. It reads the stream of final statuses and holds one connection of the pool while it waits. An
// order that is not enqueued yet is waited for, too.
func (c *Client) Wait(ctx context.Context, a Account, orderID string, opts ...StatusOption) (*Status, error) {
	return c.waitFor(ctx, Ref{Account: a, OrderID: orderID}, func(s *Status) bool { return s.State.Final() }, opts...)
}

// WaitRefund blocks until a refund of the order is final and returns the order's status, whose State is the order's: that
// of the refund is in Status.Refund(refundID).
func (c *Client) WaitRefund(ctx context.Context, a Account, orderID, refundID string, opts ...StatusOption) (*Status, error) {
	return c.waitFor(ctx, Ref{Account: a, OrderID: orderID, RefundID: refundID}, func(s *Status) bool {
		r := s.Refund(refundID)
		return r != nil && r.State.Final()
	}, opts...)
}

func (c *Client) waitFor(ctx context.Context, r Ref, over func(*Status) bool, opts ...StatusOption) (*Status, error) {
	s, err := c.await(ctx, r, over, opts...)
	// A connection that ends with the context reports only an i/o timeout.
	if end := ended(ctx); err != nil && end != nil && !errors.Is(err, end) {
		err = fmt.Errorf("tasks: wait for %s: %w", r, end)
	}
	return s, err
}

// ended is ctx.Err, without waiting for the timer of a deadline that has passed.
func ended(ctx context.Context) error {
	if end, ok := ctx.Deadline(); ok && ctx.Err() == nil && !time.Now().Before(end) {
		return context.DeadlineExceeded
	}
	return ctx.Err()
}

func (c *Client) await(ctx context.Context, r Ref, over func(*Status) bool, opts ...StatusOption) (*Status, error) {
	var err error
	if r.Account, err = c.Account(ctx, r.Account); err != nil {
		return nil, err
	}
	// Events after this moment are read; what happened before is in the record.
	after, err := c.ledger.LastEvent(ctx)
	if err != nil {
		return nil, fmt.Errorf("tasks: wait for %s: %w", r, err)
	}
	wish := newStatusWish(opts)
	for {
		s, err := c.recorded(ctx, r.Order(), wish)
		if err != nil && !errors.Is(err, ErrUnknownOrder) {
			return nil, err
		}
		if err == nil && over(s) {
			return s, c.addWaits(ctx, s)
		}
		if after, err = c.awaitEvent(ctx, r.Order(), after); err != nil {
			return nil, fmt.Errorf("tasks: wait for %s: %w", r, err)
		}
	}
}

// awaitEvent returns when an event of the order came or the time to look again has come.
func (c *Client) awaitEvent(ctx context.Context, r Ref, after string) (string, error) {
	deadline := time.Now().Add(recheck)
	for time.Now().Before(deadline) {
		if err := ctx.Err(); err != nil {
			return after, err
		}
		// Short blocks, so that the context's end is noticed within a second.
		events, err := c.ledger.Events(ctx, after, 500, time.Second)
		if err != nil {
			return after, err
		}
		for _, e := range events {
			after = e.StreamID
			if e.Ref.Order() == r {
				return after, nil
			}
		}
	}
	return after, nil
}
