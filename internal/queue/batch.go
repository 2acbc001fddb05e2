package queue

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"issuance/internal/ledger"
	"issuance/tasks/order"
)

// Batch makes many tasks in one pipeline: asynq's own client writes its commands into it. asynq is not
// aware of it: to asynq it is a Redis that takes every task; what Redis really answered is known after the
// pipeline was executed.
//
// It is made for one execution of one pipeline and not safe for concurrent use.
type Batch struct {
	// Only the three methods below are called when a task is enqueued for now. Should asynq come
	// to call another one, the nil interface panics, and so do the tests of the batch.
	redis.UniversalClient
	client *Client
	asynq  *asynq.Client
	pipe   redis.Pipeliner
	whole  bool         // scripts are sent whole
	sent   *ledger.Wake // what asynq has sent last
	tasks  []batched
	queues []*redis.IntCmd // the set of queues gets new members
}

// batched is the command that enqueues one task, or why there is none.
type batched struct {
	cmd *redis.Cmd
	err error
}

// Batch begins a batch in a pipeline, which the caller may put more into, and executes. noScript is nil,
// or the error of an earlier execution for which ledger.NoScript is true: scripts are then sent whole.
func (c *Client) Batch(pipe redis.Pipeliner, noScript error) *Batch {
	b := &Batch{client: c, pipe: pipe, whole: noScript != nil}
	b.asynq = asynq.NewClientFromRedisClient(b)
	return b
}

// Add puts a record's task into the pipeline; behind is as in WakeInLine.
func (b *Batch) Add(ctx context.Context, r order.Ref, h Home, trace string, behind int64) {
	w, err := b.WakeInLine(ctx, r, h, trace, behind)
	if err != nil {
		b.tasks = append(b.tasks, batched{err: err})
		return
	}
	eval := redis.NewScript(w.Script).EvalSha
	if b.whole {
		eval = redis.NewScript(w.Script).Eval
	}
	b.tasks = append(b.tasks, batched{cmd: eval(ctx, b.pipe, w.Keys, w.Args...)})
}

// Wake is the script that makes a record's task, to be run by the ledger together with the record's intake.
// Only that a queue exists is put into the pipeline; see Queues.
func (b *Batch) Wake(ctx context.Context, r order.Ref, h Home, trace string) (ledger.Wake, error) {
	return b.wake(ctx, r, h, trace, 0)
}

// wake is the script that makes a task, to run after delay.
func (b *Batch) wake(ctx context.Context, r order.Ref, h Home, trace string, delay time.Duration) (ledger.Wake, error) {
	b.sent = nil
	options := b.client.options(h)
	if delay > 0 {
		options = append(options, asynq.ProcessIn(delay))
	}
	if _, err := b.asynq.EnqueueContext(ctx, asynq.NewTask(h.Type, Encode(r, trace)), options...); err != nil {
		return ledger.Wake{}, err
	}
	if b.sent == nil {
		return ledger.Wake{}, errors.New("queue: asynq enqueues otherwise than by a script")
	}
	return *b.sent, nil
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
	return b.Queues()
}

// Queues is an error when a queue could not be entered into asynq's list of queues. Its tasks are there all
// the same, but no web UI would show them.
func (b *Batch) Queues() error {
	for _, cmd := range b.queues {
		if cmd.Err() != nil {
			return cmd.Err()
		}
	}
	return nil
}

// noScript answers asynq that Redis does not know a script, so that asynq sends its text.
type noScript struct{}

func (noScript) Error() string { return "NOSCRIPT" }

// RedisError implements redis.Error.
func (noScript) RedisError() {}

// texts are asynq's scripts by their hash, once asynq has sent one whole.
var texts sync.Map

// EvalSha implements redis.UniversalClient: asynq enqueues by a script.
func (b *Batch) EvalSha(ctx context.Context, sha string, keys []string, args ...any) *redis.Cmd {
	if text, known := texts.Load(sha); known {
		return b.take(ctx, text.(string), keys, args)
	}
	cmd := redis.NewCmd(ctx)
	cmd.SetErr(noScript{})
	return cmd
}

// Eval implements redis.UniversalClient: asynq calls it when Redis does not know its script.
func (b *Batch) Eval(ctx context.Context, script string, keys []string, args ...any) *redis.Cmd {
	texts.Store(redis.NewScript(script).Hash(), script)
	return b.take(ctx, script, keys, args)
}

// SAdd implements redis.UniversalClient: asynq keeps a set of all queues.
func (b *Batch) SAdd(ctx context.Context, key string, members ...any) *redis.IntCmd {
	b.queues = append(b.queues, b.pipe.SAdd(ctx, key, members...))
	return redis.NewIntCmd(ctx)
}

// take remembers what asynq sends and answers that the task was taken.
func (b *Batch) take(ctx context.Context, script string, keys []string, args []any) *redis.Cmd {
	b.sent = &ledger.Wake{Script: script, Keys: keys, Args: args}
	taken := redis.NewCmd(ctx)
	taken.SetVal(int64(1))
	return taken
}
