package budget

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/keys"
	"issuance/internal/testredis"
	"issuance/providers"
	"issuance/tasks/order"
)

var pass2uMain = providers.Account{Provider: providers.Pass2U, Merchant: "main"}

// announce publishes an account as a worker does.
func announce(t *testing.T, srv *testredis.Server, cfg Config) *Budget {
	t.Helper()
	b, err := New(srv.Client(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Announce(t.Context()); err != nil {
		t.Fatal(err)
	}
	return b
}

func TestAnAnnouncedAccountCanBeReadWithoutItsSettings(t *testing.T) {
	testredis.Each(t, func(t *testing.T, srv *testredis.Server) {
		now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
		clock := func() time.Time { return now }
		announce(t, srv, Config{Account: pass2uMain, PerSecond: 2.5, Now: clock})
		announce(t, srv, Config{Account: account, PerSecond: 4, Allowance: "platform-3085672", Default: true, Now: clock})

		list, err := Announced(t.Context(), srv.Client())
		want := []Announcement{
			{Account: account, Allowance: "platform-3085672", PerSecond: 4, Default: true, At: now},
			{Account: pass2uMain, Allowance: "pass2u:main", PerSecond: 2.5, At: now},
		}
		if err != nil || len(list) != 2 || list[0] != want[0] || list[1] != want[1] {
			t.Fatalf("%+v, %v", list, err)
		}
		states, err := States(t.Context(), srv.Client())
		if err != nil || len(states) != 2 {
			t.Fatalf("%d accounts, %v", len(states), err)
		}
		if s := states[0]; s.Account != account || s.Allowance != "platform-3085672" || s.Limit != 4 {
			t.Errorf("%+v", s)
		}
		if s := states[1]; s.Account != pass2uMain || s.Allowance != "pass2u:main" || s.Limit != 2.5 {
			t.Errorf("%+v", s)
		}
	})
}

// An account that was given up does not stand in the way for ever; one whose workers are down does stay.
func TestAnAccountThatIsNotAnnouncedAnyMoreIsForgotten(t *testing.T) {
	testredis.Each(t, func(t *testing.T, srv *testredis.Server) {
		now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
		clock := func() time.Time { return now }
		announce(t, srv, Config{Account: account, PerSecond: 4, Now: clock})
		now = now.Add(30 * 24 * time.Hour)
		announce(t, srv, Config{Account: pass2uMain, PerSecond: 4, Now: clock})
		if list, err := Announced(t.Context(), srv.Client()); err != nil || len(list) != 2 {
			t.Errorf("after 30 days: %+v, %v", list, err)
		}
		if served, err := ServedLately(t.Context(), srv.Client(), pass2uMain, now.Add(Silent)); err != nil || !served {
			t.Errorf("%t, %v", served, err)
		}
		now = now.Add(time.Hour)
		announce(t, srv, Config{Account: pass2uMain, PerSecond: 4, Now: clock})
		if list, err := Announced(t.Context(), srv.Client()); err != nil || len(list) != 1 || list[0].Account != pass2uMain {
			t.Errorf("after more: %+v, %v", list, err)
		}
	})
}

// A producer that took an unreadable entry for an absent one could take another merchant's account for
// the only one.
func TestAnUnreadableAnnouncementIsAnError(t *testing.T) {
	srv := testredis.Mini(t)
	announce(t, srv, Config{Account: account, PerSecond: 4})
	if err := srv.Client().HSet(t.Context(), keys.Accounts, "ecticket:2", "4").Err(); err != nil {
		t.Fatal(err)
	}
	if list, err := Announced(t.Context(), srv.Client()); err == nil {
		t.Errorf("%+v", list)
	}
}

// Accounts of one allowance share its calls and its bans.
func TestAccountsOfOneAllowanceShareIt(t *testing.T) {
	testredis.Each(t, func(t *testing.T, srv *testredis.Server) {
		one := announce(t, srv, Config{Account: account, PerSecond: rate, Allowance: "platform"})
		two := announce(t, srv, Config{Account: providers.Account{Provider: providers.ECTicket, Merchant: "2"}, PerSecond: rate, Allowance: "platform"})
		if err := one.Pass(t.Context()); err != nil {
			t.Fatal(err)
		}
		if s, err := two.State(t.Context()); err != nil || s.Ahead == 0 {
			t.Errorf("%+v %v", s, err)
		}
		one.Banned(t.Context(), "HTTP 403")
		var held *providers.HeldError
		if err := two.Pass(t.Context()); !errors.As(err, &held) {
			t.Error(err)
		}
	})
}

// Whose calls are used up is the allowance, where accounts share one.
func TestAUsedUpAllowanceIsNamed(t *testing.T) {
	srv, now := testredis.Mini(t), time.Unix(1_900_000_000, 0)
	for _, c := range []struct{ allowance, says string }{{"platform-3085672", "call budget of allowance platform-3085672 ("}, {"", "call budget of ecticket:1 ("}} {
		b := announce(t, srv, Config{Account: account, PerSecond: 0.01, Allowance: c.allowance, Now: func() time.Time { return now }})
		bulk := b.Lane(order.Bulk)
		if err := bulk.Pass(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := bulk.Pass(t.Context()); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%v does not say %q", err, c.says)
		}
	}
}

// A pause stays in force when the account's allowance changes.
func TestAPauseMovesWithItsAccountToAnotherAllowance(t *testing.T) {
	testredis.Each(t, func(t *testing.T, srv *testredis.Server) {
		announce(t, srv, Config{Account: account, PerSecond: rate})
		rdb := srv.Client()
		if _, _, err := Pause(t.Context(), rdb, account, "", "angela", "maintenance"); err != nil {
			t.Fatal(err)
		}
		b := announce(t, srv, Config{Account: account, PerSecond: rate, Allowance: "platform"})
		var held *providers.HeldError
		if err := b.Pass(t.Context()); !errors.As(err, &held) {
			t.Fatal(err)
		}
		if n := rdb.Exists(t.Context(), keys.Paused(account.String(), account)).Val(); n != 0 {
			t.Error("the old pause is left behind")
		}
		if ended, err := Resume(t.Context(), rdb, account, ""); err != nil || len(ended) != 1 {
			t.Fatal(ended, err)
		}
		if err := b.Pass(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// A pause that is made while a worker announces another allowance holds calls under the new one, in
// whatever order their commands reach Redis.
func TestAPauseIsNotLostWhileTheAllowanceChanges(t *testing.T) {
	pause := func(t *testing.T, rdb redis.UniversalClient) {
		if h, added, err := Pause(t.Context(), rdb, account, order.Bulk, "angela", "maintenance"); err != nil || !added || h.Who != "angela" {
			t.Fatal(h, added, err)
		}
	}
	moved := Config{Account: account, PerSecond: rate, Allowance: "platform"}
	for name, run := range map[string]func(t *testing.T, srv *testredis.Server){
		"the pause comes during the announcement": func(t *testing.T, srv *testredis.Server) {
			rdb := srv.Client()
			rdb.AddHook(&meanwhile{command: "hset", before: func(context.Context, redis.Cmder) { pause(t, srv.Client()) }})
			b, err := New(rdb, moved)
			if err == nil {
				err = b.Announce(t.Context())
			}
			if err != nil {
				t.Fatal(err)
			}
		},
		"the announcement comes during the pause": func(t *testing.T, srv *testredis.Server) {
			rdb := srv.Client()
			rdb.AddHook(&meanwhile{command: "hsetnx", before: func(context.Context, redis.Cmder) { announce(t, srv, moved) }})
			pause(t, rdb)
		},
	} {
		t.Run(name, func(t *testing.T) {
			testredis.Each(t, func(t *testing.T, srv *testredis.Server) {
				announce(t, srv, Config{Account: account, PerSecond: rate})
				run(t, srv)
				list, err := Announced(t.Context(), srv.Client())
				if err != nil || len(list) != 1 || list[0].Allowance != "platform" {
					t.Fatal(list, err)
				}
				b, err := New(srv.Client(), moved)
				if err != nil {
					t.Fatal(err)
				}
				if err := b.Pass(t.Context()); !isHeld(err) {
					t.Error(err)
				}
			})
		})
	}
}
