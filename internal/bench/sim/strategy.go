package sim

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/hibiken/asynq"

	"issuance/internal/issuing"
	"issuance/internal/ledger"
	"issuance/internal/queue"
	"issuance/pollers"
	"issuance/providers"
	"issuance/tasks/order"
)

// Strategy decides when accepted orders are polled.
type Strategy interface {
	Name() string
	build(w *World, p providers.Provider) (issuing.Follower, func(context.Context, *asynq.Task) error)
}

// Sentinel is the product's poller.
type Sentinel struct {
	Config   pollers.SentinelConfig
	Schedule pollers.Schedule
}

// Name of the strategy.
func (Sentinel) Name() string { return "sentinel" }

func (s Sentinel) build(w *World, p providers.Provider) (issuing.Follower, func(context.Context, *asynq.Task) error) {
	s.Config.Now = w.Now
	f := pollers.NewFollower(w.cfg.Redis, s.Schedule, pollers.FollowerOptions{
		Sentinel: pollers.NewSentinel(w.cfg.Redis, account, s.Config), Queue: w.polls, Now: w.Now})
	h := pollers.New(pollers.Config{Provider: p, Ledger: w.ledger, Ring: w.ring, Schedule: s.Schedule, Follower: f,
		Log: slog.New(slog.DiscardHandler)})
	return f, h.ProcessTask
}

// Backoff polls every order by itself: for the first time after First, then after waits that
// double up to Max. With First and Max equal it is a fixed interval.
type Backoff struct{ First, Max time.Duration }

// Name of the strategy.
func (b Backoff) Name() string {
	if b.First == b.Max {
		return fmt.Sprintf("fixed %.0f s", b.First.Seconds())
	}
	return fmt.Sprintf("backoff %.0f-%.0f s", b.First.Seconds(), b.Max.Seconds())
}

func (b Backoff) wait(polls int) time.Duration {
	d := b.First
	for range polls {
		d = min(2*d, b.Max)
	}
	return min(d, b.Max)
}

func (b Backoff) build(w *World, p providers.Provider) (issuing.Follower, func(context.Context, *asynq.Task) error) {
	return backoffFollower{b, w.polls}, func(ctx context.Context, t *asynq.Task) error {
		r, _, err := queue.Decode(t.Payload())
		if err != nil {
			return err
		}
		switch f := p.LookUp(ctx, providers.Order{ID: r.OrderID}); f.State {
		case providers.FoundIssued:
			_, err := w.ledger.Finish(ctx, r, "", ledger.Ending{State: order.Issued, Polled: true})
			return err
		case providers.FoundPending:
			return queue.Wait(b.wait(len(w.orders[r.OrderID].Polls)), "not yet")
		default:
			return queue.Wait(max(f.Outcome.RetryAfter, time.Second), "held")
		}
	}
}

type backoffFollower struct {
	Backoff
	polls *pollQueue
}

func (f backoffFollower) Follow(ctx context.Context, r order.Ref, _ time.Duration) error {
	return f.polls.Schedule(ctx, r, f.First)
}
