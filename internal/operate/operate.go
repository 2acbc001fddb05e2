package operate

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/redis/go-redis/v9"

	"issuance/internal/budget"
	"issuance/internal/ledger"
	"issuance/internal/queue"
	"issuance/providers"
	"issuance/tasks"
	"issuance/tasks/order"
)

// Desk is where operators' decisions are carried out. Safe for concurrent use.
type Desk struct {
	rdb    redis.UniversalClient
	ledger *ledger.Ledger
	queue  *queue.Client
}

// New makes a desk over rdb, which stays the caller's to close.
func New(rdb redis.UniversalClient, l *ledger.Ledger) *Desk {
	return &Desk{rdb: rdb, ledger: l, queue: queue.NewClient(rdb, queue.Options{})}
}

// Result is what became of a decision. Not Applied means that the record was not in review; State is what it is in, ""
// when there is no such record.
type Result struct {
	Applied bool
	State   order.State
	// What a decision that has taken effect still lacks, each nil when it does not. Workers make good for the first two.
	Unpublished error // the event of the new state
	Unwoken     error // what goes on now goes on later
	Unlisted    error // the entry in the list of decisions; the record itself has it
}

// Resolve ends a review as a person decides, and has refunds that wait for it go on.
func (d *Desk) Resolve(ctx context.Context, r order.Ref, res ledger.Resolution) (Result, error) {
	done, err := d.ledger.Resolve(ctx, r, res)
	out := Result{Applied: done.Applied, State: done.State}
	if !done.Applied {
		return out, err
	}
	out.Unpublished = err
	out.Unwoken = d.queue.RunRefunds(ctx, d.ledger, r)
	out.Unlisted = d.ledger.Decided(ctx, ledger.Decision{What: "resolve as " + string(res.State), Ref: r, Who: res.Who, Reason: res.Reason})
	return out, nil
}

// Retry has a record in review worked on again.
func (d *Desk) Retry(ctx context.Context, r order.Ref, who, reason string) (Result, error) {
	done, err := d.ledger.Reopen(ctx, r, who, reason)
	out := Result{Applied: done.Applied, State: done.State}
	if !done.Applied {
		return out, err
	}
	out.Unwoken = cmp.Or(err, d.queue.Wake(ctx, d.ledger, r))
	out.Unlisted = d.ledger.Decided(ctx, ledger.Decision{What: "retry", Ref: r, Who: who, Reason: reason})
	return out, nil
}

// Ends are the states that a person can resolve a review of the record to.
func Ends(r order.Ref) []order.State {
	states := order.OrderStates()
	if r.IsRefund() {
		states = order.RefundStates()
	}
	return slices.DeleteFunc(states, func(s order.State) bool {
		return !ledger.CanEnd(r, s) || !s.Settled() || s == order.Cancelled
	})
}

// Accounts are those that a question is about: the given one, or every one of its provider, or of all
// providers, that workers have announced or that the providers' defaults name.
func (d *Desk) Accounts(ctx context.Context, c *tasks.Client, asked tasks.Account) ([]tasks.Account, error) {
	if asked.Merchant != "" {
		return []tasks.Account{asked}, nil
	}
	announced, err := budget.Announced(ctx, d.rdb)
	if err != nil {
		return nil, err
	}
	var out []tasks.Account
	for _, p := range providers.All() {
		if asked.Provider != "" && asked.Provider != p {
			continue
		}
		for _, n := range announced {
			if n.Account.Provider == p {
				out = append(out, n.Account)
			}
		}
		a, err := c.Account(ctx, tasks.Account{Provider: p})
		var unknown *tasks.UnknownAccountError
		switch {
		case errors.As(err, &unknown): // several, which are there already, or none
		case err != nil:
			return nil, err
		default:
			out = append(out, a)
		}
	}
	slices.SortFunc(out, func(x, y tasks.Account) int { return cmp.Compare(x.String(), y.String()) })
	return slices.Compact(out), nil
}
