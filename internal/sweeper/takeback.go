package sweeper

import (
	"context"
	_ "embed"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/keys"
	"issuance/internal/queue"
	"issuance/providers"
	"issuance/tasks/order"
)

// A task that a dead worker has taken out of its queue comes back by itself only after a minute or
// more: the queue lets its lease (30 s, extended by a living worker every 5 s) run out, waits for
// another 30 s, and looks once a minute. This does the same sooner, for every task, whether its
// record has a runner (an order being issued) or not (a poll, a task just begun). Whoever does
// live after all and works on such a task harms nothing: the ledger lets only one of two runners act.

//go:embed scripts/take_back.lua
var takeBackSource string

var takeBackScript = redis.NewScript(takeBackSource)

const (
	// queueLease is asynq's own, which a living worker extends.
	queueLease = 30 * time.Second
	// silence is how long a worker may have been still before its tasks are taken back: more than
	// two beats. With the sweeps' 3 s that is within 17 s of its death.
	silence = 14 * time.Second
)

// takeBack makes the tasks of dead workers pending again, in every queue of the providers.
func (s *Sweeper) takeBack(ctx context.Context) error {
	now, err := s.Ledger.Time(ctx)
	if err != nil {
		return fmt.Errorf("sweeper: %w", err)
	}
	done := map[providers.Name]bool{}
	for _, a := range s.Accounts() {
		if done[a.Provider] {
			continue
		}
		done[a.Provider] = true
		for _, lane := range order.Lanes() {
			if err := s.takeBackOf(ctx, queue.Name(a.Provider, lane), now); err != nil {
				return fmt.Errorf("sweeper: tasks of dead workers: %w", err)
			}
		}
	}
	return nil
}

func (s *Sweeper) takeBackOf(ctx context.Context, name string, now time.Time) error {
	at := keys.Queue(name)
	ids, err := takeBackScript.Run(ctx, s.rdb, []string{at + "lease", at + "active", at + "pending"},
		now.Add(queueLease-silence).Unix(), keys.Task(name, "")).StringSlice()
	if err != nil {
		return err
	}
	for _, id := range ids {
		s.Log.Warn("sweeper: took a task back from a worker that has fallen silent", "queue", name, "task", id)
	}
	return nil
}
