package handlertest

import (
	"context"

	"github.com/redis/go-redis/v9"

	"issuance/internal/testredis"
)

// Commands reports every command that Redis has answered. It is a go-redis hook.
type Commands struct {
	testredis.Hook
	Done chan<- struct{}
}

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
