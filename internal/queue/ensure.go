package queue

import (
	"context"
	"errors"
	"fmt"

	"issuance/internal/ledger"
	"issuance/tasks/order"
)

// Runs reports whether a task will run for a record, so that there is nothing to do.
func (t Task) Runs(v *ledger.View) bool {
	switch {
	case t.Pending():
		return true
	case t.Waiting():
		return !v.Abandoned()
	case t.Active():
		// The record's times do not show it: a poll claims its order only while it asks, and an answer of "not yet"
		// changes nothing of them.
		return !v.Abandoned() && t.Held
	}
	return false
}

// LookFor reads the task that runs for a record, under its own id or, where that one does not run, beside it.
func (c *Client) LookFor(ctx context.Context, r order.Ref, v *ledger.View) (Task, error) {
	h := HomeOf(r, v.State, v.Lane)
	t, err := c.find(ctx, h)
	if err != nil {
		return Task{}, err
	}
	if !t.Runs(v) {
		beside := h
		beside.ID = detour(h.ID, v.Fence, 1)
		switch other, err := c.find(ctx, beside); {
		case err != nil:
			return Task{}, err
		case other.Runs(v):
			h, t = beside, other
		}
	}
	if !t.Waiting() {
		return t, nil
	}
	return c.Look(ctx, h)
}

func (c *Client) find(ctx context.Context, h Home) (Task, error) {
	found, err := c.Find(ctx, []Home{h})
	if err != nil {
		return Task{}, err
	}
	return found[0], nil
}

// detour is the n-th id beside a record's own.
func detour(own string, fence, n int) string {
	if n == 1 {
		return fmt.Sprintf("%s~%d", own, fence)
	}
	return fmt.Sprintf("%s~%d.%d", own, fence, n-1)
}

// whyGone is why a task is made where there is none.
const whyGone = "its task is gone"

// detours is how many ids beside its own a record's task may have: more than one is in the way only
// when the queue has forgotten several without letting go of their ids.
const detours = 10

// Ensure makes sure that a task will run for an unfinished record, at once where its runner has died. It
// returns why one had to be made, or "" when there was one. What is in the way and neither runs nor can be
// deleted is gone around, under an id beside the record's own.
func (c *Client) Ensure(ctx context.Context, r order.Ref, v *ledger.View) (why string, err error) {
	h := HomeOf(r, v.State, v.Lane)
	own := h.ID
	reason := whyGone
	for i := range 1 + detours {
		if i > 0 {
			h.ID = detour(own, v.Fence, i)
		}
		for range 2 { // once more when somebody was faster: a worker, a producer, another sweeper
			made, done, err := c.settle(ctx, r, v, h, &reason)
			if err != nil {
				return "", fmt.Errorf("queue: %s: %w", r, err)
			}
			if made {
				return reason, nil
			}
			if done {
				return "", nil
			}
		}
	}
	return "", fmt.Errorf("queue: %s: every id is taken by a task that has ended and cannot be deleted; delete the keys asynq:{%s}:t:%s* in Redis", r, h.Queue, own)
}

// settle makes sure that a task will run under the id of h. done is false when that id does not serve, for
// the reason in why.
func (c *Client) settle(ctx context.Context, r order.Ref, v *ledger.View, h Home, why *string) (made, done bool, err error) {
	t, err := c.find(ctx, h)
	if err != nil {
		return false, false, err
	}
	switch {
	case t.Runs(v):
		return false, true, nil
	case t.Active():
		// The queue believes that a worker has it. A dead one's task comes back by itself only
		// after a minute or more, if at all; another id does not wait for that.
		*why = "its worker is gone"
		return false, false, nil
	case t.Waiting():
		// When it cannot be run it has just begun to, or is gone: the next look shows.
		return false, tell(ctx, func() error { return c.inspector.RunTask(h.Queue, h.ID) }) == nil, nil
	case t.Ended():
		*why = "its task has ended without it"
		if !c.Delete(ctx, h) {
			return false, false, nil
		}
	}
	err = c.Enqueue(ctx, r, h, "", 0)
	if errors.Is(err, ErrTaken) {
		return false, false, nil
	}
	return err == nil, err == nil, err
}
