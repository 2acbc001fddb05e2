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

// task is what the queue says of one task.
type task struct {
	state string // as asynq spells it; "" when there is none
	// held: a worker holds it and extends its lease, which asynq writes and reads by the workers' own
	// clocks. Handing out, taking back and ending a task change state and lease at the same moment.
	held bool
}

// runs reports whether the task will run for the record, so that there is nothing to do.
func (t task) runs(v *ledger.View) bool {
	switch t.state {
	case asynq.TaskStatePending.String():
		return true
	case asynq.TaskStateScheduled.String(), asynq.TaskStateRetry.String():
		return !v.Abandoned()
	case asynq.TaskStateActive.String():
		// The record's times do not tell: a poll holds no claim, and an answer of "not yet" changes
		// nothing of the record.
		return !v.Abandoned() && t.held
	}
	return false
}

// askTask asks for one task in a pipeline. Its keys are asynq's own; a test holds their names against it.
func askTask(ctx context.Context, pipe redis.Pipeliner, queue, id string) func() (task, error) {
	at := "asynq:{" + queue + "}:"
	state, lease := pipe.HGet(ctx, at+"t:"+id, "state"), pipe.ZScore(ctx, at+"lease", id)
	return func() (task, error) {
		for _, err := range []error{state.Err(), lease.Err()} {
			if err != nil && !errors.Is(err, redis.Nil) {
				return task{}, err
			}
		}
		return task{state: state.Val(), held: lease.Val() > float64(time.Now().Unix())}, nil
	}
}

// taskStates reads in one round trip what the queue says of the tasks that the records need; nothing
// for records that need none.
func (s *Sweeper) taskStates(ctx context.Context, refs []ledger.Ref, views []*ledger.View) ([]task, error) {
	pipe := s.rdb.Pipeline()
	answers := make([]func() (task, error), len(refs))
	for i, v := range views {
		if v != nil && !v.State.Final() && !v.Live() {
			h := homeOf(refs[i], v)
			answers[i] = askTask(ctx, pipe, h.queue, h.id)
		}
	}
	if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
		return nil, fmt.Errorf("sweep: tasks: %w", err)
	}
	states := make([]task, len(refs))
	for i, answer := range answers {
		if answer == nil {
			continue
		}
		var err error
		if states[i], err = answer(); err != nil {
			return nil, fmt.Errorf("sweep: task of %s: %w", refs[i], err)
		}
	}
	return states, nil
}

// lookAt reads one task, state and lease at the same moment.
func (s *Sweeper) lookAt(ctx context.Context, queue, id string) (task, error) {
	pipe := s.rdb.TxPipeline()
	answer := askTask(ctx, pipe, queue, id)
	if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
		return task{}, err
	}
	return answer()
}

// besides is how many ids beside its own a record's task may have: more than one is in the way only
// when the queue has forgotten several without letting go of their ids.
const besides = 10

// ensureTask makes sure that a task will run for the record, at once where its runner has died. What
// is in the way and neither runs nor can be deleted is gone around, under an id beside it.
func (s *Sweeper) ensureTask(ctx context.Context, r ledger.Ref, v *ledger.View) error {
	h := homeOf(r, v)
	own, why := h.id, "its task is gone"
	for i := range 1 + besides {
		switch i {
		case 0:
		case 1:
			h.id = fmt.Sprintf("%s~%d", own, v.Fence)
		default:
			h.id = fmt.Sprintf("%s~%d.%d", own, v.Fence, i-1)
		}
		for range 2 { // once more when somebody was faster: a worker, a producer, another sweeper
			if done, err := s.settle(ctx, r, v, h, &why); done || err != nil {
				return err
			}
		}
	}
	return fmt.Errorf("sweep: %s: no task can be enqueued for it: every id is taken by a task that ended and cannot be deleted; "+
		"delete the keys asynq:{%s}:t:%s* in Redis, the sweeper does the rest", r, h.queue, own)
}

// settle makes sure that a task will run under the id of h; done is false when that id does not serve,
// for the reason in why.
func (s *Sweeper) settle(ctx context.Context, r ledger.Ref, v *ledger.View, h home, why *string) (done bool, err error) {
	t, err := s.lookAt(ctx, h.queue, h.id)
	if err != nil {
		return false, fmt.Errorf("sweep: %s: %w", r, err)
	}
	if t.runs(v) {
		return true, nil
	}
	switch t.state {
	case asynq.TaskStateActive.String():
		// The queue believes that a worker has it. A dead one's task comes back by itself only
		// after a minute or more, if at all; another id does not wait for that.
		*why = "its worker is gone"
		return false, nil
	case asynq.TaskStateScheduled.String(), asynq.TaskStateRetry.String():
		// When it cannot be run it has just begun to, or is gone: the next look tells.
		return s.inspector.RunTask(h.queue, h.id) == nil, nil
	case asynq.TaskStateArchived.String(), asynq.TaskStateCompleted.String():
		*why = "its task has ended without it"
		// asynq trims its archive without letting go of the ids: such a task can neither be run nor
		// deleted, and the next look finds it as it is.
		if err := s.inspector.DeleteTask(h.queue, h.id); err != nil && !errors.Is(err, asynq.ErrTaskNotFound) {
			return false, nil
		}
	}
	return s.bringBack(ctx, r, v, h, *why)
}

// bringBack enqueues the record's task again; done is false when its id is taken.
func (s *Sweeper) bringBack(ctx context.Context, r ledger.Ref, v *ledger.View, h home, why string) (done bool, err error) {
	p := tasks.Payload{Version: tasks.PayloadVersion, Provider: r.Provider, OrderID: r.OrderID, RefundID: r.RefundID,
		Lane: tasks.Lane(v.Lane), EnqueuedAt: v.CreatedAt, Shape: v.Shape, Fingerprint: v.Fingerprint, Document: v.Document}
	raw, err := json.Marshal(p)
	if err != nil {
		return false, fmt.Errorf("sweep: %s: %w", r, err)
	}
	_, err = s.queue.EnqueueContext(ctx, asynq.NewTask(h.taskType, raw), asynq.Queue(h.queue), asynq.TaskID(h.id),
		asynq.MaxRetry(tasks.MaxRetry), asynq.Timeout(s.TaskTimeout), asynq.Retention(s.Retention))
	if errors.Is(err, asynq.ErrTaskIDConflict) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("sweep: %s: %w", r, err)
	}
	s.Log.Warn("sweeper: brought an order back into the queue", "provider", string(r.Provider), "order", r.OrderID,
		"refund", r.RefundID, "state", string(v.State), "because", why)
	return true, nil
}
