package servers

import (
	"context"

	"github.com/redis/go-redis/v9"

	"issuance/internal/budget"
)

// survey is what is known of the accounts of a provider. Few accounts are read at every look; of many, a part in turn, so
// that a look costs no more than it has to, and each is known by surveyed looks at the latest.
type survey struct {
	states map[Account]budget.State
	next   int
}

const (
	// fewAccounts are read at every look.
	fewAccounts = 50
	// surveyed is in how many looks all accounts have been read: 5 s.
	surveyed = 10
)

// look reads the accounts whose turn it is, calls read with each of them, and returns what is known of all. An account that
// was not read yet counts as one that is not held.
func (v *survey) look(ctx context.Context, rdb redis.UniversalClient, accounts []Account, read func(Account, budget.State)) ([]budget.State, error) {
	due := v.turn(accounts)
	states, err := statesOf(ctx, rdb, due)
	if err != nil {
		return nil, err
	}
	before := v.states
	v.states = make(map[Account]budget.State, len(accounts))
	for i, a := range due {
		v.states[a] = states[i]
		read(a, states[i])
	}
	all := make([]budget.State, len(accounts))
	for i, a := range accounts {
		s, ok := v.states[a]
		if !ok {
			s = before[a]
			v.states[a] = s
		}
		all[i] = s
	}
	return all, nil
}

// turn are the accounts to read now.
func (v *survey) turn(accounts []Account) []Account {
	n := max(fewAccounts, (len(accounts)+surveyed-1)/surveyed)
	if n >= len(accounts) {
		return accounts
	}
	due := make([]Account, n)
	for i := range due {
		due[i] = accounts[(v.next+i)%len(accounts)]
	}
	v.next = (v.next + n) % len(accounts)
	return due
}

// statesOf reads accounts, those that are budgets in a few round trips.
func statesOf(ctx context.Context, rdb redis.UniversalClient, accounts []Account) ([]budget.State, error) {
	out := make([]budget.State, len(accounts))
	var budgets []*budget.Budget
	var at []int
	for i, a := range accounts {
		switch a := a.(type) {
		case *budget.Budget:
			budgets, at = append(budgets, a), append(at, i)
		case *Served:
			budgets, at = append(budgets, a.Budget), append(at, i)
		default:
			s, err := a.State(ctx)
			if err != nil {
				return nil, err
			}
			out[i] = s
		}
	}
	states, err := budget.StatesOf(ctx, rdb, budgets)
	for i, s := range states {
		out[at[i]] = s
	}
	return out, err
}
