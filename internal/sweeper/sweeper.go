// Package sweeper brings back what the queue lost. The ledger knows every unfinished record; the sweeper makes
// sure that each has a task that will run, whatever happened to the one it had: deleted, archived, taken by a
// worker that died. Several may run at the same time; every step is idempotent.
//
// It may import internal/keys, internal/ledger, internal/queue, providers and tasks/order.
package sweeper

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/ledger"
	"issuance/internal/queue"
	"issuance/providers"
	"issuance/tasks/order"
)

// Config of a Sweeper.
type Config struct {
	Ledger   *ledger.Ledger
	Accounts []providers.Account // whose records are swept
	Log      *slog.Logger
	// Every is the pause between sweeps. Default 3 s; with the claims' 10 s, and the 14 s that a
	// worker may be silent, that has the orders of a killed worker taken up by another within 20 s.
	Every time.Duration
	// Batch is how many records are looked at in one go. Default 200.
	Batch int64
	// FullEvery is the pause between searches of the whole keyspace for unfinished records that
	// the open set does not hold. Default 6 h; the first is made at start.
	FullEvery time.Duration
	// Tasks are how tasks are enqueued. Default: as package queue does.
	Tasks queue.Options
}

// Sweeper looks after unfinished records. Safe for concurrent use, but for Run and Recount, which one goroutine
// calls.
type Sweeper struct {
	Config
	rdb   redis.UniversalClient
	queue *queue.Client
	made  atomic.Int64 // tasks brought back
	// counts is what Recount knows of each provider, and Recount's alone.
	counts map[providers.Name]*recount
}

// New makes a sweeper over rdb, which stays the caller's to close.
func New(rdb redis.UniversalClient, c Config) *Sweeper {
	if c.Every <= 0 {
		c.Every = 3 * time.Second
	}
	if c.FullEvery <= 0 {
		c.FullEvery = 6 * time.Hour
	}
	if c.Batch <= 0 {
		c.Batch = 200
	}
	return &Sweeper{Config: c, rdb: rdb, queue: queue.NewClient(rdb, c.Tasks), counts: map[providers.Name]*recount{}}
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
		if err := s.Recount(ctx); err != nil {
			s.report(ctx, "counting tasks", err)
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
	for _, a := range s.Accounts {
		n, err := s.Ledger.AdoptOpen(ctx, a)
		if err != nil {
			return err
		}
		if n > 0 {
			s.Log.Warn("sweeper: found unfinished records that were not in the open set", "account", a.String(), "records", n)
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
	for _, a := range s.Accounts {
		open, err := s.Ledger.OpenCount(ctx, a)
		if err != nil {
			return errors.Join(append(errs, err)...)
		}
		for {
			due, err := s.Ledger.Due(ctx, a, s.Batch, hold)
			if err != nil {
				return errors.Join(append(errs, err)...)
			}
			// Records that cannot be seen to must not keep those of later batches waiting.
			until, err := s.inspect(ctx, due.Refs, pause(open))
			errs = append(errs, err, s.Ledger.PutOff(ctx, due, until))
			if int64(len(due.Refs)) < s.Batch {
				break
			}
		}
	}
	return errors.Join(append(errs, ctx.Err())...)
}

// hold is how long a batch is this sweeper's alone. Should it die, another looks at the rest then.
const hold = 5 * time.Second

// A record that waits is looked at this often, and less often when so many wait that looking would cost
// Redis more than perSecond looks a second.
const (
	lookEvery = 20 * time.Second
	perSecond = 1000
	rarest    = 10 * time.Minute
)

// pause is how long a record that waits is left alone, as one of so many.
func pause(open int64) time.Duration {
	return min(max(lookEvery, time.Duration(open)*time.Second/perSecond), rarest)
}

// inspect sees to a batch of records, in a few round trips as long as all is well, and says when each
// is due again. One that cannot be seen to is due again soon, and does not keep the others waiting.
func (s *Sweeper) inspect(ctx context.Context, refs []order.Ref, again time.Duration) (map[order.Ref]time.Time, error) {
	if len(refs) == 0 {
		return nil, nil
	}
	views, err := s.Ledger.Views(ctx, refs)
	if err != nil {
		return nil, err
	}
	tasks, err := s.tasks(ctx, refs, views)
	if err != nil {
		return nil, err
	}
	until := map[order.Ref]time.Time{}
	var errs []error
	for i, ref := range refs {
		at, known, err := s.see(ctx, ref, views[i], tasks[i], again)
		if err != nil {
			errs = append(errs, err)
		} else if known {
			until[ref] = at
		}
	}
	return until, errors.Join(errs...)
}

// tasks reads in one round trip what the queue holds of the tasks that the records need; nothing
// for records that need none.
func (s *Sweeper) tasks(ctx context.Context, refs []order.Ref, views []*ledger.View) ([]queue.Task, error) {
	var which []int
	var homes []queue.Home
	for i, v := range views {
		if v != nil && !v.State.Final() && !v.Live() {
			which, homes = append(which, i), append(homes, queue.HomeOf(refs[i], v.State, v.Lane))
		}
	}
	found, err := s.queue.Find(ctx, homes)
	if err != nil {
		return nil, err
	}
	out := make([]queue.Task, len(refs))
	for n, i := range which {
		out[i] = found[n]
	}
	return out, nil
}

// see sees to one record and says when it is due again, as ledger.PutOff takes it.
func (s *Sweeper) see(ctx context.Context, ref order.Ref, v *ledger.View, t queue.Task, again time.Duration) (at time.Time, known bool, err error) {
	switch {
	case v == nil:
		// In a cluster the open set is written first: this record never came to be, or has expired.
		return time.Time{}, true, nil
	case v.State.Final():
		return time.Time{}, false, s.Ledger.Publish(ctx, ref)
	case v.Live():
		return v.Until.Add(time.Second), true, nil
	case !t.Runs(v):
		if err := s.bringBack(ctx, ref, v); err != nil {
			return time.Time{}, false, err
		}
	}
	if v.Abandoned() {
		again = 10 * time.Second
	}
	return v.Now.Add(again), true, nil
}

func (s *Sweeper) bringBack(ctx context.Context, ref order.Ref, v *ledger.View) error {
	why, err := s.queue.Ensure(ctx, ref, v)
	if why != "" {
		s.Log.Warn("sweeper: brought a task back into its queue", "account", ref.Account.String(), "order", ref.OrderID,
			"refund", ref.RefundID, "state", string(v.State), "because", why)
		s.made.Add(1)
	}
	return err
}

// Wake makes sure that a record that is not finished has a task, without waiting for the next sweep.
func (s *Sweeper) Wake(ctx context.Context, ref order.Ref) error {
	views, err := s.Ledger.Views(ctx, []order.Ref{ref})
	if err != nil {
		return err
	}
	v := views[0]
	switch {
	case v == nil:
		return ledger.ErrNotFound
	case v.State.Final() || v.Live():
		return nil
	}
	return s.bringBack(ctx, ref, v)
}
