package catalogue

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"issuance/providers"
	"issuance/providers/ecticket"
)

// ask asks ECTicket and keeps what it tells.
//
// ECTicket says no to a query whose items all do not exist ("no data"), and says no in the same way
// when something is wrong with the account or the query. Its codes are not public, so such a no is
// believed only from an account that has told of other items in this run. To find out costs no call
// as long as anybody knows an item that exists: it is asked for along with the first ones.
func (c *Catalogue) ask(ctx context.Context, numbers []string) error {
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
		told, out := c.source.Items(ctx, query)
		if out.Kind == providers.Rejected && !c.answered {
			var whole providers.Outcome
			if told, whole = c.source.Items(ctx, nil); whole.Kind == providers.Rejected {
				return &NotAskedError{out} // what it says of the items is of the account
			}
			out = whole
		}
		switch {
		case out.Kind == providers.Done:
			c.answered = true
		case out.Kind != providers.Rejected:
			return &NotAskedError{out}
		}
		if err := c.learn(ctx, some, told); err != nil {
			return err
		}
	}
	return nil
}

// existing is an item that ECTicket has told of lately, whoever has asked; "" when there is none, or
// one of those that are asked for anyway.
func (c *Catalogue) existing(ctx context.Context, asked []string) (string, error) {
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
		return "", fmt.Errorf("read the catalogue kept in Redis: %w", err)
	}
	for i := 0; i+1 < len(known); i += 2 {
		if !slices.Contains(asked, known[i]) {
			return known[i], nil
		}
	}
	return "", nil
}

// learn keeps what ECTicket has told when it was asked for items.
func (c *Catalogue) learn(ctx context.Context, asked []string, told []ecticket.Item) error {
	at := c.opt.Now().UnixMilli()
	for _, no := range asked {
		c.kept[no] = item{At: at, Gone: true, asked: true}
	}
	fields := map[string]any{}
	for _, t := range told {
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
