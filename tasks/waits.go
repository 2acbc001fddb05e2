package tasks

import (
	"context"
	"errors"
	"fmt"
	"time"

	"issuance/internal/budget"
	"issuance/internal/ledger"
	"issuance/internal/queue"
)

// addWaits says of everything unfinished in a status what it waits for.
func (c *Client) addWaits(ctx context.Context, s *Status) error {
	var refs []Ref
	var into []**Waiting
	if !s.State.Final() && s.State != Elsewhere {
		refs, into = append(refs, s.Ref()), append(into, &s.Waits)
	}
	for i := range s.Refunds {
		if r := &s.Refunds[i]; !r.State.Final() {
			refs, into = append(refs, s.Ref().Refund(r.RefundID)), append(into, &r.Waits)
		}
	}
	if len(refs) == 0 {
		return nil
	}
	views, err := c.ledger.Views(ctx, refs)
	if err != nil {
		return fmt.Errorf("tasks: status: %w", err)
	}
	for i, v := range views {
		if v == nil || v.State.Final() { // since a moment ago
			continue
		}
		if *into[i], err = c.waits(ctx, refs[i], v); err != nil {
			return fmt.Errorf("tasks: status: %w", err)
		}
	}
	return nil
}

// waits looks at a record's task. A task that is gone is the sweeper's to bring back.
func (c *Client) waits(ctx context.Context, r Ref, v *ledger.View) (*Waiting, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	t, err := c.queue.LookFor(ctx, r, v)
	if err != nil {
		return nil, err
	}
	name := queue.HomeOf(r, v.State, v.Lane).Queue
	served, unknown := c.serves(ctx, r.Account, name)
	w := &Waiting{NoWorker: unknown == nil && !served}
	reason, until, held, err := budget.HeldNow(ctx, c.rdb, r.Account, laneOf(v))
	if err != nil {
		return nil, err
	}
	if held {
		w.Held, w.HeldUntil = reason, stamp(until)
	}
	switch {
	case v.Live() || t.Active() && t.Runs(v):
		w.For = "the worker that is working on it"
	case !t.Runs(v):
		w.For = "the sweeper, which brings its task back within " + sweepWithin.String()
	case t.Pending():
		w.For = "a free worker"
		err = c.addHold(ctx, w, name)
	default:
		w.lastRun(t)
		if !held && budget.IsHold(w.For) { // that is over, and the task notices at its next try
			w.For, w.Until = "its next try", nil
		}
	}
	return w, err
}

// lastRun says why a task waits for its time, by the answer of its last run.
func (w *Waiting) lastRun(t queue.Task) {
	w.NextAt = stamp(t.Next)
	reason, until, known := queue.ParseWait(t.Why)
	switch {
	case known:
		w.For, w.Until = reason, stamp(until)
	case t.Why != "":
		w.For = "another try after an error: " + t.Why
	default:
		w.For = "its next look"
	}
}

// addHold says why no worker takes a task although it could run: its account or its queue is held.
func (c *Client) addHold(ctx context.Context, w *Waiting, name string) error {
	if w.Held != "" {
		w.For, w.Until = w.Held, w.HeldUntil
		return nil
	}
	paused, err := c.queue.Paused(ctx, name)
	if err == nil && paused {
		w.For = "its queue, which is paused"
	}
	return err
}

// laneOf is the lane of a record's next calls.
func laneOf(v *ledger.View) Lane {
	switch {
	case v.State == Accepted:
		return "poll"
	case v.Lane == Bulk:
		return Bulk
	}
	return Checkout
}

// sweepWithin is how soon a worker's sweeper brings back a task that is gone.
const sweepWithin = 30 * time.Second

// WorkerServes reports whether any worker serves an account in a lane, as far as the workers' heartbeats and
// announcements say.
func (c *Client) WorkerServes(ctx context.Context, a Account, lane Lane) (bool, error) {
	served, err := c.serves(ctx, a, queue.Name(a.Provider, lane))
	if err != nil {
		return false, fmt.Errorf("tasks: %w", err)
	}
	return served, nil
}

// serves reports whether any worker serves a queue for an account. Looking for workers also tidies their list,
// which a replica refuses: then it is not known.
func (c *Client) serves(ctx context.Context, a Account, name string) (bool, error) {
	served, err := c.queue.Served(name)
	if err != nil || !served {
		return false, err
	}
	at, err := budget.LastAnnounced(ctx, c.rdb, a)
	if errors.Is(err, budget.ErrNotAnnounced) { // by nobody yet: the queue is all that is known
		return true, nil
	}
	return time.Since(at) < budget.Silent, err
}
