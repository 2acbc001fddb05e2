package tasks

import (
	"context"
	"fmt"
	"time"

	"issuance/internal/budget"
	"issuance/internal/queue"
	"issuance/tasks/order"
)

// addWaits says of everything unfinished in a status what it waits for.
func (c *Client) addWaits(ctx context.Context, s *Status) error {
	if s.Ended() {
		return nil
	}
	held, err := c.budgetOf(ctx, s.Account)
	if err != nil {
		return fmt.Errorf("tasks: status: %w", err)
	}
	if !s.State.Final() && s.State != Elsewhere {
		if s.Waits, err = c.waits(ctx, held, s.Ref(), s.State, s.Lane); err != nil {
			return err
		}
	}
	for i := range s.Refunds {
		if r := &s.Refunds[i]; !r.State.Final() {
			if r.Waits, err = c.waits(ctx, held, s.Ref().Refund(r.RefundID), r.State, r.Lane); err != nil {
				return err
			}
		}
	}
	return nil
}

// waits looks at a record's task. A task that is gone is the sweeper's to bring back.
func (c *Client) waits(ctx context.Context, b budget.State, r Ref, state State, lane Lane) (*Waiting, error) {
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
	if why, until, held := b.Held(laneOf(state, lane)); held {
		w.Held, w.HeldUntil = why, stamp(until)
	}
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

// laneOf is the lane of the next call for a record.
func laneOf(state State, lane Lane) Lane {
	switch {
	case state == Accepted:
		return order.Poll
	case lane == Bulk:
		return Bulk
	}
	return Checkout
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

// budgetOf is the call budget of an account as it stands; zero when no worker has announced it.
func (c *Client) budgetOf(ctx context.Context, a Account) (budget.State, error) {
	announced, err := c.announced(ctx)
	if err != nil {
		return budget.State{}, err
	}
	for _, n := range announced {
		if n.Account == a {
			b, err := budget.New(c.rdb, budget.Config{Account: a, Allowance: n.Allowance, PerSecond: n.PerSecond})
			if err != nil {
				return budget.State{}, err
			}
			return b.State(ctx)
		}
	}
	return budget.State{}, nil
}
