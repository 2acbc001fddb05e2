package announce

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/keys"
)

const (
	// Silent is when a worker that has not announced itself counts as gone. Until then it may make calls, and what limits those counts it.
	Silent = 2 * time.Minute
	// late is how much later than at its interval an announcement may come.
	late = 5 * time.Second
)

// Worker is what a worker announces of itself.
type Worker struct {
	Name     string    `json:"-"` // distinguishes processes
	Version  string    `json:"version"`
	Started  time.Time `json:"started"` // by its own clock
	SealKeys []string  `json:"seal_keys"`
	Accounts []string  `json:"accounts"`
	// Differing are those of Accounts whose allowance or calls per second in force are not those of its own settings.
	Differing []string  `json:"differing,omitempty"`
	At        time.Time `json:"at"` // of the announcement, by Redis' clock
}

// Running reports whether the worker has announced itself lately, at a moment by Redis' clock.
func (w Worker) Running(now time.Time) bool { return now.Sub(w.At) <= Silent }

// Unheard is for how long a worker that has missed an announcement has not been heard of, at a moment by Redis' clock; 0 while none
// is missing. It may have died, or be about to be gone.
func (w Worker) Unheard(now time.Time) time.Duration {
	if silent := now.Sub(w.At); silent > Every+late {
		return silent
	}
	return 0
}

// AnnounceWorker announces a worker, and forgets those that have been silent for a day. Call it at the start and then at
// every interval of Every.
func AnnounceWorker(ctx context.Context, rdb redis.UniversalClient, w Worker) error {
	all, now, err := Workers(ctx, rdb)
	if err != nil {
		return err
	}
	w.At = now.UTC()
	raw, err := json.Marshal(w)
	if err != nil {
		return err
	}
	pipe := rdb.Pipeline()
	pipe.HSet(ctx, keys.Workers, w.Name, raw)
	for _, other := range all {
		if now.Sub(other.At) > kept {
			pipe.HDel(ctx, keys.Workers, other.Name)
		}
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return fmt.Errorf("announce the worker: %w", err)
	}
	return nil
}

// Leave takes back a worker's announcement when it stops.
func Leave(ctx context.Context, rdb redis.Cmdable, name string) error {
	return rdb.HDel(ctx, keys.Workers, name).Err()
}

// Workers lists the announced workers by name, and says what time it is in Redis.
func Workers(ctx context.Context, rdb redis.UniversalClient) ([]Worker, time.Time, error) {
	pipe := rdb.Pipeline()
	hash, clock := pipe.HGetAll(ctx, keys.Workers), pipe.Time(ctx)
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, time.Time{}, fmt.Errorf("announced workers: %w", err)
	}
	var out []Worker
	for name, raw := range hash.Val() {
		w := Worker{Name: name}
		if err := json.Unmarshal([]byte(raw), &w); err != nil {
			return nil, time.Time{}, fmt.Errorf("announcement of worker %q: %w", name, err)
		}
		out = append(out, w)
	}
	slices.SortFunc(out, func(a, b Worker) int { return cmp.Compare(a.Name, b.Name) })
	return out, clock.Val(), nil
}
