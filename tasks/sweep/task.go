package sweep

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"issuance/internal/ledger"
	"issuance/tasks"
)

// home is where a record's task lives.
type home struct{ queue, taskType, id string }

// homeOf names the task that has to exist for a record to go on.
func homeOf(r ledger.Ref, v *ledger.View) home {
	lane, err := tasks.ParseLane(v.Lane)
	if err != nil {
		lane = tasks.Checkout
	}
	switch {
	case r.RefundID != "":
		return home{tasks.Queue(r.Provider, lane), tasks.RefundType(r.Provider), tasks.RefundID(r.Provider, r.OrderID, r.RefundID)}
	case v.State == ledger.Accepted:
		return home{tasks.Queue(r.Provider, tasks.Poll), tasks.PollType(r.Provider), tasks.PollID(r.Provider, r.OrderID)}
	default:
		return home{tasks.Queue(r.Provider, lane), tasks.IssueType(r.Provider), tasks.IssueID(r.Provider, r.OrderID)}
	}
}

// stuckAfter is how long a task may be "active" while nobody holds its record before it is taken
// for left behind. A running task claims its record within moments.
const stuckAfter = 2 * time.Minute

// taskStates reads in one round trip what the queue says of the tasks that the records need, as asynq
// spells it; "" for none, and for records that need none.
func (s *Sweeper) taskStates(ctx context.Context, refs []ledger.Ref, views []*ledger.View) ([]string, error) {
	pipe := s.rdb.Pipeline()
	cmds := make([]*redis.StringCmd, len(refs))
	for i, v := range views {
		if v != nil && !v.State.Final() && !v.Live() {
			h := homeOf(refs[i], v)
			cmds[i] = pipe.HGet(ctx, "asynq:{"+h.queue+"}:t:"+h.id, "state")
		}
	}
	if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
		return nil, fmt.Errorf("sweep: tasks: %w", err)
	}
	states := make([]string, len(refs))
	for i, c := range cmds {
		if c == nil {
			continue
		}
		if err := c.Err(); err != nil && !errors.Is(err, redis.Nil) {
			return nil, fmt.Errorf("sweep: task of %s: %w", refs[i], err)
		}
		states[i] = c.Val()
	}
	return states, nil
}

// runs reports whether a task in that state will run for the record, so that there is nothing to do.
// ensureTask knows what else to do.
func runs(v *ledger.View, state string) bool {
	switch state {
	case asynq.TaskStatePending.String():
		return true
	case asynq.TaskStateScheduled.String(), asynq.TaskStateRetry.String():
		return !v.Abandoned()
	case asynq.TaskStateActive.String():
		return !v.Abandoned() && v.Now.Sub(v.UpdatedAt) <= stuckAfter
	}
	return false
}

// ensureTask makes sure that a task will run for the record, at once where its runner has died.
func (s *Sweeper) ensureTask(ctx context.Context, r ledger.Ref, v *ledger.View) error {
	h := homeOf(r, v)
	info, err := s.inspector.GetTaskInfo(h.queue, h.id)
	gone := errors.Is(err, asynq.ErrTaskNotFound) || errors.Is(err, asynq.ErrQueueNotFound)
	if err != nil && !gone {
		return fmt.Errorf("sweep: %s: %w", r, err)
	}
	switch {
	case gone:
		return s.bringBack(ctx, r, v, h, "its task is gone")
	case info.State == asynq.TaskStateActive:
		// The queue believes that a worker has it. A dead one's task comes back by itself only
		// after a minute or more; another id does not wait for that.
		if v.Abandoned() || v.Now.Sub(v.UpdatedAt) > stuckAfter {
			h.id = fmt.Sprintf("%s~%d", h.id, v.Fence)
			return s.bringBack(ctx, r, v, h, "its worker is gone")
		}
		return nil
	case info.State == asynq.TaskStateArchived, info.State == asynq.TaskStateCompleted:
		if err := s.inspector.DeleteTask(h.queue, h.id); err != nil && !errors.Is(err, asynq.ErrTaskNotFound) {
			h.id = fmt.Sprintf("%s~%d", h.id, v.Fence) // it cannot be deleted either: go around it
		}
		return s.bringBack(ctx, r, v, h, "its task has ended without it")
	case v.Abandoned() && (info.State == asynq.TaskStateRetry || info.State == asynq.TaskStateScheduled):
		if err := s.inspector.RunTask(h.queue, h.id); err != nil && !errors.Is(err, asynq.ErrTaskNotFound) {
			return fmt.Errorf("sweep: %s: %w", r, err)
		}
		return nil
	}
	return nil // pending, or waiting for its time
}

// bringBack enqueues the record's task again. That it is there already is as good.
func (s *Sweeper) bringBack(ctx context.Context, r ledger.Ref, v *ledger.View, h home, why string) error {
	p := tasks.Payload{Version: tasks.PayloadVersion, Provider: r.Provider, OrderID: r.OrderID, RefundID: r.RefundID,
		Lane: tasks.Lane(v.Lane), EnqueuedAt: v.CreatedAt, Shape: v.Shape, Fingerprint: v.Fingerprint, Document: v.Document}
	raw, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("sweep: %s: %w", r, err)
	}
	_, err = s.queue.EnqueueContext(ctx, asynq.NewTask(h.taskType, raw), asynq.Queue(h.queue), asynq.TaskID(h.id),
		asynq.MaxRetry(tasks.MaxRetry), asynq.Timeout(s.TaskTimeout), asynq.Retention(s.Retention))
	if errors.Is(err, asynq.ErrTaskIDConflict) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("sweep: %s: %w", r, err)
	}
	s.Log.Warn("sweeper: brought an order back into the queue", "provider", string(r.Provider), "order", r.OrderID,
		"refund", r.RefundID, "state", string(v.State), "because", why)
	return nil
}
