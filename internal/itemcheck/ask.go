package itemcheck

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"issuance/providers"
	"issuance/providers/ecticket"
)

// ask looks items up at ECTicket and caches the answers.
//
// ECTicket rejects a query whose items all do not exist ("no data"), and rejects a query in the same
// way when something is wrong with the account or the query. Its codes are not public, so such a
// rejection counts as "no such items" only from an account that has listed other items in this run. To
// find out costs no call as long as any process knows an item that exists: it is asked for along with
// the first ones.
func (c *Checker) ask(ctx context.Context, numbers []string) error {
	for len(numbers) > 0 {
		some := numbers[:min(len(numbers), page)]
		along := ""
		if !c.answered {
			var err error
			if along, err = c.existing(ctx, some); err != nil {
				return err
			}
			if along != "" && len(some) == page {
				some = some[:page-1]
			}
		}
		numbers = numbers[len(some):]
		query := slices.Clone(some)
		if along != "" {
			query = append(query, along)
		}
		listed, out := c.source.Items(ctx, query)
		if out.Kind == providers.Rejected && !c.answered {
			var whole providers.Outcome
			if listed, whole = c.source.Items(ctx, nil); whole.Kind == providers.Rejected {
				return &NoAnswerError{out} // the rejection is of the account, not of the items
			}
			out = whole
		}
		switch {
		case out.Kind == providers.Done:
			c.answered = true
		case out.Kind != providers.Rejected:
			return &NoAnswerError{out}
		}
		if err := c.learn(ctx, some, listed); err != nil {
			return err
		}
	}
	return nil
}

// existing is an item that ECTicket has listed lately, to any process; "" when there is none, or when
// one of those that are asked for anyway is known to exist.
func (c *Checker) existing(ctx context.Context, asked []string) (string, error) {
	if slices.ContainsFunc(asked, func(no string) bool { return c.kept[no].At != 0 && !c.kept[no].Gone }) {
		return "", nil
	}
	for no, it := range c.kept {
		if !it.Gone {
			return no, nil
		}
	}
	known, _, err := c.rdb.HScan(ctx, c.key, 0, "*", page+1).Result() // pairs of number and item
	if err != nil {
		return "", fmt.Errorf("read the cached catalogue: %w", err)
	}
	for i := 0; i+1 < len(known); i += 2 {
		if !slices.Contains(asked, known[i]) {
			return known[i], nil
		}
	}
	return "", nil
}

// learn caches the items that ECTicket has listed, and that the others it was asked for do not exist.
func (c *Checker) learn(ctx context.Context, asked []string, listed []ecticket.Item) error {
	at := c.opt.Now().UnixMilli()
	for _, no := range asked {
		c.kept[no] = item{At: at, Gone: true, asked: true}
	}
	fields := map[string]any{}
	for _, t := range listed {
		it := item{At: at, Listed: t.Listed, TicketType: t.TicketType, asked: true}
		for _, in := range t.Instructions {
			if !slices.Contains(it.IssueTypes, in.IssueType) {
				it.IssueTypes = append(it.IssueTypes, in.IssueType)
			}
		}
		text, err := json.Marshal(it)
		if err != nil {
			return err
		}
		c.kept[t.ItemNo], fields[t.ItemNo] = it, text
	}
	return c.keep(ctx, fields)
}
