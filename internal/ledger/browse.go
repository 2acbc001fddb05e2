package ledger

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/redis/go-redis/v9"

	"issuance/internal/keys"
	"issuance/providers"
	"issuance/tasks/order"
)

// Find reads those of some records that match a query, in their order. What does not exist is left out.
func (l *Ledger) Find(ctx context.Context, q Query, refs []order.Ref) ([]Found, error) {
	q.whole = true
	return l.find(ctx, q, refs)
}

// FindUnsettled is Find for records that are not settled, which have no details to be read.
func (l *Ledger) FindUnsettled(ctx context.Context, q Query, refs []order.Ref) ([]Found, error) {
	q.unsettled = true
	return l.find(ctx, q, refs)
}

func (l *Ledger) find(ctx context.Context, q Query, refs []order.Ref) ([]Found, error) {
	var out []Found
	for some := range slices.Chunk(refs, scanBatch) {
		found, err := q.read(ctx, l.rdb, some)
		if err != nil {
			return nil, fmt.Errorf("ledger: find: %w", err)
		}
		out = append(out, found...)
	}
	return out, nil
}

// Counts are how many records of some accounts are not finished, and how many need review.
func (l *Ledger) Counts(ctx context.Context, accounts []providers.Account) (open, reviews []int64, err error) {
	if len(accounts) == 0 {
		return nil, nil, nil
	}
	pipe := l.rdb.Pipeline()
	var cards [2][]*redis.IntCmd
	for _, a := range accounts {
		cards[0] = append(cards[0], pipe.ZCard(ctx, keys.Open(a)))
		cards[1] = append(cards[1], pipe.ZCard(ctx, keys.Reviews(a)))
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, nil, fmt.Errorf("ledger: counts: %w", err)
	}
	for i := range accounts {
		open, reviews = append(open, cards[0][i].Val()), append(reviews, cards[1][i].Val())
	}
	return open, reviews, nil
}

// OpenPage is a step through an account's records that are not finished, in no order: about count of them after a cursor,
// 0 for the beginning. next is 0 after the last. A record that stays unfinished is found by one of the pages, perhaps by two.
func (l *Ledger) OpenPage(ctx context.Context, a providers.Account, cursor uint64, count int64) (refs []order.Ref, next uint64, err error) {
	list, next, err := l.rdb.ZScan(ctx, keys.Open(a), cursor, "", count).Result()
	if err != nil {
		return nil, 0, fmt.Errorf("ledger: open: %w", err)
	}
	for i := 0; i < len(list); i += 2 { // members and scores
		if r, ok := keys.ParseMember(a, list[i]); ok {
			refs = append(refs, r)
		}
	}
	return refs, next, nil
}

// Reviewed is a record in review and since when (ms).
type Reviewed struct {
	order.Ref
	Since int64
}

// ReviewPage lists up to count records of an account that need review since a moment (ms) or later, the longest waiting
// first, and leaves out the first skip of them.
func (l *Ledger) ReviewPage(ctx context.Context, a providers.Account, since, skip, count int64) ([]Reviewed, error) {
	list, err := l.rdb.ZRangeByScoreWithScores(ctx, keys.Reviews(a), &redis.ZRangeBy{Min: strconv.FormatInt(since, 10), Max: "+inf", Offset: skip, Count: count}).Result()
	if err != nil {
		return nil, fmt.Errorf("ledger: reviews: %w", err)
	}
	var out []Reviewed
	for _, z := range list {
		member, _ := z.Member.(string)
		if r, ok := keys.ParseMember(a, member); ok {
			out = append(out, Reviewed{r, int64(z.Score)})
		}
	}
	return out, nil
}

// EventsBefore reads up to count events before a stream id, "" for the end, the newest first.
func (l *Ledger) EventsBefore(ctx context.Context, before string, count int64) ([]Event, error) {
	from := "+"
	if before != "" {
		from = "(" + before
	}
	list, err := l.rdb.XRevRangeN(ctx, keys.Events, from, "-", count).Result()
	if err != nil {
		return nil, fmt.Errorf("ledger: events: %w", err)
	}
	out := make([]Event, len(list))
	for i, m := range list {
		out[i] = event(m)
	}
	return out, nil
}
