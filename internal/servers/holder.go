package servers

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"issuance/internal/budget"
	"issuance/internal/keys"
	"issuance/providers"
	"issuance/tasks/order"
)

// Account is what a QueueHolder needs of an account's call budget; a *budget.Budget is one.
type Account interface {
	State(ctx context.Context) (budget.State, error)
}

// QueueHolder pauses a queue while every account that this process serves there is held, by a ban, by
// an operator's pause of its lane, or because its provider does not answer, so that the web UI shows it
// and no task runs in vain; it resumes the queue afterwards. It only makes visible what the call budget
// enforces: no call leaves during a hold whether a queue is paused or not, but for the probes that the
// holder makes. A queue that an operator has paused in the web UI is left alone, and so is one that an
// operator resumes during the hold. Any number of workers may run one.
type QueueHolder struct {
	rdb       redis.UniversalClient
	inspector *asynq.Inspector
	provider  providers.Name
	accounts  func() []Account
	known     survey
	log       *slog.Logger
	probes    sync.WaitGroup
	// See is called with what is known of the accounts at every look. Set it before Run. Default: nobody is.
	See func([]budget.State)
	// Idle is how long nobody calls an account until it is asked whether its provider still answers. Set it before Run.
	// Default 0: it is not asked.
	Idle time.Duration
}

// NewQueueHolder makes a holder of all queues of a provider. accounts are those of it that this process serves now; see
// Always. One that is a Prober is probed while it is down, and while nobody calls it (Idle).
func NewQueueHolder(rdb redis.UniversalClient, p providers.Name, accounts func() []Account, log *slog.Logger) *QueueHolder {
	return &QueueHolder{rdb: rdb, inspector: asynq.NewInspectorFromRedisClient(rdb), provider: p, accounts: accounts, log: log}
}

// Always are accounts that do not change.
func Always(accounts ...Account) func() []Account { return func() []Account { return accounts } }

// holdCheck is the time between looks at the accounts.
const holdCheck = 500 * time.Millisecond

