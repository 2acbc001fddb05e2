package redisconn

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/redis/go-redis/v9"

	"issuance/internal/keys"
)

// Mode is what a Redis is used for. The first worker marks it, for good.
type Mode string

const (
	Sandbox    Mode = "sandbox"    // simulated tickets
	Production Mode = "production" // real ones
)

// Modes lists every Mode.
var Modes = []Mode{Sandbox, Production}

// ModeError says that a Redis belongs to the other kind of worker, or to another program.
type ModeError struct{ Have, Want Mode }

func (e *ModeError) Error() string {
	if !slices.Contains(Modes, e.Have) {
		return fmt.Sprintf("key %s holds %q: this Redis belongs to another program", keys.Mode, string(e.Have))
	}
	if e.Have == Production {
		return fmt.Sprintf("this Redis holds production orders (key %s): start the %s without REDIS_URL, it brings its own Redis", keys.Mode, e.Want)
	}
	return fmt.Sprintf("this Redis holds a sandbox's orders (key %s): give the %s worker another one in REDIS_URL", keys.Mode, e.Want)
}

// Mark claims the Redis for mode, or confirms that it was claimed for it before; when it was claimed
// for the other one, the error is a *ModeError. Safe when several workers start at once.
func Mark(ctx context.Context, c redis.UniversalClient, mode Mode) error {
	if !slices.Contains(Modes, mode) {
		return fmt.Errorf("unknown mode %q", mode)
	}
	if err := c.SetNX(ctx, keys.Mode, string(mode), 0).Err(); err != nil {
		return fmt.Errorf("mark the Redis as %s: %w", mode, err)
	}
	have, err := ReadMode(ctx, c)
	var other *ModeError
	switch {
	case errors.As(err, &other):
		other.Want = mode
		return err
	case err != nil:
		return err
	}
	if have != mode {
		return &ModeError{Have: have, Want: mode}
	}
	return nil
}

// Unused is an error unless the Redis is empty, or was claimed by a worker before. A sandbox takes no other one: its mark, and
// its keys, would stay beside another program's.
func Unused(ctx context.Context, c redis.UniversalClient) error {
	if mode, err := ReadMode(ctx, c); err != nil || mode != "" {
		return err
	}
	n, err := c.DBSize(ctx).Result()
	if err != nil {
		return fmt.Errorf("count the Redis's keys: %w", err)
	}
	if n > 0 {
		return errors.New("this Redis holds keys of another program: start the sandbox without REDIS_URL, it brings its own Redis, or give it an empty one")
	}
	return nil
}

// ReadMode is what the Redis was marked as, "" when no worker has used it yet.
func ReadMode(ctx context.Context, c redis.UniversalClient) (Mode, error) {
	v, err := c.Get(ctx, keys.Mode).Result()
	switch {
	case errors.Is(err, redis.Nil):
		return "", nil
	case err != nil:
		return "", fmt.Errorf("read the Redis's mode (key %s): %w", keys.Mode, err)
	case !slices.Contains(Modes, Mode(v)):
		return "", &ModeError{Have: Mode(v)}
	}
	return Mode(v), nil
}
