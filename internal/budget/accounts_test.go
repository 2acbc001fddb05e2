package budget

import (
	"testing"

	"issuance/internal/testredis"
	"issuance/providers"
)

func TestAnAnnouncedAccountCanBeLookedAtWithoutItsSettings(t *testing.T) {
	testredis.Each(t, func(t *testing.T, srv *testredis.Server) {
		rdb := srv.Client()
		for account, rate := range map[string]float64{"ecticket:2000132": 4, "pass2u": 2.5} {
			b, err := New(rdb, Config{Account: account, PerSecond: rate})
			if err != nil {
				t.Fatal(err)
			}
			if err := b.Announce(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		got, err := States(t.Context(), rdb)
		if err != nil || len(got) != 2 {
			t.Fatalf("%d accounts, %v", len(got), err)
		}
		if s := got[1]; s.Account != AccountOf(providers.Pass2U, "") || s.Provider() != providers.Pass2U || s.Limit != 2.5 {
			t.Fatalf("%+v", s)
		}
		if s := got[0]; s.Account != AccountOf(providers.ECTicket, "2000132") || s.Provider() != providers.ECTicket || s.Limit != 4 {
			t.Fatalf("%+v", s)
		}
	})
}
