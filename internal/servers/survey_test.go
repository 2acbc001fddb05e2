package servers

import (
	"context"
	"testing"

	"issuance/internal/budget"
	"issuance/providers"
)

// counted is an account that counts how often it is read.
type counted struct {
	name string
	read int
}

func (c *counted) State(context.Context) (budget.State, error) {
	c.read++
	return budget.State{Account: providers.Account{Provider: providers.ECTicket, Merchant: c.name}}, nil
}

// Few accounts are read at every look. Of many, each look reads a part, each account is read once before any is read
// again, and what was read before counts until then.
func TestManyAccountsAreReadInTurn(t *testing.T) {
	for n, perLook := range map[int]int{1: 1, fewAccounts: fewAccounts, 1000: 100, 995: 100} {
		accounts := make([]Account, n)
		for i := range accounts {
			accounts[i] = &counted{name: "M"}
		}
		var v survey
		for look := range surveyed {
			read := 0
			states, err := v.look(t.Context(), nil, accounts, func(Account, budget.State) { read++ })
			known := 0
			for _, s := range states {
				if !s.Account.IsZero() {
					known++
				}
			}
			if err != nil || read != perLook || known != min(n, (look+1)*perLook) || len(states) != n {
				t.Errorf("look %d at %d accounts: %d read, %d known, %v", look, n, read, known, err)
			}
		}
		for i, a := range accounts {
			if a := a.(*counted); a.read < 1 || n > fewAccounts && a.read > 2 {
				t.Fatalf("of %d accounts number %d is read %d times", n, i, a.read)
			}
		}
	}
}
