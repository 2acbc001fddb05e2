package tasks

import (
	"context"
	"errors"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
)

// pipelined lets asynq's own client write enqueue after enqueue into one pipeline, so that a
// batch costs one round trip. asynq knows nothing of it: to asynq it is a Redis that takes every
// task; what Redis really said is known after exec.
//
// It is made for one try of one batch and not safe for concurrent use.
type pipelined struct {
	// Only the three methods below are called when a task is enqueued for now. Should asynq come
	// to call another one, the nil interface panics, and so do the tests of the batch.
	redis.UniversalClient
	client *Client
	queue  *asynq.Client
	pipe   redis.Pipeliner
	sent   *redis.Cmd // the last one asynq has sent
	tasks  []sentTask
	queues []*redis.IntCmd // the set of queues gets new members
	script error           // when set, the answer to every script's hash, so that its text is sent
}

func newPipelined(ctx context.Context, c *Client, script error) *pipelined {
	p := &pipelined{client: c, pipe: c.rdb.Pipeline(), script: script}
	p.queue = asynq.NewClientFromRedisClient(p)
	return p
}

// errConflict says that a task of this id is in the queue already.
var errConflict = asynq.ErrTaskIDConflict

func (p *pipelined) enqueue(ctx context.Context, it item) {
	p.sent = nil
	_, err := p.queue.EnqueueContext(ctx, asynq.NewTask(it.taskType, it.payload), p.client.options(it)...)
	if err == nil && p.sent == nil {
		err = errors.New("asynq enqueues otherwise than by a script")
	}
	p.tasks = append(p.tasks, sentTask{p.sent, err})
}

// sentTask is the command that enqueues one task, or why there is none.
type sentTask struct {
	cmd *redis.Cmd
	err error
}

// exec sends everything and says how each task fared: nil, errConflict, or an error after which
// the task may or may not be in its queue.
func (p *pipelined) exec(ctx context.Context) []error {
	// Its error is that of the first command that failed; each is looked at below.
	_, _ = p.pipe.Exec(ctx)
	var unlisted error // the tasks are there then, but no web UI would show their queue
	for _, cmd := range p.queues {
		unlisted = errors.Join(unlisted, cmd.Err())
	}
	errs := make([]error, len(p.tasks))
	for i, t := range p.tasks {
		if errs[i] = t.err; t.err != nil {
			continue
		}
		taken, err := t.cmd.Int()
		switch {
		case err != nil:
			errs[i] = err
		case taken == 0:
			errs[i] = errConflict
		default:
			errs[i] = unlisted
		}
	}
	return errs
}

// EvalSha implements redis.UniversalClient: asynq enqueues by a script.
func (p *pipelined) EvalSha(ctx context.Context, sha string, keys []string, args ...any) *redis.Cmd {
	if p.script != nil {
		cmd := redis.NewCmd(ctx)
		cmd.SetErr(p.script)
		return cmd
	}
	return p.send(ctx, p.pipe.EvalSha(ctx, sha, keys, args...))
}

// Eval implements redis.UniversalClient: asynq calls it when Redis does not know its script.
func (p *pipelined) Eval(ctx context.Context, script string, keys []string, args ...any) *redis.Cmd {
	return p.send(ctx, p.pipe.Eval(ctx, script, keys, args...))
}

// SAdd implements redis.UniversalClient: asynq keeps a set of all queues.
func (p *pipelined) SAdd(ctx context.Context, key string, members ...any) *redis.IntCmd {
	p.queues = append(p.queues, p.pipe.SAdd(ctx, key, members...))
	return redis.NewIntCmd(ctx)
}

// send remembers a command and answers asynq that the task was taken.
func (p *pipelined) send(ctx context.Context, cmd *redis.Cmd) *redis.Cmd {
	p.sent = cmd
	taken := redis.NewCmd(ctx)
	taken.SetVal(int64(1))
	return taken
}

func noScript(err error) bool { return redis.HasErrorPrefix(err, "NOSCRIPT") }
