package cli

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"issuance/internal/cli/table"
	"issuance/internal/ledger"
	"issuance/internal/operate"
	"issuance/internal/typed"
	"issuance/tasks"
)

type listFlags struct {
	account, since, item, find string
	states                     []string
	limit                      int
}

func (a *app) listCommand() *cobra.Command {
	var f listFlags
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List orders and refunds by state, account, age or item",
		Long: `List orders and refunds: when each was recorded, its state, and the code that explains it. All
conditions that are given must hold.

Up to 1,000 lines, or --limit of the newest, are sorted, the newest first; more are printed as they are
found: unfinished ones, those in review, then those that have ended, the latest first. One that
changes meanwhile may be printed twice. No search goes through Redis' keys: what has ended is listed as
long as its event is kept (ISSUANCE_KEEP_EVENTS), and is found by --find after that.

A state is that of a record. An order of which only refunds are recorded here ("enqueue status" shows it as
unrecorded) has none, so its refunds are listed alone. A code is that of the last run, or why a review was one.

--item finds what a document's public description holds (see "order" in "enqueue status"), such as
an ItemNo or a productSaleId, as long as the details are kept (ISSUANCE_KEEP_DETAILS). It reads every
description, so it takes some ten times as long.

--find asks an index instead, whatever has ended and when: by an order's number, by the provider's own, or by a refund's id
(the latest 20 a month, where many refunds have one id).`,
		Example: `  enqueue list --state review
  enqueue list --state queued,submitting --account ecticket:2000132
  enqueue list --since 24h --item VQT04959 --json
  enqueue list --since 2026-03-01 --limit 20
  enqueue list --find 22030210000000000012`,
		Args:              takes(0, 0, "conditions as flags, such as --state queued"),
		ValidArgsFunction: completeNothing,
		RunE: func(cmd *cobra.Command, _ []string) error {
			q, err := a.query(f)
			if err != nil {
				return err
			}
			return a.read(cmd.Context(), func(s *session, c *tasks.Client) error {
				a.warnNoWrites(cmd.Context(), s)
				if f.find == "" {
					return a.list(f.limit, func(l *lister) error { return l.pages(cmd.Context(), s.ledger, c, q) })
				}
				return a.list(f.limit, func(l *lister) error { return l.find(cmd.Context(), s.ledger, c, q, f.find) })
			})
		},
	}
	cmd.Flags().StringSliceVar(&f.states, "state", nil, "one or more `STATES`, comma-separated: "+strings.Join(listable(), ", "))
	cmd.Flags().StringVar(&f.account, "account", "", "of this `ACCOUNT`, or of all accounts of a provider")
	cmd.Flags().StringVar(&f.since, "since", "", "recorded since this `TIME`: 24h, 7d, 2026-03-01 or 2026-03-01T12:00:00+08:00")
	cmd.Flags().StringVar(&f.item, "item", "", "whose document's description holds this `VALUE`")
	cmd.Flags().StringVar(&f.find, "find", "", "with this `NUMBER`: the order's, the provider's, or a refund's id")
	cmd.Flags().IntVar(&f.limit, "limit", 0, "the newest `N` alone, at most 10000 (default: all)")
	completeFlag(cmd, "state", listable()...)
	a.completeAccountFlag(cmd, "account")
	for _, name := range []string{"since", "item", "find", "limit"} {
		completeFlag(cmd, name)
	}
	return cmd
}

// listable are the names by which lists are asked for: those of groups and of states.
func listable() []string { return append(stateNames(), operate.Open, operate.Ended) }

const (
	sortedList = 1000   // how many lines are sorted without a limit
	mostLimit  = 10_000 // how many a limit may keep
	leastWide  = 100    // a terminal that is narrower has two lines for each record that is not sorted
)

// query checks the flags.
func (a *app) query(f listFlags) (ledger.Query, error) {
	q := ledger.Query{Item: f.item}
	var err error
	if f.account != "" {
		if q.Account, err = parseAccount(f.account); err != nil {
			return q, err
		}
	}
	for _, name := range f.states {
		if name == string(tasks.Unrecorded) {
			return q, usagef("--state: %s stands for what has no record, so nothing can be found by it; its refunds are listed by their own states", name)
		}
		if !slices.Contains(listable(), name) {
			return q, usagef("--state: unknown state %q; there are %s", name, strings.Join(listable(), ", "))
		}
		if group := operate.Group(name); group != nil {
			q.States = append(q.States, group...)
			continue
		}
		q.States = append(q.States, tasks.State(name))
	}
	if f.limit < 0 || f.limit > mostLimit {
		return q, usagef("--limit must be from 0 (all) to %d", mostLimit)
	}
	if q.Since, err = a.sinceTime(f.since); err != nil {
		return q, err
	}
	return q, nil
}

// sinceTime reads a time, or how long ago it was.
func (a *app) sinceTime(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02"} {
		if t, err := time.ParseInLocation(layout, s, a.zone); err == nil {
			return t, nil
		}
	}
	unit, factor := s, time.Duration(1)
	if days, ok := strings.CutSuffix(s, "d"); ok {
		unit, factor = days+"h", 24
	}
	ago, err := time.ParseDuration(unit)
	if err != nil || ago < 0 || ago > 100*365*24*time.Hour/factor {
		return time.Time{}, usagef("--since %s: write how long ago (24h, 7d) or a time (2026-03-01, 2026-03-01T12:00:00+08:00)", s)
	}
	return a.now().Add(-ago * factor), nil
}

