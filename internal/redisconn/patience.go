package redisconn

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// ErrNoPatience is the error of a command that was not sent, because Redis has not answered an earlier one of the same request.
var ErrNoPatience = errors.New("redis has not answered an earlier command of this request")

// patience is how long a request waits for Redis. Safe for concurrent use.
type patience struct {
	within time.Duration
	over   atomic.Bool // the request has ended; what goes on after it is bounded by itself

	mu    sync.Mutex
	used  time.Duration // for how long commands had no answer, since the last one that had
	until time.Time     // up to when that is counted: commands that wait side by side wait once
}

type patienceKey struct{}

// WithPatience has commands with the context, and with those made of it, wait for an answer for so long altogether: the time of
// those that get none adds up, also where each fails by itself before it is over; then the command is given up, and those after
// it fail at once. A command that is answered begins it anew. It holds until end is called, also where a part of the request
// goes on after it, and for clients of this package.
func WithPatience(ctx context.Context, within time.Duration) (of context.Context, end func()) {
	p := &patience{within: within}
	return context.WithValue(ctx, patienceKey{}, p), func() { p.over.Store(true) }
}

// Patiently runs what waits for Redis, by itself or in a queue behind others that do, as one command of the request. Its success
// may come from memory, and is no answer of Redis.
func Patiently(ctx context.Context, run func(context.Context) error) error {
	return bounded(ctx, run, func(*patience) {})
}

// bounded is run within the patience of the context's request; it has no other one, so that no time counts twice.
func bounded(ctx context.Context, run func(context.Context) error, answered func(*patience)) error {
	p, _ := ctx.Value(patienceKey{}).(*patience)
	if p == nil || p.over.Load() {
		return run(ctx)
	}
	left := p.left()
	if left <= 0 {
		return ErrNoPatience
	}
	within, cancel := context.WithTimeout(context.WithValue(ctx, patienceKey{}, (*patience)(nil)), left)
	defer cancel()
	began := time.Now()
	err := run(within)
	var answer redis.Error
	switch {
	case err == nil || errors.As(err, &answer):
		answered(p)
	case ctx.Err() == nil:
		p.wasted(began)
	}
	return err
}

func (p *patience) left() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.within - p.used
}

// wasted counts the time since then as one without an answer.
func (p *patience) wasted(since time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if since.Before(p.until) {
		since = p.until
	}
	p.until = time.Now()
	p.used += p.until.Sub(since)
}

func (p *patience) answered() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.used = 0
}

// dialing is a hook's part for connections that are made as without it.
type dialing struct{}

// DialHook implements redis.Hook.
func (dialing) DialHook(next redis.DialHook) redis.DialHook { return next }

// patient is the hook of every client.
type patient struct{ dialing }

// ProcessHook implements redis.Hook.
func (patient) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := bounded(ctx, func(ctx context.Context) error { return next(ctx, cmd) }, (*patience).answered)
		if errors.Is(err, ErrNoPatience) {
			cmd.SetErr(err)
		}
		return err
	}
}

// ProcessPipelineHook implements redis.Hook.
func (patient) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		err := bounded(ctx, func(ctx context.Context) error { return next(ctx, cmds) }, (*patience).answered)
		if errors.Is(err, ErrNoPatience) {
			for _, c := range cmds {
				c.SetErr(err)
			}
		}
		return err
	}
}
