package budget_test

import (
	"fmt"
	"testing"
	"time"

	"issuance/internal/budget"
	"issuance/internal/testredis"
	"issuance/providers"
)

// Many accounts are announced and read at once, and one that is withdrawn has no worker at once, is no default, and was
// seen last when it was withdrawn.
func TestManyAccountsAreAnnouncedAndOneIsWithdrawn(t *testing.T) {
	testredis.Each(t, func(t *testing.T, s *testredis.Server) {
		rdb := s.Client()
		const n = 450 // more than are written at once
		budgets := make([]*budget.Budget, n)
		for i := range budgets {
			b, err := budget.New(rdb, budget.Config{Account: providers.Account{Provider: providers.ECTicket, Merchant: fmt.Sprint("M", i)}, Default: i == 0, PerSecond: 1})
			if err != nil {
				t.Fatal(err)
			}
			budgets[i] = b
		}
		if err := budget.Announce(t.Context(), rdb, budgets...); err != nil {
			t.Fatal(err)
		}
		if _, _, err := budget.Pause(t.Context(), rdb, providers.Account{Provider: providers.ECTicket, Merchant: "M7"}, "", "ann", "test"); err != nil {
			t.Fatal(err)
		}
		states, err := budget.StatesOf(t.Context(), rdb, budgets)
		if err != nil || len(states) != n || states[7].Account.Merchant != "M7" || len(states[7].Paused) != 1 || len(states[8].Paused) != 0 {
			t.Fatalf("%d states, %v", len(states), err)
		}
		gone := providers.Account{Provider: providers.ECTicket, Merchant: "M0"}
		began := time.Now().Truncate(time.Millisecond)
		if err := budget.Withdraw(t.Context(), rdb, gone); err != nil {
			t.Fatal(err)
		}
		if err := budget.Withdraw(t.Context(), rdb, providers.Account{Provider: providers.Pass2U, Merchant: "never"}); err != nil {
			t.Error(err)
		}
		announced, err := budget.Announced(t.Context(), rdb)
		if err != nil || len(announced) != n || announced[0].Account != gone || announced[0].Default || announced[0].At.Before(began) || !announced[0].Withdrawn || announced[1].Withdrawn {
			t.Errorf("%d are announced, %+v, %v", len(announced), announced[0], err)
		}
		if served, err := budget.ServedLately(t.Context(), rdb, gone, time.Now()); err != nil || served {
			t.Errorf("%t, %v", served, err)
		}
		states, err = budget.States(t.Context(), rdb)
		if err != nil || !states[0].NoWorker || states[1].NoWorker {
			t.Errorf("%+v, %+v, %v", states[0], states[1], err)
		}
		if err := budgets[0].Announce(t.Context()); err != nil {
			t.Fatal(err)
		}
		if states, err = budget.States(t.Context(), rdb); err != nil || states[0].NoWorker {
			t.Errorf("served again: %+v, %v", states[0], err)
		}
	})
}