// Run keeps the queues in step with the accounts until the context ends.
func (h *QueueHolder) Run(ctx context.Context) {
	defer h.probes.Wait()
	tick := time.NewTicker(holdCheck)
	defer tick.Stop()
	failing := false
	for {
		err := h.Once(ctx)
		if err != nil && !failing && ctx.Err() == nil {
			h.log.Warn("cannot read whether accounts are held; no call leaves meanwhile", "provider", string(h.provider), "error", err)
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Once brings the queues in step with the accounts, and starts the probes that are due.
func (h *QueueHolder) Once(ctx context.Context) error {
	accounts := h.accounts()
	if len(accounts) == 0 {
		return nil
	}
	p := probes{after: h.Idle}
	states, err := h.known.look(ctx, h.rdb, accounts, p.consider)
	if err != nil {
		return err
	}
	h.probe(ctx, p)
	if h.See != nil {
		h.See(states)
	}
	marks, err := h.rdb.HGetAll(ctx, keys.QueuesHeld(h.provider)).Result()
	if err != nil {
		return fmt.Errorf("servers: held queues of %s: %w", h.provider, err)
	}
	var errs []error
	for _, lane := range order.Lanes() {
		queue := Lane{Provider: h.provider, Lane: lane}.Queue()
		if err := h.step(ctx, queue, lane, states, parseMark(marks[queue])); err != nil {
			errs = append(errs, fmt.Errorf("servers: queue %s: %w", queue, err))
		}
	}
	return errors.Join(errs...)
}

// step brings one queue in step.
func (h *QueueHolder) step(ctx context.Context, queue string, lane order.Lane, states []budget.State, m mark) error {
	held := allHeld(lane, states)
	if !held && m.state == "" {
		return nil
	}
	paused, err := h.isPaused(ctx, queue)
	switch {
	case err != nil:
		return err
	case !held:
		return h.release(ctx, queue, lane, states, m, paused)
	case m.state == markPaused && !paused: // an operator resumed it
		_, err := h.swap(ctx, queue, m, m.as(markResumed))
		return err
	case m.state == markPausing, m.state == "" && !paused:
		return h.hold(ctx, queue, lane, states, m, paused)
	}
	return nil // done already, or an operator's own pause
}

// hold pauses a queue. Its mark is there before it is paused, so that it is never taken for one that an
// operator has paused; a worker that finds a mark of one that died in between goes on with it.
func (h *QueueHolder) hold(ctx context.Context, queue string, lane order.Lane, states []budget.State, m mark, paused bool) error {
	if m.state == "" {
		m = newMark(states, ofLane(lane, states))
		first, err := h.rdb.HSetNX(ctx, keys.QueuesHeld(h.provider), queue, m.String()).Result()
		if err != nil || !first { // another worker is pausing it
			return err
		}
	}
	if !paused {
		if err := h.inspector.PauseQueue(queue); err != nil {
			if now, readErr := h.isPaused(ctx, queue); readErr != nil || !now {
				return fmt.Errorf("pause: %w", err)
			}
		}
	}
	done, err := h.swap(ctx, queue, m, m.as(markPaused))
	if err != nil {
		return err
	}
	if !done {
		return h.overtaken(ctx, queue)
	}
	halt, _ := states[0].Held(lane)
	log := h.log.With("queue", queue, "reason", halt.Reason, "since", halt.Since.UTC().Format(time.RFC3339))
	if !halt.Until.IsZero() {
		log = log.With("until", halt.Until.UTC().Format(time.RFC3339))
	}
	log.Log(ctx, m.level(slog.LevelWarn), "queue paused: no call may leave")
	return nil
}

// overtaken handles that another worker has changed the mark of a queue while this one paused it: the
// hold may be over, and nobody would resume the queue then.
func (h *QueueHolder) overtaken(ctx context.Context, queue string) error {
	text, err := h.rdb.HGet(ctx, keys.QueuesHeld(h.provider), queue).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return err
	}
	if now := parseMark(text); now.state != markPausing && now.state != markPaused {
		return h.unpause(ctx, queue)
	}
	return nil
}

// release resumes a queue because an account that is served here is not held. The mark stays while the
// accounts that it was made for are held, for otherwise the worker that serves only them would pause the
// queue again.
func (h *QueueHolder) release(ctx context.Context, queue string, lane order.Lane, states []budget.State, m mark, paused bool) error {
	if paused && m.state != markResumed {
		// Without its mark a queue that is still paused would look like an operator's own for ever.
		if err := h.unpause(ctx, queue); err != nil {
			return err
		}
		h.log.Log(ctx, m.level(slog.LevelInfo), "queue resumed: calls may leave", "queue", queue)
	}
	still, err := h.stillHeld(ctx, lane, states, m)
	if err != nil {
		return err
	}
	next := mark{}
	if still {
		next = m.as(markResumed)
	}
	_, err = h.swap(ctx, queue, m, next)
	return err
}

func (h *QueueHolder) unpause(ctx context.Context, queue string) error {
	if err := h.inspector.UnpauseQueue(queue); err != nil {
		if still, readErr := h.isPaused(ctx, queue); readErr != nil || still {
			return fmt.Errorf("resume: %w", err)
		}
	}
	return nil
}

// isPaused reports whether a queue is paused. One that nobody has used yet can be, too.
func (h *QueueHolder) isPaused(ctx context.Context, queue string) (bool, error) {
	n, err := h.rdb.Exists(ctx, keys.Queue(queue)+"paused").Result()
	return n > 0, err
}

// allHeld reports whether no account's calls may leave in a lane.
func allHeld(lane order.Lane, states []budget.State) bool {
	for _, s := range states {
		if _, held := s.Held(lane); !held {
			return false
		}
	}
	return len(states) > 0
}

// ofLane reports whether a queue's hold is no account's health alone: operators have paused this lane of one that is ok.
func ofLane(lane order.Lane, states []budget.State) bool {
	return slices.ContainsFunc(states, func(s budget.State) bool {
		return s.Ban == nil && slices.ContainsFunc(s.Paused, func(h budget.Hold) bool { return h.Lane == lane }) &&
			!slices.ContainsFunc(s.Paused, func(h budget.Hold) bool { return h.Lane == "" })
	})
}

// stillHeld reports whether all accounts of a mark are held, those that other workers serve included.
func (h *QueueHolder) stillHeld(ctx context.Context, lane order.Lane, served []budget.State, m mark) (bool, error) {
	states, all := m.of(served)
	if !all {
		announced, err := budget.States(ctx, h.rdb)
		if err != nil {
			return false, err
		}
		if states, all = m.of(announced); !all {
			return false, nil
		}
	}
	return allHeld(lane, states), nil
}
