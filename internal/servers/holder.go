package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"issuance/providers"
	"issuance/tasks"
)

// Ban is a provider's refusal to be called for a while.
type Ban struct {
	Reason string
	Until  time.Time
}

// BanPauser pauses a provider's queues while its account is banned, so that the web UI shows it,
// and resumes them afterwards. It only makes visible what the call budget enforces: no call leaves
// during a ban whether a queue is paused or not. A queue that an operator has paused is left alone,
// and so is one that an operator resumes during the ban. Any number of workers may run one.
type BanPauser struct {
	rdb       redis.UniversalClient
	inspector *asynq.Inspector
	provider  providers.Name
	queues    []string
	banned    func(context.Context) (*Ban, error)
	log       *slog.Logger
}

// NewBanPauser makes a pauser of all queues of a provider; banned tells of the account's ban, nil
// when there is none.
func NewBanPauser(rdb redis.UniversalClient, p providers.Name, banned func(context.Context) (*Ban, error), log *slog.Logger) *BanPauser {
	b := &BanPauser{rdb: rdb, inspector: asynq.NewInspectorFromRedisClient(rdb), provider: p, banned: banned, log: log}
	for _, l := range tasks.Lanes() {
		b.queues = append(b.queues, tasks.Queue(p, l))
	}
	return b
}

// banCheck is the pause between looks at the ban.
const banCheck = 500 * time.Millisecond

// Run keeps the queues in step with the ban until the context ends.
func (b *BanPauser) Run(ctx context.Context) {
	tick := time.NewTicker(banCheck)
	defer tick.Stop()
	failing := false
	for {
		err := b.Once(ctx)
		if err != nil && !failing && ctx.Err() == nil {
			b.log.Warn("cannot tell whether the provider has banned us; no call leaves meanwhile", "provider", string(b.provider), "error", err)
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// The marks of a provider are a hash, queue → one of these, of the queues that a ban has paused.
const (
	markPausing = "pausing" // about to be paused; should the worker die here, another goes on
	markPaused  = "paused"
)

func (b *BanPauser) marks() string { return fmt.Sprintf("issuance:{paused:%s}", b.provider) }

// Once brings the queues in step with the ban.
func (b *BanPauser) Once(ctx context.Context) error {
	ban, err := b.banned(ctx)
	if err != nil {
		return err
	}
	marks, err := b.rdb.HGetAll(ctx, b.marks()).Result()
	if err != nil {
		return fmt.Errorf("engine: ban of %s: %w", b.provider, err)
	}
	if ban == nil {
		return b.resume(ctx, marks)
	}
	var errs []error
	for _, q := range b.queues {
		errs = append(errs, b.pause(ctx, q, marks[q], ban))
	}
	return errors.Join(errs...)
}

func (b *BanPauser) pause(ctx context.Context, queue, mark string, ban *Ban) error {
	if mark == markPaused {
		return nil
	}
	paused, err := b.isPaused(queue)
	if err != nil {
		return err
	}
	if mark == "" {
		if paused {
			return nil // an operator's own
		}
		first, err := b.rdb.HSetNX(ctx, b.marks(), queue, markPausing).Result()
		if err != nil {
			return fmt.Errorf("engine: pause %s: %w", queue, err)
		}
		if !first {
			return nil // another worker is at it
		}
	}
	if !paused {
		if err := b.inspector.PauseQueue(queue); err != nil {
			if now, infoErr := b.isPaused(queue); infoErr != nil || !now {
				return fmt.Errorf("engine: pause %s: %w", queue, err)
			}
		}
		b.log.Warn("queue paused: the provider has banned the account", "queue", queue, "reason", ban.Reason, "until", ban.Until.Format(time.RFC3339))
	}
	if err := b.rdb.HSet(ctx, b.marks(), queue, markPaused).Err(); err != nil {
		return fmt.Errorf("engine: pause %s: %w", queue, err)
	}
	return nil
}

func (b *BanPauser) resume(ctx context.Context, marks map[string]string) error {
	for queue := range marks {
		paused, err := b.isPaused(queue)
		if err != nil {
			return err
		}
		if paused {
			if err := b.inspector.UnpauseQueue(queue); err != nil {
				// Without its mark a queue that is still paused would look like an operator's own for ever.
				if still, infoErr := b.isPaused(queue); infoErr != nil || still {
					return fmt.Errorf("engine: resume %s: %w", queue, err)
				}
			}
			b.log.Info("queue resumed: the ban is over", "queue", queue)
		}
		if err := b.rdb.HDel(ctx, b.marks(), queue).Err(); err != nil {
			return fmt.Errorf("engine: resume %s: %w", queue, err)
		}
	}
	return nil
}

// isPaused reports whether a queue is paused. One that nobody has used yet can be, too.
func (b *BanPauser) isPaused(queue string) (bool, error) {
	n, err := b.rdb.Exists(context.Background(), "asynq:{"+queue+"}:paused").Result()
	if err != nil {
		return false, fmt.Errorf("engine: queue %s: %w", queue, err)
	}
	return n > 0, nil
}
