package ledger

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"issuance/internal/keys"
	"issuance/tasks/order"
)

// Pages of records by state, for lists that people look at: each asks an index, and none walks through the keyspace. A
// page goes on from a cursor ("" for the beginning), and ends with about limit records, when it has looked at 20 times as
// many, or with the last, when next is "".

// looksPer is how many records a page looks at for each that it may show.
const looksPer = 20

// OpenPage lists records of an account that are not finished, in no order. A record that does not change is found by one
// of the pages, perhaps by two.
func (l *Ledger) OpenPage(ctx context.Context, q Query, cursor string, limit int) (found []Found, next string, err error) {
	var at uint64
	if cursor != "" {
		if at, err = strconv.ParseUint(cursor, 10, 64); err != nil {
			return nil, "", ErrCursor
		}
	}
	for looked := 0; ; {
		pairs, after, err := l.rdb.ZScan(ctx, keys.Open(q.Account), at, "", int64(limit)).Result()
		if err != nil {
			return nil, "", fmt.Errorf("ledger: open: %w", err)
		}
		var refs []order.Ref
		for i := 0; i < len(pairs); i += 2 { // member, score
			if r, ok := keys.ParseMember(q.Account, pairs[i]); ok {
				refs = append(refs, r)
			}
		}
		more, err := l.Read(ctx, q, refs)
		if err != nil {
			return nil, "", err
		}
		for _, f := range more {
			if !f.State.Final() { // it may be here until its end is published
				found = append(found, f)
			}
		}
		at, looked = after, looked+max(len(refs), 1)
		switch {
		case at == 0:
			return found, "", nil
		case len(found) >= limit || looked >= looksPer*limit:
			return found, strconv.FormatUint(at, 10), nil
		}
	}
}

// ReviewPage lists records of an account that need review, the longest waiting first.
func (l *Ledger) ReviewPage(ctx context.Context, q Query, cursor string, limit int) (found []Found, next string, err error) {
	since, last, _ := strings.Cut(cursor, " ")
	if cursor == "" {
		since = "-inf"
	} else if _, err := strconv.ParseFloat(since, 64); err != nil {
		return nil, "", ErrCursor
	}
	step := int64(limit)
	for offset := int64(0); ; offset += step {
		list, err := l.rdb.ZRangeByScoreWithScores(ctx, keys.Reviews(q.Account), &redis.ZRangeBy{Min: since, Max: "+inf", Offset: offset, Count: step}).Result()
		if err != nil {
			return nil, "", fmt.Errorf("ledger: reviews: %w", err)
		}
		var refs []order.Ref
		for _, z := range list {
			member, _ := z.Member.(string)
			score := strconv.FormatFloat(z.Score, 'f', -1, 64)
			if score == since && member <= last { // shown before
				continue
			}
			if r, ok := keys.ParseMember(q.Account, member); ok {
				refs = append(refs, r)
			}
			next = score + " " + member
		}
		more, err := l.Read(ctx, q, refs)
		if err != nil {
			return nil, "", err
		}
		for _, f := range more {
			if f.State == order.Review {
				found = append(found, f)
			}
		}
		switch {
		case int64(len(list)) < step:
			return found, "", nil
		case len(found) > 0 || offset >= looksPer*step:
			return found, next, nil
		}
	}
}

// EndsPage lists records that have ended, of all accounts or of those that q names, the latest end first, as far back as
// the stream of events reaches. q.Since bounds when they ended, too.
func (l *Ledger) EndsPage(ctx context.Context, q Query, cursor string, limit int) (found []Found, next string, err error) {
	stop, from := "-", "+"
	if !q.Since.IsZero() {
		stop = strconv.FormatInt(q.Since.UnixMilli(), 10)
	}
	if cursor != "" {
		if EventTime(cursor).IsZero() {
			return nil, "", ErrCursor
		}
		from = "(" + cursor
	}
	seen := map[order.Ref]bool{}
	for looked := 0; len(found) < limit && looked < looksPer*limit; {
		entries, err := l.rdb.XRevRangeN(ctx, keys.Events, from, stop, int64(limit)).Result()
		if err != nil {
			return nil, "", fmt.Errorf("ledger: ends: %w", err)
		}
		more, err := l.stillSo(ctx, q, entries)
		if err != nil {
			return nil, "", err
		}
		for _, f := range more {
			if !seen[f.Ref] {
				seen[f.Ref], found = true, append(found, f)
			}
		}
		if len(entries) < limit {
			return found, "", nil
		}
		looked, next = looked+len(entries), entries[len(entries)-1].ID
		from = "(" + next
	}
	return found, next, nil
}

// stillSo are the records that stand where these events report it, in their order.
func (l *Ledger) stillSo(ctx context.Context, q Query, entries []redis.XMessage) ([]Found, error) {
	byRef := map[order.Ref]Event{}
	var refs []order.Ref
	for _, m := range entries {
		e := event(m)
		if q.Account.Provider != "" && e.Account.Provider != q.Account.Provider || q.Account.Merchant != "" && e.Account != q.Account ||
			len(q.States) > 0 && !slices.Contains(q.States, e.State) {
			continue
		}
		if _, known := byRef[e.Ref]; !known {
			byRef[e.Ref], refs = e, append(refs, e.Ref)
		}
	}
	found, err := l.Read(ctx, q, refs)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(found, func(f Found) bool { return byRef[f.Ref].ID != eventID(f.Ref, f.State, f.ends) }), nil
}

// Read reads records, in the order of refs, and leaves out those that do not match.
func (l *Ledger) Read(ctx context.Context, q Query, refs []order.Ref) ([]Found, error) {
	names := make([]string, len(refs))
	for i, r := range refs {
		names[i] = keys.Record(r)
	}
	found, err := q.find(ctx, l.rdb, names)
	if err != nil {
		return nil, fmt.Errorf("ledger: read: %w", err)
	}
	return found, nil
}