// listLine is a record with --json.
type listLine struct {
	refLine
	State     tasks.State `json:"state"`
	Code      string      `json:"code,omitempty"`
	Reviewed  string      `json:"review_code,omitempty"` // why it had needed review before it was decided
	Lane      tasks.Lane  `json:"lane,omitempty"`        // gone with the details
	CreatedAt *time.Time  `json:"created_at"`
	ReviewAt  *time.Time  `json:"review_at,omitempty"`
	FinalAt   *time.Time  `json:"final_at,omitempty"`
}

// lister gathers what is found until it is too much to be sorted.
type lister struct {
	*app
	limit int
	seen  map[tasks.Ref]bool // of found
	found []ledger.Found
	more  int // left out because of the limit
	// uncounted says that the rest was not read: all of it is older.
	uncounted bool
	stream    bool // too much was found: lines are printed as they come
	wide      int  // the column of states
	narrow    bool // each record takes two lines, because one is too long for the terminal
}

// find adds what the index knows of a number.
func (l *lister) find(ctx context.Context, of *ledger.Ledger, c *tasks.Client, q ledger.Query, text string) error {
	refs, err := typed.First(text, func(number string) ([]tasks.Ref, error) { return c.Locate(ctx, q.Account, number) })
	if err != nil {
		return err
	}
	found, err := of.Find(ctx, q, refs)
	if err != nil {
		return err
	}
	return l.add(found)
}

// pages adds what the ledger lists. Of ended records only those are read that can be among the newest.
func (l *lister) pages(ctx context.Context, of *ledger.Ledger, c *tasks.Client, q ledger.Query) error {
	accounts, err := c.Accounts(ctx, q.Account)
	if err != nil {
		return err
	}
	from := ledger.Cursor{}
	for more := true; more; more = !from.IsZero() {
		var found []ledger.Found
		if found, from, err = of.List(ctx, q, accounts, from, sortedList); err == nil {
			err = l.add(found)
		}
		if err != nil {
			return err
		}
		if l.limit > 0 {
			l.newest()
			if l.more > 0 && from.EndedBefore(l.found[l.limit-1].CreatedAt) {
				l.uncounted = true
				return nil
			}
		}
	}
	if len(q.States) > 0 && !slices.ContainsFunc(q.States, tasks.State.Settled) {
		return nil
	}
	forgotten, err := of.ForgottenBefore(ctx)
	if err == nil && forgotten.After(q.Since) {
		l.report("what ended before %s is not listed; --find finds it", l.time(forgotten))
	}
	return err
}

// list prints what a search adds.
func (a *app) list(limit int, search func(*lister) error) error {
	l := &lister{app: a, limit: limit, seen: map[tasks.Ref]bool{}, wide: len(tasks.Submitting), narrow: a.width > 0 && a.width < leastWide}
	if err := search(l); err != nil {
		return err
	}
	if l.stream {
		return nil
	}
	l.newest()
	if len(l.found) == 0 {
		a.report("nothing is found")
	}
	for _, f := range l.found {
		l.wide = max(l.wide, len(f.State))
	}
	l.narrow = slices.ContainsFunc(l.found, func(f ledger.Found) bool {
		return a.width > 0 && utf8.RuneCountInString(table.Line(0, l.cells(f)...)) > a.width
	})
	for _, f := range l.found {
		if err := l.line(f); err != nil {
			return err
		}
	}
	switch {
	case l.uncounted:
		a.report("older ones are left out")
	case l.more > 0:
		a.report("%s older ones are left out", thousands(int64(l.more)))
	}
	return nil
}

// add takes some records.
func (l *lister) add(found []ledger.Found) error {
	for _, f := range found {
		if l.stream {
			if err := l.line(f); err != nil {
				return err
			}
			continue
		}
		if l.seen[f.Ref] {
			continue
		}
		l.seen[f.Ref] = true
		l.found = append(l.found, f)
	}
	switch {
	case l.limit > 0 && len(l.found) >= 2*l.limit:
		l.newest()
	case l.limit == 0 && !l.stream && len(l.found) > sortedList:
		l.stream = true
		found := l.found
		l.found, l.seen = nil, nil
		return l.add(found)
	}
	return nil
}

// newest sorts what was found, and leaves out what is beyond the limit.
func (l *lister) newest() {
	slices.SortFunc(l.found, func(x, y ledger.Found) int {
		return cmp.Or(y.CreatedAt.Compare(x.CreatedAt), cmp.Compare(x.Ref.String(), y.Ref.String()))
	})
	if l.limit == 0 || len(l.found) <= l.limit {
		return
	}
	for _, f := range l.found[l.limit:] {
		delete(l.seen, f.Ref)
	}
	l.more += len(l.found) - l.limit
	l.found = l.found[:l.limit]
}

// cells are a record's time, state, name and code.
func (l *lister) cells(f ledger.Found) []string {
	return []string{l.time(f.CreatedAt), fmt.Sprintf("%-*s", l.wide, f.State), f.Ref.String(), cmp.Or(f.Code, f.ReviewCode)}
}

// text prints a record in one line, or all of them in two.
func (l *lister) text(cell []string) error {
	if !l.narrow {
		return l.app.line(cell...)
	}
	if err := l.app.line(cell[0], cell[1]); err != nil {
		return err
	}
	const indent = "    "
	name := table.Line(l.width-len(indent), cell[2], cell[3])
	return l.print("%s%s\n", indent, strings.ReplaceAll(name, "\n", "\n"+indent))
}

func (l *lister) line(f ledger.Found) error {
	if !l.json {
		return l.text(l.cells(f))
	}
	line := listLine{refLine: lineOf(f.Ref), State: f.State, Code: f.Code, Reviewed: f.ReviewCode,
		Lane: f.Lane, CreatedAt: stamp(f.CreatedAt), FinalAt: stamp(f.FinalAt)}
	if f.State == tasks.Review {
		line.ReviewAt, line.FinalAt = line.FinalAt, nil
	}
	return l.printJSON(line)
}
