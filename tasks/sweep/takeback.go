package sweep

import (
	"context"
	_ "embed"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/providers"
	"issuance/tasks"
)

// A task that a dead worker has taken out of its queue comes back by itself only after a minute or
// more: the queue lets its lease (30 s, extended by a living worker every 5 s) run out, waits for
// another 30 s, and looks once a minute. This does the same sooner, for every task, whether its
// record tells of a runner (an order being issued) or not (a poll, a task just begun). Whoever does
// live after all and works on such a task harms nothing: the ledger lets only one of two runners act.

//go:embed scripts/take_back.lua
var takeBackSource string

var takeBackScript = redis.NewScript(takeBackSource)

const (
	// queueLease is asynq's own, by which the beat of a worker is told.
	queueLease = 30 * time.Second
	// silence is how long a worker may have been still before its tasks are taken back: more than
	// two beats. With the sweeps' 3 s that is within 17 s of its death.
	silence = 14 * time.Second
)

// takeBack makes the tasks of dead workers pending again, in every queue of the providers.
func (s *Sweeper) takeBack(ctx context.Context) error {
	now, err := s.Ledger.Time(ctx)
	if err != nil {
		return fmt.Errorf("sweep: %w", err)
	}
	for _, p := range s.Providers {
		for _, lane := range tasks.Lanes() {
			if err := s.takeBackOf(ctx, p, lane, now); err != nil {
				return fmt.Errorf("sweep: tasks of dead workers: %w", err)
			}
		}
	}
	return nil
}

func (s *Sweeper) takeBackOf(ctx context.Context, p providers.Name, lane tasks.Lane, now time.Time) error {
	// asynq's own keys; a test holds their names and types against asynq.
	at := "asynq:{" + tasks.Queue(p, lane) + "}:"
	ids, err := takeBackScript.Run(ctx, s.rdb, []string{at + "lease", at + "active", at + "pending"},
		now.Add(queueLease-silence).Unix(), at+"t:").StringSlice()
	if err != nil {
		return err
	}
	for _, id := range ids {
		s.Log.Warn("sweeper: took a task back from a worker that has fallen silent", "provider", string(p), "task", id)
	}
	return nil
}
