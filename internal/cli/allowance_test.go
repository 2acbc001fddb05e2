package cli

import (
	"testing"

	"issuance/internal/budget"
	"issuance/internal/testredis"
	"issuance/providers"
)

// A look-up counts against the allowance that the workers have announced for its account, which
// several accounts may share, and is no faster than the workers or this environment allow.
func TestALookUpCountsAgainstTheAnnouncedAllowance(t *testing.T) {
	rdb := testredis.Mini(t).Client()
	s := &session{rdb: rdb}
	own := providers.Account{Provider: providers.ECTicket, Merchant: "2000132"}
	other := providers.Account{Provider: providers.ECTicket, Merchant: "3362787"}
	check := func(a providers.Account, perSecond float64, name string, rate float64) {
		t.Helper()
		gotName, gotRate, err := s.allowance(t.Context(), a, perSecond)
		if err != nil || gotName != name || gotRate != rate {
			t.Errorf("%s at %g/s: %s, %g/s, %v; want %s, %g/s", a, perSecond, gotName, gotRate, err, name, rate)
		}
	}
	check(own, 4, "ecticket:2000132", 4)
	for account, perSecond := range map[providers.Account]float64{own: 2, other: 0.001} {
		allowance := ""
		if account == own {
			allowance = "platform"
		}
		b, err := budget.New(rdb, budget.Config{Account: account, Allowance: allowance, PerSecond: perSecond})
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Announce(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	check(own, 4, "platform", 2)
	check(own, 1, "platform", 1)
	check(other, 4, "ecticket:3362787", 0.001)
}
