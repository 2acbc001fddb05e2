package ledger

import (
	"context"
	"slices"
	"strconv"

	"github.com/redis/go-redis/v9"

	"issuance/internal/keys"
	"issuance/tasks/order"
)

// smallSet is how many members are read as a whole: then they can be listed by name, whatever their times do.
const smallSet = 2000

// open steps through an account's records that are not finished.
func (w *listing) open(ctx context.Context, at Cursor, count int) (candidates, error) {
	set := keys.Open(at.Account)
	if len(at.Left) > 0 {
		return w.scanned(at, at.Left, at.Scan), nil
	}
	if at.Scan == 0 {
		n, err := w.l.rdb.ZCard(ctx, set).Result()
		if err != nil {
			return candidates{}, err
		}
		if n <= smallSet || at.After != "" { // a set that has grown meanwhile is read on as it was begun
			return w.byName(ctx, at, count)
		}
	}
	list, scan, err := w.l.rdb.ZScan(ctx, set, at.Scan, "", int64(count)).Result()
	return w.scanned(at, members(list), scan), err
}

// members of what ZSCAN answers, without their times.
func members(list []string) (out []string) {
	for i := 0; i < len(list); i += 2 {
		out = append(out, list[i])
	}
	return out
}

// scanned are candidates that a step of ZSCAN has given; scan is where it goes on, 0 after the last.
func (w *listing) scanned(at Cursor, names []string, scan uint64) candidates {
	names = slices.DeleteFunc(slices.Clone(names), func(m string) bool { _, ok := keys.ParseMember(at.Account, m); return !ok })
	return candidates{refs: refsOf(at, names), is: unpublishedYet, cost: w.cost(len(names)), rest: func(n int) Cursor {
		if n == len(names) && scan == 0 {
			return w.beyond(at)
		}
		return Cursor{Part: at.Part, Account: at.Account, Scan: scan, Left: names[n:]}
	}}
}

// byName reads all of a set, and steps through it by name.
func (w *listing) byName(ctx context.Context, at Cursor, count int) (candidates, error) {
	var names []string
	for scan, first := uint64(0), true; first || scan != 0; first = false {
		list, next, err := w.l.rdb.ZScan(ctx, keys.Open(at.Account), scan, "", mostStep).Result()
		if err != nil {
			return candidates{}, err
		}
		names, scan = append(names, members(list)...), next
	}
	names = slices.DeleteFunc(names, func(m string) bool { _, ok := keys.ParseMember(at.Account, m); return !ok || m <= at.After })
	slices.Sort(names)
	names = slices.Compact(names)
	some := names[:min(count, len(names))]
	return candidates{refs: refsOf(at, some), is: unpublishedYet, cost: w.cost(len(some)), rest: func(n int) Cursor {
		switch {
		case n == len(names):
			return w.beyond(at)
		case n == 0:
			return at
		}
		return Cursor{Part: at.Part, Account: at.Account, After: some[n-1]}
	}}, nil
}

// unpublishedYet reports whether a record is not listed by its end.
func unpublishedYet(_ int, f *Found) bool { return !f.State.Final() || f.Event == "" }

func refsOf(at Cursor, names []string) []order.Ref {
	refs := make([]order.Ref, len(names))
	for i, m := range names {
		refs[i], _ = keys.ParseMember(at.Account, m)
	}
	return refs
}

// review steps through an account's records in review. Of those that came to it in the same millisecond, Redis keeps the order
// of their names.
func (w *listing) review(ctx context.Context, at Cursor, count int) (candidates, error) {
	var names []string
	var since []int64
	by := &redis.ZRangeBy{Min: strconv.FormatInt(at.Since, 10), Max: "+inf", Count: int64(count)}
	for over := false; len(names) < count && !over; by.Offset += by.Count {
		list, err := w.l.rdb.ZRangeByScoreWithScores(ctx, keys.Reviews(at.Account), by).Result()
		if err != nil {
			return candidates{}, err
		}
		over = len(list) < count
		for _, z := range list {
			name, _ := z.Member.(string)
			_, ok := keys.ParseMember(at.Account, name)
			if ok && (int64(z.Score) > at.Since || name > at.After) {
				names, since = append(names, name), append(since, int64(z.Score))
			}
		}
	}
	whole := len(names) < count
	return candidates{refs: refsOf(at, names), cost: w.cost(len(names)), is: func(_ int, f *Found) bool { return f.State == order.Review }, rest: func(n int) Cursor {
		switch {
		case n == len(names) && whole:
			return w.beyond(at)
		case n == 0:
			return at
		}
		return Cursor{Part: at.Part, Account: at.Account, Since: since[n-1], After: names[n-1]}
	}}, nil
}

// ended steps backwards through the stream of events. A settled record ends once; what a person has decided is listed by that.
func (w *listing) ended(ctx context.Context, at Cursor, count int) (candidates, error) {
	events, err := w.l.EventsBefore(ctx, at.Before, int64(count))
	if err != nil {
		return candidates{}, err
	}
	over, last := len(events) < count, at.Before
	var ends []Event
	var refs []order.Ref
	seen := map[order.Ref]bool{}
	for _, e := range events {
		if EventTime(e.StreamID).Before(w.q.Since) { // it was recorded before it ended
			over = true
			break
		}
		last = e.StreamID
		wanted := len(w.q.States) == 0 || slices.Contains(w.q.States, e.State)
		if wanted && e.Ticket == 0 && e.State.Settled() && slices.Contains(w.accounts, e.Account) && !seen[e.Ref] {
			seen[e.Ref], ends, refs = true, append(ends, e), append(refs, e.Ref)
		}
	}
	return candidates{refs: refs, cost: w.cost(len(refs)) + costEvent*len(events), is: func(i int, f *Found) bool { return f.State == ends[i].State }, rest: func(n int) Cursor {
		switch {
		case n == len(refs) && over:
			return w.beyond(at)
		case n == len(refs):
			return Cursor{Part: partEnded, Before: last}
		case n == 0:
			return at
		}
		return Cursor{Part: partEnded, Before: ends[n-1].StreamID}
	}}, nil
}
