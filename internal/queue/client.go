package queue

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"issuance/internal/keys"
	"issuance/tasks/order"
)

// Options of a Client. The zero value of a field means its default.
type Options struct {
	Timeout   time.Duration // of one run of a task; whole seconds. Default DefaultTimeout
	Retention time.Duration // how long a finished task stays visible. Default DefaultRetention
}

// Client makes and finds the tasks of records. Safe for concurrent use.
type Client struct {
	rdb       redis.UniversalClient
	asynq     *asynq.Client
	inspector *asynq.Inspector
	opt       Options
}

// NewClient makes a client over rdb, which stays the caller's to close.
func NewClient(rdb redis.UniversalClient, opt Options) *Client {
	if opt.Timeout <= 0 {
		opt.Timeout = DefaultTimeout
	}
	if opt.Retention <= 0 {
		opt.Retention = DefaultRetention
	}
	return &Client{rdb: rdb, asynq: asynq.NewClientFromRedisClient(rdb), inspector: asynq.NewInspectorFromRedisClient(rdb), opt: opt}
}

// ErrTaken says that a task of this id is there already.
var ErrTaken = asynq.ErrTaskIDConflict

// Enqueue makes a record's task, to run after delay (whole seconds). ErrTaken says that there is one.
func (c *Client) Enqueue(ctx context.Context, r order.Ref, h Home, trace string, delay time.Duration) error {
	options := c.options(h)
	if delay > 0 {
		options = append(options, asynq.ProcessIn(delay))
	}
	_, err := c.asynq.EnqueueContext(ctx, asynq.NewTask(h.Type, Encode(r, trace)), options...)
	return err
}

// EnqueueOnce makes a task that is no record's and of which nothing stays when it has ended, so that its id can be used
// again. ErrTaken says that there is one.
func (c *Client) EnqueueOnce(ctx context.Context, h Home, payload []byte, timeout time.Duration) error {
	_, err := c.asynq.EnqueueContext(ctx, asynq.NewTask(h.Type, payload), asynq.Queue(h.Queue), asynq.TaskID(h.ID), asynq.MaxRetry(MaxRetry), asynq.Timeout(timeout))
	return err
}

func (c *Client) options(h Home) []asynq.Option {
	return []asynq.Option{asynq.Queue(h.Queue), asynq.TaskID(h.ID), asynq.MaxRetry(MaxRetry), asynq.Timeout(c.opt.Timeout), asynq.Retention(c.opt.Retention)}
}

// Run makes a waiting task run at once. One that does not wait, or is not there, is left as it is.
func (c *Client) Run(ctx context.Context, h Home) error {
	err := tell(ctx, func() error { return c.inspector.RunTask(h.Queue, h.ID) })
	if err == nil || missing(err) {
		return nil
	}
	// asynq has no error of its own for "it runs, or is about to". A task that is there does, or did
	// since; only one that cannot be looked at is a reason to complain.
	if _, infoErr := c.info(ctx, h); infoErr == nil || missing(infoErr) {
		return nil
	}
	return fmt.Errorf("queue: run %s: %w", h.ID, err)
}

func missing(err error) bool {
	return errors.Is(err, asynq.ErrTaskNotFound) || errors.Is(err, asynq.ErrQueueNotFound)
}

// Task is what the queue holds of one task.
type Task struct {
	State string // as asynq spells it; "" when there is none
	// Held: a worker holds it and extends its lease, which asynq writes and reads by the workers' own
	// clocks. Handing out, taking back and ending a task change state and lease at the same moment.
	Held bool
	Next time.Time // scheduled and retry: when it runs next
	Why  string    // retry: what its last run answered
	// InLine: it waits in the line of its account (package fair), which lets it go on. Next is a safety net then, later than its
	// turn, that nobody should be shown.
	InLine bool
}

