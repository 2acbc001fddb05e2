package console

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"issuance/internal/ledger"
	"issuance/internal/typed"
	"issuance/providers"
	"issuance/tasks/order"
)

// found is a page of records.
type found struct {
	Rows   []ledger.Found
	Next   string    // cursor of the next page, "" after the last
	Exact  int       // how many match in all, -1 where that is not known
	Looked time.Time // the page ends here although it is not full: it has looked at enough
}

// Work that one page may cause.
const (
	pageRows   = 50
	mostSorted = 2000 // unfinished records that are read together, to be sorted
	mostLooked = 2000 // entries that are looked at otherwise
	readAtOnce = 500  // where few match
)

// publishedWithin is how long after an end its event is on the stream.
const publishedWithin = time.Minute

// find is a page of what a filter shows of some accounts. No page looks at the keys of the database: what is not finished or
// needs review is in sets of its account, what has ended in the stream of events.
func (c *Console) find(ctx context.Context, f filter, accounts []providers.Account, cursor string, limit int) (found, error) {
	if len(accounts) == 0 {
		return found{}, nil
	}
	switch {
	case f.State == string(order.Review):
		return c.findReviews(ctx, f, accounts, cursor, limit)
	case f.ended():
		return c.findEnded(ctx, f, accounts, cursor, limit)
	}
	open, _, err := c.Ledger.Counts(ctx, accounts)
	if err != nil {
		return found{}, err
	}
	var total int64
	for _, n := range open {
		total += n
	}
	if total <= mostSorted && !strings.HasPrefix(cursor, "z") {
		return c.findSorted(ctx, f, accounts, cursor, limit)
	}
	return c.findOpen(ctx, f, accounts, cursor, limit)
}

// matching are those of some records that match, each once.
func (c *Console) matching(ctx context.Context, f filter, refs []order.Ref, at func(ledger.Found) time.Time) ([]ledger.Found, error) {
	find := c.Ledger.FindUnsettled
	if f.ended() {
		find = c.Ledger.Find
	}
	list, err := find(ctx, f.query(), refs)
	now := c.Now()
	seen := map[order.Ref]bool{}
	return slices.DeleteFunc(list, func(r ledger.Found) bool {
		twice := seen[r.Ref]
		seen[r.Ref] = true
		return twice || f.Lane != "" && r.Lane != f.Lane || !f.old(at(r), now)
	}), err
}

func createdAt(r ledger.Found) time.Time { return r.CreatedAt }
func endedAt(r ledger.Found) time.Time   { return r.FinalAt }

// findSorted reads all unfinished records, the oldest first.
func (c *Console) findSorted(ctx context.Context, f filter, accounts []providers.Account, cursor string, limit int) (found, error) {
	skip := 0
	if cursor != "" {
		n, err := strconv.Atoi(strings.TrimPrefix(cursor, "s"))
		if skip = n; err != nil || n < 0 {
			return found{}, badFilter
		}
	}
	var refs []order.Ref
	for _, a := range accounts {
		for at, first := uint64(0), true; first || at != 0; first = false {
			some, next, err := c.Ledger.OpenPage(ctx, a, at, readAtOnce)
			if err != nil {
				return found{}, err
			}
			refs, at = append(refs, some...), next
		}
	}
	list, err := c.matching(ctx, f, refs, createdAt)
	slices.SortFunc(list, func(x, y ledger.Found) int {
		return cmp.Or(x.CreatedAt.Compare(y.CreatedAt), cmp.Compare(x.Ref.String(), y.Ref.String()))
	})
	out := found{Rows: list[min(skip, len(list)):], Exact: len(list)}
	if len(out.Rows) > limit {
		out.Rows, out.Next = out.Rows[:limit], fmt.Sprintf("s%d", skip+limit)
	}
	return out, err
}

// findOpen goes through the unfinished records in no order.
func (c *Console) findOpen(ctx context.Context, f filter, accounts []providers.Account, cursor string, limit int) (found, error) {
	which, at := 0, uint64(0)
	if cursor != "" {
		if n, err := fmt.Sscanf(cursor, "z%d.%d", &which, &at); n != 2 || err != nil || which < 0 || which >= len(accounts) {
			return found{}, badFilter
		}
	}
	out := found{Exact: -1}
	for looked, step := 0, limit; which < len(accounts) && len(out.Rows) < limit && looked < mostLooked; looked, step = looked+step, readAtOnce {
		refs, next, err := c.Ledger.OpenPage(ctx, accounts[which], at, int64(step))
		if err != nil {
			return found{}, err
		}
		list, err := c.matching(ctx, f, refs, createdAt)
		if err != nil {
			return found{}, err
		}
		out.Rows = append(out.Rows, list...)
		if at = next; at == 0 {
			which++
		}
	}
	if which < len(accounts) {
		out.Next = fmt.Sprintf("z%d.%d", which, at)
	}
	return out, nil
}

