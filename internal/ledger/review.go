package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/providers"
)

func reviewKey(p providers.Name) string { return fmt.Sprintf("issuance:{review:%s}", p) }

// Reviews lists the records that need a person, the longest waiting first.
func (l *Ledger) Reviews(ctx context.Context, p providers.Name) ([]Ref, error) {
	members, err := l.rdb.ZRange(ctx, reviewKey(p), 0, -1).Result()
	if err != nil {
		return nil, fmt.Errorf("ledger: reviews: %w", err)
	}
	refs := make([]Ref, 0, len(members))
	for _, m := range members {
		if r, ok := parseMember(p, m); ok {
			refs = append(refs, r)
		}
	}
	return refs, nil
}

// ReviewCount is the number of records that need a person.
func (l *Ledger) ReviewCount(ctx context.Context, p providers.Name) (int64, error) {
	return l.rdb.ZCard(ctx, reviewKey(p)).Result()
}

// Reopen has a record in review worked on again. The caller wakes its task afterwards; until then
// the sweeper would.
func (l *Ledger) Reopen(ctx context.Context, r Ref, who, reason string) (Answer, error) {
	if a, err := l.openReview(ctx, r); err != nil || a.State != Review {
		return a, err
	}
	// It leaves the list with the review, or before: the record may soon be in review again, and that
	// one must stay listed. Should this program die in between, the sweeper publishes the review anew.
	keys := []string{r.record(), reviewKey(r.Provider)}
	if l.apart {
		keys = keys[:1]
		if err := l.leaveReview(ctx, r); err != nil {
			return Answer{}, err
		}
	}
	reply, err := l.run(ctx, "reopen", keys, who, reason, r.openMember())
	if err != nil {
		return Answer{}, err
	}
	return answer(reply), nil
}

func (l *Ledger) leaveReview(ctx context.Context, r Ref) error {
	if err := l.rdb.ZRem(ctx, reviewKey(r.Provider), r.openMember()).Err(); err != nil {
		return fmt.Errorf("ledger: review list: %w", err)
	}
	return nil
}

// openReview puts a record in review back into the open set, which the event of the review took it
// out of: nothing unfinished, and no event that is due, may be overlooked when this program dies in
// the middle of what it is going to do. A record in another state is left alone; the answer tells.
func (l *Ledger) openReview(ctx context.Context, r Ref) (Answer, error) {
	state, err := l.rdb.HGet(ctx, r.record(), "state").Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return Answer{}, fmt.Errorf("ledger: review of %s: %w", r, err)
	}
	if State(state) != Review {
		return Answer{State: State(state)}, nil
	}
	now, err := l.Time(ctx)
	if err == nil {
		err = l.rdb.ZAdd(ctx, openKey(r.Provider), redis.Z{Score: float64(now.Add(10 * time.Second).UnixMilli()), Member: r.openMember()}).Err()
	}
	if err != nil {
		return Answer{}, fmt.Errorf("ledger: review of %s: %w", r, err)
	}
	return Answer{State: Review}, nil
}
