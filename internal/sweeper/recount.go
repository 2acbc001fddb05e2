package sweeper

import (
	"context"
	"errors"
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

// A look at all records is spread over sweeps, so that those that are due need not wait for it: it stops at the
// first batch after so long.
const spell = 5 * time.Second

// recount is what is known of one provider's tasks.
type recount struct {
	short int // sweeps in a row that found too few
	// unexplained is how many were missing when a look at every record found each with its task. Only more
	// than that is a reason to look again.
	unexplained int64
	look        *look // under way; nil when none is
}

// look is a look at every open record of a provider.
type look struct {
	left    []providers.Account // the first is under way
	cursor  uint64
	missing int64 // tasks, when it began
	before  int64 // Sweeper.made when it began
}

// Recount looks at every open record of a provider that has had too few tasks for a while.
func (s *Sweeper) Recount(ctx context.Context) error {
	var names []providers.Name
	of := map[providers.Name][]providers.Account{}
	for _, a := range s.Accounts() {
		if of[a.Provider] == nil {
			names = append(names, a.Provider)
		}
		of[a.Provider] = append(of[a.Provider], a)
	}
	for _, p := range names {
		if err := s.recount(ctx, p, of[p]); err != nil {
			return fmt.Errorf("sweeper: %w", err)
		}
	}
	return nil
}

func (s *Sweeper) recount(ctx context.Context, p providers.Name, accounts []providers.Account) error {
	r := s.counts[p]
	if r == nil {
		r = &recount{}
		s.counts[p] = r
	}
	if r.look == nil {
		missing, err := s.missing(ctx, p, accounts)
		if err != nil {
			return err
		}
		r.unexplained = min(r.unexplained, missing)
		if missing <= r.unexplained {
			r.short = 0
			return nil
		}
		if r.short++; r.short < shortage {
			return nil
		}
		r.short, r.look = 0, &look{left: accounts, missing: missing, before: s.made.Load()}
	}
	err := s.lookOn(ctx, r.look)
	if len(r.look.left) > 0 {
		return err
	}
	r.unexplained = 0
	if s.made.Load() == r.look.before {
		r.unexplained = r.look.missing
	}
	r.look = nil
	return err
}

// missing is how many open records of a provider have no task that will run, as far as counting can say.
func (s *Sweeper) missing(ctx context.Context, p providers.Name, accounts []providers.Account) (int64, error) {
	pipe := s.rdb.Pipeline()
	var open, tasks []*redis.IntCmd
	for _, a := range accounts {
		open = append(open, pipe.ZCard(ctx, keys.Open(a)))
	}
	for _, lane := range order.Lanes() {
		at := keys.Queue(queue.Name(p, lane))
		tasks = append(tasks, pipe.LLen(ctx, at+"pending"), pipe.LLen(ctx, at+"active"), pipe.ZCard(ctx, at+"scheduled"), pipe.ZCard(ctx, at+"retry"))
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return 0, err
	}
	var n int64
	for _, cmd := range open {
		n += cmd.Val()
	}
	for _, cmd := range tasks {
		n -= cmd.Val()
	}
	return max(n, 0), nil
}

// lookOn goes on with a look. A scan finds every record that is open all the while, whatever becomes of the
// others.
func (s *Sweeper) lookOn(ctx context.Context, l *look) error {
	var errs []error
	for began := s.Now(); len(l.left) > 0 && s.Now().Sub(began) < spell; {
		a := l.left[0]
		found, cursor, err := s.rdb.ZScan(ctx, keys.Open(a), l.cursor, "", s.Batch).Result()
		if err != nil {
			return errors.Join(append(errs, err)...)
		}
		var refs []order.Ref
		for i := 0; i < len(found); i += 2 { // members and their times
			if ref, ok := keys.ParseMember(a, found[i]); ok {
				refs = append(refs, ref)
			}
		}
		// One that cannot be brought back must not keep the others waiting.
		_, err = s.inspect(ctx, refs, lookEvery)
		errs = append(errs, err)
		if l.cursor = cursor; cursor == 0 {
			l.left = l.left[1:]
		}
	}
	return errors.Join(errs...)
}
