package ledger

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/keys"
	"issuance/providers"
	"issuance/tasks/order"
)

// ReviewCodes counts the records of an account that need review by their code, the latest ones up to most, and says how
// many there are in all.
func (l *Ledger) ReviewCodes(ctx context.Context, a providers.Account, most int64) (codes map[string]int, total int64, err error) {
	pipe := l.rdb.Pipeline()
	all, latest := pipe.ZCard(ctx, keys.Reviews(a)), pipe.ZRevRange(ctx, keys.Reviews(a), 0, most-1)
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, 0, fmt.Errorf("ledger: reviews: %w", err)
	}
	codes, pipe = map[string]int{}, l.rdb.Pipeline()
	var read []*redis.StringCmd
	for _, m := range latest.Val() {
		if r, ok := keys.ParseMember(a, m); ok {
			read = append(read, pipe.HGet(ctx, keys.Record(r), "code"))
		}
	}
	if len(read) == 0 {
		return codes, all.Val(), nil
	}
	if _, err := pipe.Exec(ctx); err != nil && err != redis.Nil {
		return nil, 0, fmt.Errorf("ledger: reviews: %w", err)
	}
	for _, c := range read {
		codes[c.Val()]++
	}
	return codes, all.Val(), nil
}

// OldestUnaccepted is the record that waits longest among those that the provider has not accepted and that have not ended: since it
// was enqueued, or, of a review, since a person had it worked on again. since is zero when there is none.
func (l *Ledger) OldestUnaccepted(ctx context.Context, refs []order.Ref) (oldest order.Ref, since time.Time, err error) {
	if len(refs) == 0 {
		return oldest, since, nil
	}
	pipe := l.rdb.Pipeline()
	read := make([]*redis.SliceCmd, len(refs))
	for i, r := range refs {
		read[i] = pipe.HMGet(ctx, keys.Record(r), "state", "created", "reopened_at")
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return oldest, since, fmt.Errorf("ledger: oldest: %w", err)
	}
	for i, c := range read {
		text := func(n int) string { s, _ := c.Val()[n].(string); return s }
		state := text(0)
		if state != string(order.Queued) && state != string(order.Submitting) {
			continue
		}
		if t := millis(cmp.Or(text(2), text(1))); since.IsZero() || t.Before(since) {
			oldest, since = refs[i], t
		}
	}
	return oldest, since, nil
}
