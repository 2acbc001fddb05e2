package ledger

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"issuance/providers"
	"issuance/tasks/order"
)

// What a page of a list may cost, in tenths of reading a record.
const (
	costRecord = 10
	costItem   = 100 // with the description of its document
	costEvent  = 2
	mostCost   = 500_000
)

// Steps of a list.
const (
	leastStep = 10
	mostStep  = 1000
	mostLeft  = 20 // members that a cursor should hold; a step that gives more is repeated as a smaller one
)

// List finds the records of some accounts that match a query, a page at a time: those that are not finished, in no order, then
// those that need review, account by account and the longest waiting first, then those that have ended, the latest first. It
// never looks at the keys of the database: the first two are in sets of their account, the ended ones are found by the stream of
// events and only as long as that holds their event (Options.KeepEvents).
//
// A page holds exactly limit records unless it is the last, or has looked at 50,000 records (5,000 where the query names
// an item, which is in the documents' descriptions) or at 250,000 events. next is zero after the last. A record that stays as
// it is while the pages are read is found once. One that ends meanwhile is found at least once; one that a person reopens may be
// missed.
func (l *Ledger) List(ctx context.Context, q Query, accounts []providers.Account, from Cursor, limit int) (found []Found, next Cursor, err error) {
	w := &listing{l: l, q: q, accounts: inOrder(accounts, q.Account)}
	at, cost := w.enter(from), 0
	for count := limit + 1; !at.IsZero() && cost < mostCost; {
		c, err := w.step(ctx, at, count)
		if err != nil {
			return nil, Cursor{}, fmt.Errorf("ledger: list: %w", err)
		}
		matching, err := w.matching(ctx, c)
		if err != nil {
			return nil, Cursor{}, fmt.Errorf("ledger: list: %w", err)
		}
		taken, least := c.take(matching, limit-len(found)), max(limit-len(found), leastStep)
		if taken < len(c.refs) && len(c.rest(taken).Left) > mostLeft && count > least {
			count = least
			continue
		}
		for _, f := range matching[:taken] {
			if f != nil {
				found = append(found, *f)
			}
		}
		if taken < len(c.refs) {
			return found, c.rest(taken), nil
		}
		cost += max(c.cost, costRecord)
		at, count = c.rest(taken), min(2*max(count, leastStep), mostStep)
	}
	return found, at, nil
}

// inOrder are the accounts that a query covers, each once.
func inOrder(accounts []providers.Account, of providers.Account) (out []providers.Account) {
	for _, a := range accounts {
		if of.IsZero() || of.Covers(a) {
			out = append(out, a)
		}
	}
	slices.SortFunc(out, compareAccounts)
	return slices.Compact(out)
}

// candidates are records that may match, in the order of the list.
type candidates struct {
	refs []order.Ref
	is   func(i int, f *Found) bool // whether what was read is still what it was found as; else another part has it
	rest func(n int) Cursor         // where the list goes on after the first n of them
	cost int
}

// take says how many of the candidates come before the one that matches and is too much.
func (c candidates) take(matching []*Found, room int) int {
	for i, f := range matching {
		if f == nil {
			continue
		}
		if room == 0 {
			return i
		}
		room--
	}
	return len(matching)
}

// listing is a list that is being read.
type listing struct {
	l        *Ledger
	q        Query
	accounts []providers.Account
}

// wants reports whether records of a part can match.
func (w *listing) wants(part string) bool {
	return len(w.q.States) == 0 || slices.ContainsFunc(w.q.States, func(s order.State) bool {
		switch part {
		case partOpen:
			return !s.Final()
		case partReview:
			return s == order.Review
		}
		return s.Settled()
	})
}

// parts of a list, in the order in which they are read.
var parts = []string{partOpen, partReview, partEnded}

// enter is the cursor, or where the list goes on if there is nothing (any more) where it leads.
func (w *listing) enter(c Cursor) Cursor {
	if len(w.accounts) == 0 {
		return Cursor{}
	}
	for i := max(slices.Index(parts, c.Part), 0); i < len(parts); i++ {
		if c.Part != parts[i] {
			c = Cursor{Part: parts[i]}
		}
		if !w.wants(c.Part) {
			continue
		}
		if c.Part == partEnded {
			return c
		}
		at, known := slices.BinarySearchFunc(w.accounts, c.Account, compareAccounts)
		if known {
			return c
		}
		if at < len(w.accounts) {
			return Cursor{Part: c.Part, Account: w.accounts[at]}
		}
	}
	return Cursor{}
}

// beyond is the cursor behind an account's part, or behind that of the events.
func (w *listing) beyond(c Cursor) Cursor {
	at, known := slices.BinarySearchFunc(w.accounts, c.Account, compareAccounts)
	if known {
		at++
	}
	if c.Part != partEnded && at < len(w.accounts) {
		return Cursor{Part: c.Part, Account: w.accounts[at]}
	}
	if next := slices.Index(parts, c.Part) + 1; next < len(parts) {
		return w.enter(Cursor{Part: parts[next]})
	}
	return Cursor{}
}

func compareAccounts(a, b providers.Account) int {
	return cmp.Or(cmp.Compare(a.Provider, b.Provider), cmp.Compare(a.Merchant, b.Merchant))
}

// step reads candidates that come after a place, about so many.
func (w *listing) step(ctx context.Context, at Cursor, count int) (candidates, error) {
	switch at.Part {
	case partOpen:
		return w.open(ctx, at, count)
	case partReview:
		return w.review(ctx, at, count)
	}
	return w.ended(ctx, at, count)
}

// matching reads the candidates; those that do not match are nil.
func (w *listing) matching(ctx context.Context, c candidates) ([]*Found, error) {
	list, err := w.q.readEach(ctx, w.l.rdb, c.refs)
	for i, f := range list {
		if f != nil && !c.is(i, f) {
			list[i] = nil
		}
	}
	return list, err
}

// cost is what it takes to read so many records.
func (w *listing) cost(records int) int {
	if w.q.Item != "" {
		return records * costItem
	}
	return records * costRecord
}
