// Package sweep brings back what the queue lost. The ledger keeps every unfinished record in its
// open set; the sweeper looks at those that are due and makes sure that each has a task that will
// run: tasks that were archived, deleted in the web UI, lost with Redis or left "active" by a dead
// worker are enqueued again, and an event that was never published is published.
//
// Any number of workers may sweep at the same time: every step is idempotent. It imports tasks and
// internal/ledger.
package sweep

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"issuance/internal/ledger"
	"issuance/providers"
	"issuance/tasks"
)

// Config of a Sweeper.
type Config struct {
	Ledger    *ledger.Ledger
	Providers []providers.Name // whose records are swept
	Log       *slog.Logger
	// Every is the pause between sweeps. Default 3 s; with the claims' 10 s, and the 14 s that a
	// worker may be silent, that has the orders of a killed worker taken up by another within 20 s.
	Every time.Duration
	// Batch is how many records are looked at in one go. Default 200.
	Batch int64
	// FullEvery is the pause between searches of the whole keyspace for unfinished records that
	// the open set does not hold. Default 6 h; the first is made at start.
	FullEvery time.Duration
	// TaskTimeout and Retention are those of the producers' tasks. Defaults as in package tasks.
	TaskTimeout, Retention time.Duration
}

// Sweeper looks after unfinished records. Safe for concurrent use.
type Sweeper struct {
	Config
	rdb       redis.UniversalClient
	queue     *asynq.Client
	inspector *asynq.Inspector
}

// New makes a sweeper over rdb, which stays the caller's to close.
func New(rdb redis.UniversalClient, c Config) *Sweeper {
	set := func(d *time.Duration, def time.Duration) {
		if *d <= 0 {
			*d = def
		}
	}
	set(&c.Every, 3*time.Second)
	set(&c.FullEvery, 6*time.Hour)
	set(&c.TaskTimeout, tasks.DefaultTimeout)
	set(&c.Retention, tasks.DefaultRetention)
	if c.Batch <= 0 {
		c.Batch = 200
	}
	return &Sweeper{Config: c, rdb: rdb, queue: asynq.NewClientFromRedisClient(rdb), inspector: asynq.NewInspectorFromRedisClient(rdb)}
}

// Run sweeps until the context ends.
func (s *Sweeper) Run(ctx context.Context) {
	tick := time.NewTicker(s.Every)
	defer tick.Stop()
	var full time.Time
	for {
		if time.Since(full) >= s.FullEvery {
			if err := s.Adopt(ctx); err != nil {
				s.report(ctx, "searching for overlooked records", err)
			} else {
				full = time.Now()
			}
		}
		if err := s.Once(ctx); err != nil {
			s.report(ctx, "sweeping", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (s *Sweeper) report(ctx context.Context, what string, err error) {
	if ctx.Err() == nil {
		s.Log.Warn("sweeper: "+what+" failed, trying again", "error", err)
	}
}

// Adopt searches the whole keyspace for unfinished records that the open set does not hold.
func (s *Sweeper) Adopt(ctx context.Context) error {
	for _, p := range s.Providers {
		n, err := s.Ledger.AdoptOpen(ctx, p)
		if err != nil {
			return err
		}
		if n > 0 {
			s.Log.Warn("sweeper: found unfinished records that were not in the open set", "provider", string(p), "records", n)
		}
	}
	return nil
}

// Once takes back what dead workers have left behind and looks at every record that is due.
func (s *Sweeper) Once(ctx context.Context) error {
	if err := s.takeBack(ctx); err != nil {
		return err
	}
	var errs []error
	for _, p := range s.Providers {
		for {
			due, err := s.Ledger.Due(ctx, p, s.Batch, hold)
			if err != nil {
				return errors.Join(append(errs, err)...)
			}
			// Records that cannot be seen to must not keep those of later batches waiting.
			errs = append(errs, s.inspect(ctx, due))
			if int64(len(due.Refs)) < s.Batch {
				break
			}
		}
	}
	return errors.Join(append(errs, ctx.Err())...)
}

// hold is how long a batch is this sweeper's alone. Should it die, another looks at the rest then.
const hold = 5 * time.Second

// inspect sees to a batch of records, in a few round trips as long as all is well, and says when each
// is due again. One that cannot be seen to is due again soon, and does not keep the others waiting.
func (s *Sweeper) inspect(ctx context.Context, due ledger.Due) error {
	if len(due.Refs) == 0 {
		return nil
	}
	views, err := s.Ledger.Glance(ctx, due.Refs)
	if err != nil {
		return err
	}
	states, err := s.taskStates(ctx, due.Refs, views)
	if err != nil {
		return err
	}
	until := map[ledger.Ref]time.Time{}
	var errs []error
	for i, ref := range due.Refs {
		at, known, err := s.see(ctx, ref, views[i], states[i])
		if err != nil {
			errs = append(errs, err)
		} else if known {
			until[ref] = at
		}
	}
	return errors.Join(append(errs, s.Ledger.PutOff(ctx, due, until))...)
}

// see sees to one record and tells when it is due again, as ledger.PutOff takes it.
func (s *Sweeper) see(ctx context.Context, ref ledger.Ref, v *ledger.View, t task) (at time.Time, known bool, err error) {
	switch {
	case v == nil:
		// In a cluster the open set is written first: this record never came to be, or has expired.
		return time.Time{}, true, nil
	case v.State.Final():
		return time.Time{}, false, s.Ledger.Publish(ctx, ref)
	case v.Live():
		return v.Until.Add(time.Second), true, nil
	case !t.runs(v):
		// ErrNotFound: it has just expired.
		if err := s.Wake(ctx, ref); err != nil {
			return time.Time{}, false, ignore(err, ledger.ErrNotFound)
		}
	}
	return v.Now.Add(pause(v)), true, nil
}

func ignore(err, expected error) error {
	if errors.Is(err, expected) {
		return nil
	}
	return err
}

// Wake makes sure that a record that is not finished has a task, without waiting for the next sweep.
func (s *Sweeper) Wake(ctx context.Context, ref ledger.Ref) error {
	v, err := s.Ledger.View(ctx, ref)
	if err != nil || v.State.Final() || v.Live() {
		return err
	}
	return s.ensureTask(ctx, ref, v)
}

// pause is how long a record that waits is left alone. The older it is, the longer: an unfinished
// record costs a look now and then, and there may be a million of them.
func pause(v *ledger.View) time.Duration {
	if v.Abandoned() {
		return 10 * time.Second
	}
	return min(max(v.Now.Sub(v.UpdatedAt)/2, 15*time.Second), 10*time.Minute)
}
