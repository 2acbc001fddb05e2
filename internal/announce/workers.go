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

// Silent is when a worker that has not announced itself counts as gone.
const Silent = 2 * time.Minute

// Worker is what a worker announces of itself.
type Worker struct {
	Name     string    `json:"-"` // distinguishes processes
	Version  string    `json:"version"`
	Started  time.Time `json:"started"` // by its own clock
	SealKeys []string  `json:"seal_keys"`
	Accounts []string  `json:"accounts"`
	At       time.Time `json:"at"` // of the announcement, by Redis' clock
}

// Running reports whether the worker has announced itself lately, at a moment by Redis' clock.
func (w Worker) Running(now time.Time) bool { return now.Sub(w.At) <= Silent }

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