// Waiting reports whether the task waits for its time.
func (t Task) Waiting() bool {
	return t.State == asynq.TaskStateScheduled.String() || t.State == asynq.TaskStateRetry.String()
}

// Scheduled reports whether the task waits for its first run.
func (t Task) Scheduled() bool { return t.State == asynq.TaskStateScheduled.String() }

// Ended reports whether the task is there and will not run again.
func (t Task) Ended() bool {
	return t.State == asynq.TaskStateArchived.String() || t.State == asynq.TaskStateCompleted.String()
}

// Active reports whether the queue believes that a worker has the task.
func (t Task) Active() bool { return t.State == asynq.TaskStateActive.String() }

// Pending reports whether the task runs as soon as a worker is free.
func (t Task) Pending() bool { return t.State == asynq.TaskStatePending.String() }

// Find reads many tasks in one round trip, state and lease of each; Next, Why and InLine are left out.
func (c *Client) Find(ctx context.Context, homes []Home) ([]Task, error) {
	pipe := c.rdb.Pipeline()
	states, leases := make([]*redis.StringCmd, len(homes)), make([]*redis.FloatCmd, len(homes))
	for i, h := range homes {
		states[i] = pipe.HGet(ctx, keys.Task(h.Queue, h.ID), "state")
		leases[i] = pipe.ZScore(ctx, keys.Queue(h.Queue)+"lease", h.ID)
	}
	if len(homes) > 0 {
		_, _ = pipe.Exec(ctx) // each command has its error
	}
	out := make([]Task, len(homes))
	for i := range homes {
		for _, err := range []error{states[i].Err(), leases[i].Err()} {
			if err != nil && !errors.Is(err, redis.Nil) {
				return nil, fmt.Errorf("queue: %s: %w", homes[i].ID, err)
			}
		}
		out[i] = Task{State: states[i].Val(), Held: leases[i].Val() > float64(time.Now().Unix())}
	}
	return out, nil
}

// Look reads one task, with when it runs next, why it waits, and whether that is in its account's line; Held is left out.
func (c *Client) Look(ctx context.Context, h Home) (Task, error) {
	info, err := c.info(ctx, h)
	if missing(err) {
		return Task{}, nil
	}
	if err != nil {
		return Task{}, fmt.Errorf("queue: %s: %w", h.ID, err)
	}
	t := Task{State: info.State.String(), Why: info.LastErr}
	if !t.Waiting() {
		return t, nil
	}
	t.Next = info.NextProcessAt
	return c.lookInLine(ctx, h, t)
}

func (c *Client) info(ctx context.Context, h Home) (*asynq.TaskInfo, error) {
	return ask(ctx, func() (*asynq.TaskInfo, error) { return c.inspector.GetTaskInfo(h.Queue, h.ID) })
}

// Delete removes a task that has ended. done is false when the queue does not let go of it: asynq trims
// its archive without letting go of the ids.
func (c *Client) Delete(ctx context.Context, h Home) (done bool) {
	err := tell(ctx, func() error { return c.inspector.DeleteTask(h.Queue, h.ID) })
	return err == nil || missing(err)
}

// Paused reports whether a queue is paused, by a person in the web UI or by a worker.
func (c *Client) Paused(ctx context.Context, queue string) (bool, error) {
	n, err := c.rdb.Exists(ctx, keys.Queue(queue)+"paused").Result()
	if err != nil {
		return false, fmt.Errorf("queue: %s: %w", queue, err)
	}
	return n > 0, nil
}

// Served reports whether any worker serves a queue, as far as the workers' last heartbeats say.
func (c *Client) Served(ctx context.Context, queue string) (bool, error) {
	servers, err := ask(ctx, c.inspector.Servers)
	if err != nil {
		return false, fmt.Errorf("queue: workers: %w", err)
	}
	for _, s := range servers {
		if _, ok := s.Queues[queue]; ok && s.Status == "active" {
			return true, nil
		}
	}
	return false, nil
}
