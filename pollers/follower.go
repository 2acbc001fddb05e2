package pollers

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/ledger"
	"issuance/providers"
	"issuance/tasks"
)

// Follower keeps one poll task per accepted order of a provider in the queue, and wakes those that
// are worth a call. Safe for concurrent use.
type Follower struct {
	queue    Queue
	schedule Schedule
	opt      FollowerOptions
}

// FollowerOptions of a Follower.
type FollowerOptions struct {
	// Sentinel decides which orders are worth a call. Default: none, every order is polled by the
	// schedule alone.
	Sentinel    *Sentinel
	TaskTimeout time.Duration // default tasks.DefaultTimeout; whole seconds
	Retention   time.Duration // default tasks.DefaultRetention
	// Queue replaces asynq, for simulations.
	Queue Queue
	// Now is the clock for the moment an order is accepted. Default: Redis's, which is the one that
	// the sentinel compares it with.
	Now func() time.Time
}

// NewFollower makes a follower over rdb, which stays the caller's to close.
func NewFollower(rdb redis.UniversalClient, s Schedule, opt FollowerOptions) *Follower {
	if opt.TaskTimeout <= 0 {
		opt.TaskTimeout = tasks.DefaultTimeout
	}
	if opt.Retention <= 0 {
		opt.Retention = tasks.DefaultRetention
	}
	if opt.Queue == nil {
		opt.Queue = newAsynqQueue(rdb, opt)
	}
	return &Follower{queue: opt.Queue, schedule: s.WithDefaults(), opt: opt}
}

// Follow makes sure that the order is polled, for the first time after delay; a negative delay
// leaves the choice to the sentinel and the schedule. An order that is followed already is left as
// it is, so doing it twice is one follow-up.
func (f *Follower) Follow(ctx context.Context, k ledger.Key, delay time.Duration) error {
	if delay < 0 {
		delay = Jitter(f.schedule.Next(0))
		if s := f.opt.Sentinel; s != nil {
			var now time.Time
			if f.opt.Now != nil {
				now = f.opt.Now()
			}
			oldest, err := s.Enter(ctx, k.OrderID, now)
			if err != nil {
				return err
			}
			if oldest {
				delay = s.cfg.Every
			}
		}
	}
	return f.queue.Schedule(ctx, k, delay)
}

// needless reports whether a poll that is due can be left out for now, and for how long.
func (f *Follower) needless(ctx context.Context, k ledger.Key, accepted time.Time, age time.Duration) (time.Duration, bool, error) {
	if f == nil || f.opt.Sentinel == nil {
		return 0, false, nil
	}
	wait := Jitter(f.schedule.Next(age))
	pause := f.pause(age, wait)
	// Without the sentinel's word an order is asked when it is late, and by its schedule from then on.
	trust := min(max(age, f.schedule.Expected), f.schedule.MaxInterval)
	a, err := f.opt.Sentinel.MaySkip(ctx, k.OrderID, accepted, pause, trust)
	if err != nil || !a.Skip {
		return 0, false, err
	}
	switch {
	case a.Sentinel:
		wait = a.Again
	case age < f.schedule.Expected:
		wait = min(max(f.schedule.Interval, age), f.schedule.Expected-age)
	}
	return wait, true, f.wake(ctx, k.Provider, a.Wake)
}

// pause is when the order is polled again if it is the sentinel: soon, unless it is late.
func (f *Follower) pause(age, wait time.Duration) time.Duration {
	if age >= f.schedule.Expected {
		return wait
	}
	return min(wait, f.opt.Sentinel.cfg.Every)
}

// next is how long to wait after a poll that did not end the order. clear means that the provider
// answered "not yet".
func (f *Follower) next(ctx context.Context, k ledger.Key, accepted time.Time, age time.Duration, clear bool) (time.Duration, error) {
	wait := Jitter(f.schedule.Next(age))
	s := f.opt.Sentinel
	if s == nil {
		return wait, nil
	}
	pause := f.pause(age, wait)
	if !clear {
		oldest, err := s.Enter(ctx, k.OrderID, accepted)
		if oldest {
			wait = pause
		}
		return wait, err
	}
	a, err := s.StillPending(ctx, k.OrderID, accepted, pause)
	if err != nil {
		return wait, err
	}
	if a.Sentinel {
		wait = a.Again
	}
	return wait, f.wake(ctx, k.Provider, a.Wake)
}

// finished tells the sentinel of an order that is not to be followed any more, and wakes the next.
func (f *Follower) finished(ctx context.Context, k ledger.Key, s ledger.State) error {
	if f == nil || f.opt.Sentinel == nil {
		return nil
	}
	// Only these two are the provider's own words. Any other end (given up, or a person has it tried
	// again) does not mean that a job has run.
	end := f.opt.Sentinel.Finished
	if s != ledger.Issued && s != ledger.Failed {
		end = f.opt.Sentinel.GivenUp
	}
	wake, err := end(ctx, k.OrderID)
	if err != nil {
		return err
	}
	return f.wake(ctx, k.Provider, wake)
}

func (f *Follower) wake(ctx context.Context, p providers.Name, orders []string) error {
	var errs []error
	for _, id := range orders {
		errs = append(errs, f.queue.RunNow(ctx, ledger.Key{Provider: p, OrderID: id}))
	}
	return errors.Join(errs...)
}
