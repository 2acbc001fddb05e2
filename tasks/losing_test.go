package tasks

import (
	"context"
	"errors"
	"sync"

	"github.com/redis/go-redis/v9"

	"issuance/internal/testredis"
)

var errLost = errors.New("connection reset by peer")

// losing breaks exchanges with Redis, which it counts from 0: those for which broken is true. Where executed
// is true Redis has carried them out and only the answer is lost.
type losing struct {
	testredis.Hook
	mu       sync.Mutex
	n        int
	broken   func(n int) bool
	executed bool
}

func (h *losing) next() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.n++
	return h.broken != nil && h.broken(h.n-1)
}

func (h *losing) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.n
}

func (h *losing) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if !h.next() {
			return next(ctx, cmd)
		}
		if h.executed {
			_ = next(ctx, cmd)
		}
		cmd.SetErr(errLost)
		return errLost
	}
}

func (h *losing) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		if cmds[0].Name() == "hello" || cmds[0].Name() == "client" {
			return next(ctx, cmds) // a new connection introduces itself
		}
		if !h.next() {
			return next(ctx, cmds)
		}
		if h.executed {
			_ = next(ctx, cmds)
		}
		for _, cmd := range cmds {
			cmd.SetErr(errLost)
		}
		return errLost
	}
}
