package queueui

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"

	"issuance/internal/redisconn"
)

// Pool is how many connections pages have of their own: however many pages are asked for, and however slow they are,
// the other connections of the process stay free.
const Pool = 4

// Connect makes the client of the pages, which the caller closes.
func Connect(o redisconn.Options) redis.UniversalClient {
	c := o.WithPoolSize(Pool).New()
	c.AddHook(&tolerant{})
	return c
}

// shared gives asynq's web UI, which would make two clients, the one there is.
type shared struct{ client redis.UniversalClient }

// MakeRedisClient implements asynq.RedisConnOpt.
func (s shared) MakeRedisClient() any { return s.client }

// tolerant mends asynq's script that measures a queue's memory on its way: it fails when a queue names a task
// whose hash is gone, and every page and metric of the queue with it, though a task may be lost at any time
// and the sweeper restores it.
type tolerant struct{ whole sync.Map } // SHA-1 of scripts that need no mending

const (
	fragile = "sample_total = sample_total + bytes"
	mended  = "sample_total = sample_total + (bytes or 0)"
)

// DialHook implements redis.Hook.
func (t *tolerant) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessPipelineHook implements redis.Hook; asynq's inspector runs no script in a pipeline.
func (t *tolerant) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// ProcessHook implements redis.Hook. A script is known by its text only, so the first run by its hash is
// answered as a server would that does not know it; the library then sends the text.
func (t *tolerant) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		args := cmd.Args()
		if len(args) < 2 {
			return next(ctx, cmd)
		}
		switch text, _ := args[1].(string); strings.ToLower(cmd.Name()) {
		case "evalsha":
			if _, ok := t.whole.Load(text); !ok {
				cmd.SetErr(errUnknownScript)
				return errUnknownScript
			}
		case "eval":
			if strings.Contains(text, fragile) {
				args[1] = strings.ReplaceAll(text, fragile, mended)
			} else {
				sum := sha1.Sum([]byte(text))
				t.whole.Store(hex.EncodeToString(sum[:]), true)
			}
		}
		return next(ctx, cmd)
	}
}

// unknownScript is what the library takes for a server's answer.
type unknownScript struct{}

func (unknownScript) Error() string { return "NOSCRIPT the text of this script is needed" }
func (unknownScript) RedisError()   {}

var errUnknownScript redis.Error = unknownScript{}
