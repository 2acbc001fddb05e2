package tasks

import (
	"context"
	"maps"
	"slices"

	"issuance/internal/ledger"
	"issuance/providers"
)

// lines are the lengths of the lines of accounts whose bulk orders wait for their turn. More of them go to the end of the line:
// in the queue they would only be in the way of other accounts.
type lines map[Account]int64

// manyAtOnce is from how many documents on it is asked for lines. Fewer are put aside by the worker that gets them.
const manyAtOnce = 50

// linesOf asks for the lines of a batch's accounts. Without an answer there are none: a worker puts their tasks aside.
func (c *Client) linesOf(ctx context.Context, batch []Prepared) lines {
	if len(batch) < manyAtOnce {
		return nil
	}
	accounts := map[providers.Name][]Account{}
	for _, p := range batch {
		a := p.item.intake.Ref.Account
		if p.item.intake.Lane == Bulk && !slices.Contains(accounts[a.Provider], a) {
			accounts[a.Provider] = append(accounts[a.Provider], a)
		}
	}
	out := lines{}
	for p, list := range accounts {
		if l, err := c.queue.Lines(ctx, p, Bulk, list); err == nil {
			maps.Copy(out, l)
		}
	}
	return out
}

// behind is how many tasks are in line before an order's, 0 when it goes into the queue.
func (b *batch) behind(in ledger.Intake) int64 {
	n := b.lines[in.Ref.Account]
	if n == 0 || in.Lane != Bulk {
		return 0
	}
	b.lines[in.Ref.Account]++
	return n
}
