package pollers

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/queue"
	"issuance/providers"
	"issuance/tasks/order"
)

// Follower keeps one poll task per accepted order of an account in the queue, and wakes those that
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
	TaskTimeout time.Duration // default queue.DefaultTimeout; whole seconds
	Retention   time.Duration // default queue.DefaultRetention
	// Queue replaces asynq, for simulations.
	Queue Queue
	// Now is the clock for the moment an order is accepted. Default: Redis's, which is the one that
	// the sentinel compares it with.
	Now func() time.Time
}

// NewFollower makes a follower over rdb, which stays the caller's to close.
func NewFollower(rdb redis.UniversalClient, s Schedule, opt FollowerOptions) *Follower {
	if opt.Queue == nil {
		opt.Queue = asynqQueue{queue.NewClient(rdb, queue.Options{Timeout: opt.TaskTimeout, Retention: opt.Retention})}
	}
	return &Follower{queue: opt.Queue, schedule: s.WithDefaults(), opt: opt}
}

// Follow makes sure that the order is polled, for the first time after delay; a negative delay
// leaves the choice to the sentinel and the schedule. An order that is followed already is left as
// it is, so doing it twice is one follow-up.
func (f *Follower) Follow(ctx context.Context, r order.Ref, delay time.Duration) error {
	if delay < 0 {
		delay = Jitter(f.schedule.Next(0))
		if s := f.opt.Sentinel; s != nil {
			var now time.Time
			if f.opt.Now != nil {
				now = f.opt.Now()
			}
			oldest, err := s.Enter(ctx, r.OrderID, now)
			if err != nil {
				return err
			}
			if oldest {
				delay = s.cfg.Every
			}
		}
	}
	return f.queue.Schedule(ctx, r, delay)
}

// decision is whether a poll that is due is worth a call.
type decision int

const (
	worthIt  decision = iota
	needless          // it can be left out for now
	unclear           // it depends on when the order was accepted
)

// worth decides about a poll that is due; wait is for how long one that is needless can be left out. accepted may be zero: most
// polls are needless, and then nothing needs to be read of the record.
func (f *Follower) worth(ctx context.Context, r order.Ref, accepted time.Time, age time.Duration) (d decision, wait time.Duration, err error) {
	if f == nil || f.opt.Sentinel == nil {
		return worthIt, 0, nil
	}
	if accepted.IsZero() && f.schedule.Deadline <= f.schedule.Expected {
		return unclear, 0, nil // it may be overdue before it is late
	}
	wait = Jitter(f.schedule.Next(age))
	pause := f.pause(age, wait)
	// Without the sentinel's answer an order is asked when it is late, and by its schedule from then on.
	trust := min(max(age, f.schedule.Expected), f.schedule.MaxInterval)
	a, err := f.opt.Sentinel.MaySkip(ctx, r.OrderID, accepted, pause, trust)
	switch {
	case err != nil:
		return worthIt, 0, err
	case a.Unclear:
		return unclear, 0, nil
	case !a.Skip:
		return worthIt, 0, nil
	case a.Sentinel:
		wait = a.Again
	case a.Age < f.schedule.Expected:
		wait = min(max(f.schedule.Interval, a.Age), f.schedule.Expected-a.Age)
	}
	return needless, wait, f.wake(ctx, r.Account, a.Wake)
}

// pause is when the order is polled again if it is the sentinel: soon, unless it is late.
func (f *Follower) pause(age, wait time.Duration) time.Duration {
	if age >= f.schedule.Expected {
		return wait
	}
	return min(wait, f.opt.Sentinel.cfg.Every)
}

// heard is what came of a poll that did not end its order.
type heard int

const (
	notYet  heard = iota // the provider's clear answer
	mute                 // an answer of no use, or none
	unasked              // the call did not leave
)

// next is how long to wait after a poll that did not end the order.
func (f *Follower) next(ctx context.Context, r order.Ref, accepted time.Time, age time.Duration, h heard) (time.Duration, error) {
	wait := Jitter(f.schedule.Next(age))
	s := f.opt.Sentinel
	if s == nil {
		return wait, nil
	}
	pause := f.pause(age, wait)
	if h == mute {
		aside, wake, err := s.Mute(ctx, r.OrderID, accepted)
		if err != nil || aside {
			return wait, errors.Join(err, f.wake(ctx, r.Account, wake))
		}
	}
	if h != notYet {
		oldest, err := s.Enter(ctx, r.OrderID, accepted)
		if oldest {
			wait = pause
		}
		return wait, err
	}
	a, err := s.StillPending(ctx, r.OrderID, accepted, pause)
	if err != nil {
		return wait, err
	}
	if a.Sentinel {
		wait = a.Again
	}
	return wait, f.wake(ctx, r.Account, a.Wake)
}

// aside has nobody wait for an order that the provider denies.
func (f *Follower) aside(ctx context.Context, r order.Ref) error {
	if f == nil || f.opt.Sentinel == nil {
		return nil
	}
	wake, err := f.opt.Sentinel.Aside(ctx, r.OrderID)
	if err != nil {
		return err
	}
	return f.wake(ctx, r.Account, wake)
}

// kept has nobody wait for an order that is issued and whose tickets cannot be had yet, and wakes those that must be issued, too.
func (f *Follower) kept(ctx context.Context, r order.Ref, accepted time.Time) error {
	if f == nil || f.opt.Sentinel == nil {
		return nil
	}
	wake, err := f.opt.Sentinel.Kept(ctx, r.OrderID, accepted)
	if err != nil {
		return err
	}
	return f.wake(ctx, r.Account, wake)
}

// finished takes an order that is not to be followed any more out of the sentinel's list, and wakes the next.
func (f *Follower) finished(ctx context.Context, r order.Ref, s order.State, accepted time.Time) error {
	if f == nil || f.opt.Sentinel == nil {
		return nil
	}
	// Only these two are the provider's own answers. Any other end (given up, or a person has it tried
	// again) does not mean that a job has run.
	var wake []string
	var err error
	if s == order.Issued || s == order.Failed {
		wake, err = f.opt.Sentinel.Finished(ctx, r.OrderID, accepted)
	} else {
		wake, err = f.opt.Sentinel.GivenUp(ctx, r.OrderID)
	}
	if err != nil {
		return err
	}
	return f.wake(ctx, r.Account, wake)
}

// unasked takes back that a poll is worth a call, because the order cannot be asked for.
func (f *Follower) unasked(ctx context.Context, r order.Ref) error {
	if f == nil || f.opt.Sentinel == nil {
		return nil
	}
	return f.opt.Sentinel.Unasked(ctx, r.OrderID)
}

func (f *Follower) wake(ctx context.Context, a providers.Account, orders []string) error {
	var errs []error
	for _, id := range orders {
		errs = append(errs, f.queue.RunNow(ctx, order.Ref{Account: a, OrderID: id}))
	}
	return errors.Join(errs...)
}
