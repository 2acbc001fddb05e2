package overhead

import (
	"context"
	"sync/atomic"

	"github.com/redis/go-redis/v9"
)

// traffic counts what a client sends to Redis. It is a go-redis hook.
type traffic struct{ commands, trips atomic.Int64 }

func (t *traffic) reset() {
	t.commands.Store(0)
	t.trips.Store(0)
}

// DialHook implements redis.Hook.
func (t *traffic) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessHook implements redis.Hook.
func (t *traffic) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		t.commands.Add(1)
		t.trips.Add(1)
		return next(ctx, cmd)
	}
}

// ProcessPipelineHook implements redis.Hook.
func (t *traffic) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		t.commands.Add(int64(len(cmds)))
		t.trips.Add(1)
		return next(ctx, cmds)
	}
}
