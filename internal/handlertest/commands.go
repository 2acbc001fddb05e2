package handlertest

import (
	"context"

	"github.com/redis/go-redis/v9"
)

// Commands reports every command that Redis has answered. It is a go-redis hook.
type Commands struct{ Done chan<- struct{} }

// DialHook implements redis.Hook.
func (c Commands) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessHook implements redis.Hook.
func (c Commands) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := next(ctx, cmd)
		select {
		case c.Done <- struct{}{}:
		default:
		}
		return err
	}
}

// ProcessPipelineHook implements redis.Hook.
func (c Commands) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}