// findEnded reads the stream of events backwards. What has ended more than once is listed by its last end.
func (c *Console) findEnded(ctx context.Context, f filter, accounts []providers.Account, cursor string, limit int) (found, error) {
	before := strings.TrimPrefix(cursor, "e")
	if cursor != "" && ledger.EventTime(before).IsZero() {
		return found{}, badFilter
	}
	out := found{Exact: -1}
	oldest := c.Now().Add(-f.bounds().within)
	if beyond := f.bounds().beyond; beyond > 0 && before == "" {
		before = strconv.FormatInt(c.Now().Add(publishedWithin-beyond).UnixMilli(), 10)
	}
	states, most := f.query().States, mostLooked
	if f.Item != "" {
		most /= 2 // what was ordered stands in the details, which are read for each
	}
	seen := map[order.Ref]bool{}
	for looked, step := 0, min(2*limit, readAtOnce); looked < most; looked, step = looked+step, readAtOnce { // many at once only where few match
		events, err := c.Ledger.EventsBefore(ctx, before, int64(step))
		if err != nil {
			return found{}, err
		}
		var refs []order.Ref
		at := map[order.Ref]ledger.Event{}
		over := len(events) < step
		for _, e := range events {
			if f.bounds().within > 0 && e.At.Before(oldest) {
				over = true
				break
			}
			if e.Ticket > 0 || seen[e.Ref] || !slices.Contains(accounts, e.Account) {
				continue // what became of a ticket is no end of its order
			}
			if seen[e.Ref] = true; slices.Contains(states, e.State) {
				refs, at[e.Ref] = append(refs, e.Ref), e
			}
		}
		list, err := c.matching(ctx, f, refs, endedAt)
		if err != nil {
			return found{}, err
		}
		for _, r := range list {
			if e := at[r.Ref]; e.State == r.State { // else a later end of it was listed, or is not yet an event
				if len(out.Rows) == limit {
					return out, nil
				}
				out.Rows, out.Next = append(out.Rows, r), "e"+e.StreamID
			}
		}
		if over {
			out.Next = ""
			return out, nil
		}
		before = events[len(events)-1].StreamID
	}
	if len(out.Rows) < limit {
		out.Next, out.Looked = "e"+before, ledger.EventTime(before)
	}
	return out, nil
}

// findReviews lists what needs review, the longest waiting first.
func (c *Console) findReviews(ctx context.Context, f filter, accounts []providers.Account, cursor string, limit int) (found, error) {
	since, last := int64(0), ""
	if cursor != "" {
		ms, name, ok := strings.Cut(strings.TrimPrefix(cursor, "r"), ".")
		n, err := strconv.ParseInt(ms, 10, 64)
		if since, last = n, name; !ok || err != nil {
			return found{}, badFilter
		}
	}
	var all []ledger.Reviewed
	for _, a := range accounts {
		list, err := c.reviewsAfter(ctx, a, since, last, limit+1)
		if err != nil {
			return found{}, err
		}
		all = append(all, list...)
	}
	slices.SortFunc(all, func(x, y ledger.Reviewed) int {
		return cmp.Or(cmp.Compare(x.Since, y.Since), cmp.Compare(x.Ref.String(), y.Ref.String()))
	})
	out := found{Exact: -1}
	if len(all) > limit {
		all = all[:limit]
		out.Next = fmt.Sprintf("r%d.%s", all[limit-1].Since, all[limit-1].Ref)
	}
	refs := make([]order.Ref, len(all))
	for i, r := range all {
		refs[i] = r.Ref
	}
	var err error
	out.Rows, err = c.matching(ctx, f, refs, endedAt)
	return out, err
}

// reviewsAfter are count reviews of an account that come after one of some moment in the order of a list.
func (c *Console) reviewsAfter(ctx context.Context, a providers.Account, since int64, last string, count int) (out []ledger.Reviewed, err error) {
	for skip := int64(0); len(out) < count; skip += int64(count) {
		list, err := c.Ledger.ReviewPage(ctx, a, since, skip, int64(count))
		if err != nil {
			return nil, err
		}
		for _, r := range list {
			if r.Since > since || r.Ref.String() > last {
				out = append(out, r)
			}
		}
		if len(list) < count {
			break
		}
	}
	return out, nil
}

// locate finds records by a number that people have in their hands, among accounts.
func (c *Console) locate(ctx context.Context, text string, accounts []providers.Account) ([]ledger.Found, error) {
	if account, rest, whole := strings.Cut(text, "/"); whole {
		return typed.First(rest, func(number string) ([]ledger.Found, error) {
			r, ok := order.ParseRef(strings.ToLower(typed.Plain(account)) + "/" + number)
			var refs []order.Ref
			for _, a := range accounts {
				if ok && r.Account.Covers(a) { // a provider alone means any of its accounts
					refs = append(refs, order.Ref{Account: a, OrderID: r.OrderID, RefundID: r.RefundID})
				}
			}
			if len(refs) == 0 {
				return nil, nil
			}
			return c.Ledger.Find(ctx, ledger.Query{}, refs)
		})
	}
	refs, err := typed.First(text, func(number string) (out []order.Ref, err error) {
		for _, a := range accounts {
			list, err := c.Ledger.Locate(ctx, a, number)
			if err != nil {
				return nil, err
			}
			out = append(out, list...)
		}
		return out, nil
	})
	if err != nil {
		return nil, err
	}
	return c.Ledger.Find(ctx, ledger.Query{}, refs)
}
