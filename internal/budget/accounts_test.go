package budget

import (
	"testing"

	"issuance/internal/testredis"
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
		got, err := Announced(t.Context(), rdb)
		if err != nil || len(got) != 2 {
			t.Fatalf("%d accounts, %v", len(got), err)
		}
		s, err := got[1].State(t.Context())
		if err != nil || s.Account != "pass2u" || s.Limit != 2.5 {
			t.Fatalf("%+v, %v", s, err)
		}
	})
}
