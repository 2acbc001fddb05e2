package redisconn

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/keys"
)

// refusals are the beginnings of the answers by which a Redis takes no writes, and what they mean.
var refusals = []struct{ prefix, text string }{
	{"OOM", "takes no writes: its memory is full (maxmemory)"},
	{"READONLY", "takes no writes: it is a read-only replica"},
	{"NOREPLICAS", "takes no writes: too few replicas follow it (min-replicas-to-write)"},
	{"MISCONF", "takes no writes: it cannot write to its disk"},
	{"LOADING", "takes no writes: it is still reading its data from disk"},
	{"MASTERDOWN", "takes no writes: it is a replica that has lost its master"},
	{"CLUSTERDOWN", "takes no writes: parts of the cluster are missing"},
}

// NoWrites is what an error means by which a Redis takes no writes, such as "takes no writes: its memory is full
// (maxmemory)"; "" for any other.
func NoWrites(err error) string {
	for _, r := range refusals {
		if redis.HasErrorPrefix(err, r.prefix) {
			return r.text
		}
	}
	return ""
}

// refusedWrite is an answer of Redis, with what it means as its text.
type refusedWrite struct {
	text string
	error
}

func (e *refusedWrite) Error() string { return e.text }
func (e *refusedWrite) Unwrap() error { return e.error }

// TakesWrites asks for a write that changes nothing, because the key is not there, and returns in plain words why that
// cannot be done: "takes no writes: …" (see NoWrites), "does not answer: …". A refusal of the user (see RefusalOf) is
// returned as it is. Of a cluster it asks one master.
func TakesWrites(ctx context.Context, c redis.UniversalClient) error {
	err := c.SetXX(ctx, keys.Probe, 1, time.Minute).Err()
	if err == nil {
		return nil
	}
	if RefusalOf(err) != NotRefused {
		return err
	}
	if text := NoWrites(err); text != "" {
		return &refusedWrite{text, err}
	}
	return fmt.Errorf("does not answer: %w", err)
}
