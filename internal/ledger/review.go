package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/keys"
	"issuance/providers"
	"issuance/tasks/order"
)

// Reviews lists the records of an account that need review, the longest waiting first.
func (l *Ledger) Reviews(ctx context.Context, a providers.Account) ([]order.Ref, error) {
	members, err := l.rdb.ZRange(ctx, keys.Reviews(a), 0, -1).Result()
	if err != nil {
		return nil, fmt.Errorf("ledger: reviews: %w", err)
	}
	refs := make([]order.Ref, 0, len(members))
	for _, m := range members {
		if r, ok := keys.ParseMember(a, m); ok {
			refs = append(refs, r)
		}
	}
	return refs, nil
}

// ReviewCount is the number of records of an account that need review.
func (l *Ledger) ReviewCount(ctx context.Context, a providers.Account) (int64, error) {
	return l.rdb.ZCard(ctx, keys.Reviews(a)).Result()
}

// Resolution is a person's decision about a record in review.
type Resolution struct {
	State  order.State // settled
	Who    string
	Reason string
}

// Resolve ends a review by a person's decision and publishes the event of the new state. A state
// that cannot be the end of such a record is an error.
func (l *Ledger) Resolve(ctx context.Context, r order.Ref, res Resolution) (Answer, error) {
	if !CanEnd(r, res.State) || !res.State.Settled() || res.State == order.Cancelled {
		return Answer{}, fmt.Errorf("ledger: resolve %s: %q is not how it can end", r, res.State)
	}
	if a, err := l.openReview(ctx, r); err != nil || a.State != order.Review {
		return a, err
	}
	a, err := l.transition(ctx, r, "resolve", []string{keys.Record(r)}, string(res.State), res.Who, res.Reason)
	if err != nil {
		return Answer{}, err
	}
	// A refusal means that somebody else was faster; publishing what became of it is right too.
	return a, errors.Join(l.Publish(ctx, r), l.relist(ctx, r))
}

// Reopen has a record in review worked on again. The caller wakes its task afterwards; until then
// the sweeper would.
func (l *Ledger) Reopen(ctx context.Context, r order.Ref, who, reason string) (Answer, error) {
	if a, err := l.openReview(ctx, r); err != nil || a.State != order.Review {
		return a, err
	}
	// It leaves the list with the review, or before: the record may soon be in review again, and that
	// one must stay listed. Should this program die in between, the sweeper publishes the review anew.
	k := []string{keys.Record(r), keys.Reviews(r.Account)}
	if l.sharded {
		k = k[:1]
		if err := l.rdb.ZRem(ctx, keys.Reviews(r.Account), keys.Member(r)).Err(); err != nil {
			return Answer{}, fmt.Errorf("ledger: review list: %w", err)
		}
	}
	return l.transition(ctx, r, "reopen", k, who, reason, keys.Member(r))
}

// openReview puts a record in review back into the open set, which the event of the review took it
// out of: nothing unfinished, and no event that is due, may be overlooked when this program dies in
// the middle of what it is going to do. A record in another state is left alone; the answer holds it.
func (l *Ledger) openReview(ctx context.Context, r order.Ref) (Answer, error) {
	f, err := l.rdb.HMGet(ctx, keys.Record(r), "state", "event").Result()
	if err != nil {
		return Answer{}, fmt.Errorf("ledger: review of %s: %w", r, err)
	}
	if state, _ := f[0].(string); order.State(state) != order.Review {
		return Answer{State: order.State(state)}, nil
	}
	if f[1] == nil { // the next end must not take the place of this one's event
		if err := l.Publish(ctx, r); err != nil {
			return Answer{}, err
		}
	}
	now, err := l.Time(ctx)
	if err == nil {
		err = l.rdb.ZAdd(ctx, keys.Open(r.Account), redis.Z{Score: float64(now.Add(10 * time.Second).UnixMilli()), Member: keys.Member(r)}).Err()
	}
	if err != nil {
		return Answer{}, fmt.Errorf("ledger: review of %s: %w", r, err)
	}
	return Answer{State: order.Review}, nil
}
