package tasks

import (
	"context"
	"fmt"
	"time"

	"issuance/internal/queue"
)

// addWaits says of everything unfinished in a status what it waits for.
func (c *Client) addWaits(ctx context.Context, s *Status) error {
	var err error
	if !s.State.Final() && s.State != Elsewhere {
		if s.Waits, err = c.waits(ctx, s.Ref(), s.State, s.Lane); err != nil {
			return err
		}
	}
	for i := range s.Refunds {
		if r := &s.Refunds[i]; !r.State.Final() {
			if r.Waits, err = c.waits(ctx, s.Ref().Refund(r.RefundID), r.State, r.Lane); err != nil {
				return err
			}
		}
	}
	return nil
}

// waits looks at a record's task. A task that is gone is the sweeper's to bring back.
func (c *Client) waits(ctx context.Context, r Ref, state State, lane Lane) (*Waiting, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	h := queue.HomeOf(r, state, lane)
	t, err := c.queue.Look(h)
	if err != nil {
		return nil, fmt.Errorf("tasks: status: %w", err)
	}
	served, err := c.queue.Served(h.Queue)
	if err != nil {
		return nil, fmt.Errorf("tasks: status: %w", err)
	}
	w := &Waiting{NoWorker: !served}
	reason, until, known := queue.ParseWait(t.Why)
	switch {
	case t.Waiting() && known:
		w.For, w.Until, w.NextAt = reason, stamp(until), stamp(t.Next)
	case t.Waiting() && t.Why != "":
		w.For, w.NextAt = "another try after an error: "+t.Why, stamp(t.Next)
	case t.Waiting():
		w.For, w.NextAt = "its next look", stamp(t.Next)
	case t.Active():
		w.For = "the worker that is working on it"
	case t.Pending():
		w.For = "a free worker"
	default:
		w.For = "the sweeper, which brings its task back within " + sweepWithin.String()
	}
	return w, nil
}

// sweepWithin is how soon a worker's sweeper brings back a task that is gone.
const sweepWithin = 30 * time.Second

// WorkerServes reports whether any worker serves the queue of an account's provider in a lane, as far as the
// workers' heartbeats say.
func (c *Client) WorkerServes(a Account, lane Lane) (bool, error) {
	served, err := c.queue.Served(queue.Name(a.Provider, lane))
	if err != nil {
		return false, fmt.Errorf("tasks: %w", err)
	}
	return served, nil
}
