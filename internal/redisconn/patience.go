package redisconn

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// ErrNoPatience is the error of a command that was not sent, because Redis has not answered an earlier one of the same request.
var ErrNoPatience = errors.New("redis has not answered an earlier command of this request")

// patience is how long a request waits for Redis. Safe for concurrent use.
type patience struct {
	within time.Duration
	spent  atomic.Bool // a command had no answer
	over   atomic.Bool // the request has ended; what goes on after it is bounded by itself
}

type patienceKey struct{}

// WithPatience has commands with the context, and with those made of it, wait for an answer for so long altogether: a command
// whose repetitions get none in that time is given up, and those after it fail at once. Commands that are answered use up
// nothing. It holds until end is called, also where a part of the request goes on after it, and for clients of this package.
func WithPatience(ctx context.Context, within time.Duration) (of context.Context, end func()) {
	p := &patience{within: within}
	return context.WithValue(ctx, patienceKey{}, p), func() { p.over.Store(true) }
}

// Patiently runs what waits for Redis, by itself or in a queue behind others that do, as one command of the request.
func Patiently(ctx context.Context, run func(context.Context) error) error {
	p, _ := ctx.Value(patienceKey{}).(*patience)
	switch {
	case p == nil || p.over.Load():
		return run(ctx)
	case p.spent.Load():
		return ErrNoPatience
	}
	within, cancel := context.WithTimeout(ctx, p.within)
	defer cancel()
	err := run(within)
	if err != nil && within.Err() != nil && ctx.Err() == nil {
		p.spent.Store(true)
	}
	return err
}

// patient is the hook of every client.
type patient struct{}

// DialHook implements redis.Hook.
func (patient) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

// ProcessHook implements redis.Hook.
func (patient) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := Patiently(ctx, func(ctx context.Context) error { return next(ctx, cmd) })
		if errors.Is(err, ErrNoPatience) {
			cmd.SetErr(err)
		}
		return err
	}
}

// ProcessPipelineHook implements redis.Hook.
func (patient) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		err := Patiently(ctx, func(ctx context.Context) error { return next(ctx, cmds) })
		if errors.Is(err, ErrNoPatience) {
			for _, c := range cmds {
				c.SetErr(err)
			}
		}
		return err
	}
}
