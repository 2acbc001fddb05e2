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
	"slices"
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
	Ledger *ledger.Ledger
	// Accounts are those whose records are swept, as they are now; see Always.
	Accounts func() []providers.Account
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
	// Now measures how long a look at all records has taken. Default time.Now.
	Now func() time.Time
}

// Sweeper looks after unfinished records. Safe for concurrent use, but for Run and Recount, which one goroutine
// calls.
type Sweeper struct {
	Config
	rdb   redis.UniversalClient
	queue *queue.Client
	made  atomic.Int64 // tasks brought back
	// since is how many of them since the last reportSince.
	since atomic.Int64
	// counts is what Recount knows of each provider, and Recount's alone.
	counts map[providers.Name]*recount
	// adopted are the accounts whose records were searched for, and Adopt's alone.
	adopted map[providers.Account]bool
}

// Always are accounts that do not change.
func Always(accounts ...providers.Account) func() []providers.Account {
	return func() []providers.Account { return accounts }
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
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Sweeper{Config: c, rdb: rdb, queue: queue.NewClient(rdb, c.Tasks), counts: map[providers.Name]*recount{}, adopted: map[providers.Account]bool{}}
}

// Run sweeps until the context ends.
func (s *Sweeper) Run(ctx context.Context) {
	tick := time.NewTicker(s.Every)
	defer tick.Stop()
	var full time.Time
	for {
		if time.Since(full) >= s.FullEvery || s.newAccount() {
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
		if err := s.Repoint(ctx); err != nil {
			s.report(ctx, "repairing the index", err)
		}
		s.reportSince()
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

// Adopt searches the whole keyspace for unfinished records that the open sets do not hold.
func (s *Sweeper) Adopt(ctx context.Context) error {
	accounts := s.Accounts()
	if len(accounts) == 0 {
		return nil
	}
	found, err := s.Ledger.AdoptOpen(ctx, accounts...)
	for a, n := range found {
		s.Log.Warn("sweeper: found unfinished records that were not in the open set", "account", a.String(), "records", n)
	}
	if err == nil {
		s.adopted = map[providers.Account]bool{}
		for _, a := range accounts {
			s.adopted[a] = true
		}
	}
	return err
}

// newAccount reports whether there is an account whose records were not searched for yet.
func (s *Sweeper) newAccount() bool {
	return slices.ContainsFunc(s.Accounts(), func(a providers.Account) bool { return !s.adopted[a] })
}

// mostPointers is how many ends one look at the index takes.
const mostPointers = 1000

// Repoint has what has ended found by the provider's number and by its refund's id, where the write of that was lost.
func (s *Sweeper) Repoint(ctx context.Context) error {
	n, err := s.Ledger.RepairPointers(ctx, mostPointers)
	if n > 0 {
		s.Log.Warn("sweeper: repaired the index of ended records", "pointers", n)
	}
	return err
}

// Once takes back what dead workers have left behind and looks at every record that is due.
func (s *Sweeper) Once(ctx context.Context) error {
	if err := s.takeBack(ctx); err != nil {
		return err
	}
	accounts := s.Accounts()
	open, err := s.Ledger.OpenCounts(ctx, accounts)
	if err != nil {
		return err
	}
	var errs []error
	for i, a := range accounts {
		for more := open[i] > 0; more; {
			due, err := s.Ledger.Due(ctx, a, s.Batch, hold)
			if err != nil {
				return errors.Join(append(errs, err)...)
			}
			// Records that cannot be seen to must not keep those of later batches waiting.
			until, err := s.inspect(ctx, due.Refs, pause(open[i]))
			errs = append(errs, err, s.Ledger.PutOff(ctx, due, until))
			more = int64(len(due.Refs)) == s.Batch
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
	tasks, err := s.queue.EnsureAll(ctx, refs, views)
	if err != nil {
		return nil, err
	}
	until := map[order.Ref]time.Time{}
	var errs []error
	for i, ref := range refs {
		v, task := views[i], tasks[i]
		s.brought(ref, v, task)
		switch {
		case v == nil:
			// In a cluster the open set is written first: this record never came to be, or has expired.
			until[ref] = time.Time{}
		case v.State.Final():
			errs = append(errs, s.Ledger.Publish(ctx, ref))
		case v.Live():
			until[ref] = v.Until.Add(time.Second)
		case task.Err != nil:
			errs = append(errs, task.Err)
		case v.Abandoned():
			until[ref] = v.Now.Add(min(again, 10*time.Second))
		default:
			until[ref] = v.Now.Add(again)
		}
	}
	return until, errors.Join(errs...)
}

// mostNamed is how many of a look's tasks that were brought back are named in the log.
const mostNamed = 20

// brought counts a task that was made for a record, and reports it: a person who has deleted all of a million
// learns of each by a count.
func (s *Sweeper) brought(ref order.Ref, v *ledger.View, task queue.Ensured) {
	if task.Why == "" {
		return
	}
	s.made.Add(1)
	if s.since.Add(1) <= mostNamed {
		s.Log.Warn("sweeper: brought a task back into its queue", "account", ref.Account.String(), "order", ref.OrderID,
			"refund", ref.RefundID, "state", string(v.State), "because", task.Why)
	}
}

// reportSince reports how many tasks were brought back since the last time beyond those that were named.
func (s *Sweeper) reportSince() {
	if n := s.since.Swap(0); n > mostNamed {
		s.Log.Warn("sweeper: brought more tasks back into their queues", "tasks", n-mostNamed)
	}
}
