package queue

import (
	"context"
	"errors"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"issuance/tasks/order"
)

// Batch enqueues many tasks in one pipeline: asynq's own client writes its commands into it. asynq
// is not aware of it: to asynq it is a Redis that takes every task; what Redis really answered is known
// after the pipeline was executed.
//
// It is made for one execution of one pipeline and not safe for concurrent use.
type Batch struct {
	// Only the three methods below are called when a task is enqueued for now. Should asynq come
	// to call another one, the nil interface panics, and so do the tests of the batch.
	redis.UniversalClient
	client *Client
	asynq  *asynq.Client
	pipe   redis.Pipeliner
	sent   *redis.Cmd // the last one asynq has sent
	tasks  []batched
	queues []*redis.IntCmd // the set of queues gets new members
	script error           // when set, the answer to every script's hash, so that its text is sent
}

// batched is the command that enqueues one task, or why there is none.
type batched struct {
	cmd *redis.Cmd
	err error
}

// Batch begins a batch in a pipeline, which the caller may put more into, and executes. noScript is nil,
// or the error of an earlier execution for which ledger.NoScript is true: scripts are then sent whole.
func (c *Client) Batch(pipe redis.Pipeliner, noScript error) *Batch {
	b := &Batch{client: c, pipe: pipe, script: noScript}
	b.asynq = asynq.NewClientFromRedisClient(b)
	return b
}

// Add puts a record's task into the pipeline.
func (b *Batch) Add(ctx context.Context, r order.Ref, h Home, trace string) {
	b.sent = nil
	_, err := b.asynq.EnqueueContext(ctx, asynq.NewTask(h.Type, Encode(r, trace)), b.client.options(h)...)
	if err == nil && b.sent == nil {
		err = errors.New("queue: asynq enqueues otherwise than by a script")
	}
	b.tasks = append(b.tasks, batched{b.sent, err})
}

// Result says, once the pipeline was executed, how task i fared: nil, ErrTaken, or an error after which
// the task may or may not be in its queue.
func (b *Batch) Result(i int) error {
	t := b.tasks[i]
	if t.err != nil {
		return t.err
	}
	switch made, err := t.cmd.Int(); {
	case err != nil:
		return err
	case made == 0:
		return ErrTaken
	}
	for _, cmd := range b.queues { // the task is there otherwise, but no web UI would show its queue
		if cmd.Err() != nil {
			return cmd.Err()
		}
	}
	return nil
}

// EvalSha implements redis.UniversalClient: asynq enqueues by a script.
func (b *Batch) EvalSha(ctx context.Context, sha string, keys []string, args ...any) *redis.Cmd {
	if b.script != nil {
		cmd := redis.NewCmd(ctx)
		cmd.SetErr(b.script)
		return cmd
	}
	return b.send(ctx, b.pipe.EvalSha(ctx, sha, keys, args...))
}

// Eval implements redis.UniversalClient: asynq calls it when Redis does not know its script.
func (b *Batch) Eval(ctx context.Context, script string, keys []string, args ...any) *redis.Cmd {
	return b.send(ctx, b.pipe.Eval(ctx, script, keys, args...))
}

// SAdd implements redis.UniversalClient: asynq keeps a set of all queues.
func (b *Batch) SAdd(ctx context.Context, key string, members ...any) *redis.IntCmd {
	b.queues = append(b.queues, b.pipe.SAdd(ctx, key, members...))
	return redis.NewIntCmd(ctx)
}

// send remembers a command and answers asynq that the task was taken.
func (b *Batch) send(ctx context.Context, cmd *redis.Cmd) *redis.Cmd {
	b.sent = cmd
	taken := redis.NewCmd(ctx)
	taken.SetVal(int64(1))
	return taken
}
