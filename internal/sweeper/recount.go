package sweeper

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/keys"
	"issuance/internal/queue"
	"issuance/providers"
	"issuance/tasks/order"
)

// With many records open, each is looked at rarely, and a person who deletes or archives their tasks in
// the web UI would have them wait for that. But counting is cheap: every open record has a task, so fewer
// tasks than open records mean that some are gone, and then all are looked at.

// shortage is how many sweeps in a row have to find too few tasks: a record that is being enqueued, and one
// whose task has just ended, has none for a moment.
const shortage = 2

// calm is how long a shortage that a look at every record did not explain is left alone.
const calm = 2 * time.Minute

// Recount looks at every open record of a provider that has had too few tasks for a while.
func (s *Sweeper) Recount(ctx context.Context) error {
	of := map[providers.Name][]providers.Account{}
	for _, a := range s.Accounts {
		of[a.Provider] = append(of[a.Provider], a)
	}
	for p, accounts := range of {
		open, tasks, err := s.count(ctx, p, accounts)
		if err != nil {
			return err
		}
		if s.short[p]++; tasks >= open {
			s.short[p] = 0
		}
		if s.short[p] < shortage || time.Now().Before(s.calm[p]) {
			continue
		}
		before := s.made.Load()
		for _, a := range accounts {
			if err := s.lookAtAll(ctx, a); err != nil {
				return err
			}
		}
		if s.short[p] = 0; s.made.Load() == before {
			s.calm[p] = time.Now().Add(calm)
		}
	}
	return nil
}

// count is how many records of a provider are open, and how many tasks its queues hold that will run.
func (s *Sweeper) count(ctx context.Context, p providers.Name, accounts []providers.Account) (open, tasks int64, err error) {
	pipe := s.rdb.Pipeline()
	var records, waiting []*redis.IntCmd
	for _, a := range accounts {
		records = append(records, pipe.ZCard(ctx, keys.Open(a)))
	}
	for _, lane := range order.Lanes() {
		at := keys.Queue(queue.Name(p, lane))
		waiting = append(waiting, pipe.LLen(ctx, at+"pending"), pipe.LLen(ctx, at+"active"), pipe.ZCard(ctx, at+"scheduled"), pipe.ZCard(ctx, at+"retry"))
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return 0, 0, fmt.Errorf("sweeper: %w", err)
	}
	for _, cmd := range records {
		open += cmd.Val()
	}
	for _, cmd := range waiting {
		tasks += cmd.Val()
	}
	return open, tasks, nil
}

// lookAtAll inspects every open record of an account, whenever it is due.
func (s *Sweeper) lookAtAll(ctx context.Context, a providers.Account) error {
	for first := int64(0); ; first += s.Batch {
		refs, err := s.Ledger.Open(ctx, a, first, s.Batch)
		if err != nil {
			return err
		}
		if _, err := s.inspect(ctx, refs, lookEvery); err != nil {
			return err
		}
		if int64(len(refs)) < s.Batch {
			return nil
		}
	}
}
