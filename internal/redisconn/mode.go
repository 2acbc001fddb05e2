package redisconn

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/redis/go-redis/v9"
)

// Mode is what a Redis is used for. The first worker marks it, for good.
type Mode string

const (
	Sandbox    Mode = "sandbox"    // toy tickets by simulators
	Production Mode = "production" // real ones
)

// Modes lists every Mode.
var Modes = []Mode{Sandbox, Production}

// ModeKey holds the Mode as a string, without expiry.
const ModeKey = "issuance:mode"

// ModeError says that a Redis belongs to the other kind of worker.
type ModeError struct{ Have, Want Mode }

func (e *ModeError) Error() string {
	if e.Have == Production {
		return fmt.Sprintf("this Redis holds production orders (key %s), and a %s must not touch it: "+
			"start the sandbox without REDIS_URL, it brings its own Redis", ModeKey, e.Want)
	}
	return fmt.Sprintf("this Redis was used by a sandbox (key %s), its tickets are toys: give the %s worker another Redis in REDIS_URL, "+
		"or, when nothing in this one matters, empty it with FLUSHDB", ModeKey, e.Want)
}

// Mark claims the Redis for mode, or confirms that it was claimed for it before; for the other
// one it returns a *ModeError. Safe when several workers start at once.
func Mark(ctx context.Context, c redis.UniversalClient, mode Mode) error {
	if !slices.Contains(Modes, mode) {
		return fmt.Errorf("unknown mode %q", mode)
	}
	if err := c.SetNX(ctx, ModeKey, string(mode), 0).Err(); err != nil {
		return fmt.Errorf("mark the Redis as %s: %w", mode, err)
	}
	have, err := ReadMode(ctx, c)
	if err != nil {
		return err
	}
	if have != mode {
		return &ModeError{Have: have, Want: mode}
	}
	return nil
}

// ReadMode tells what the Redis was marked as, "" when no worker has used it yet.
func ReadMode(ctx context.Context, c redis.UniversalClient) (Mode, error) {
	v, err := c.Get(ctx, ModeKey).Result()
	switch {
	case errors.Is(err, redis.Nil):
		return "", nil
	case err != nil:
		return "", fmt.Errorf("read the Redis's mode (key %s): %w", ModeKey, err)
	case !slices.Contains(Modes, Mode(v)):
		return "", fmt.Errorf("key %s holds %q, which no worker wrote: this Redis belongs to something else; set REDIS_URL to another one", ModeKey, v)
	}
	return Mode(v), nil
}
