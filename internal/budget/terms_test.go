package budget

import (
	"errors"
	"testing"
	"time"

	"issuance/internal/keys"
	"issuance/internal/testredis"
	"issuance/providers"
	"issuance/tasks/order"
)

var platform = Config{Account: account, PerSecond: rate, Allowance: "platform", MaxWait: time.Millisecond}

func heldFor(err error) time.Duration {
	var held *providers.HeldError
	if !errors.As(err, &held) {
		return 0
	}
	return held.RetryAfter
}

// Renaming an allowance, or moving an account to another one, ends no ban: the provider counts by what it knows.
func TestABanGoesWithTheAccountToAnotherAllowance(t *testing.T) {
	testredis.Each(t, func(t *testing.T, srv *testredis.Server) {
		announce(t, srv, Config{Account: account, PerSecond: rate}).Banned(t.Context(), "HTTP 403")
		before, err := States(t.Context(), srv.Client())
		if err != nil || len(before) != 1 || before[0].Ban == nil {
			t.Fatal(before, err)
		}
		b := announce(t, srv, platform)
		if wait := heldFor(b.Pass(t.Context())); wait < defaultBan-time.Minute {
			t.Errorf("held for %s", wait)
		}
		after, err := States(t.Context(), srv.Client())
		if err != nil || len(after) != 1 || after[0].Ban == nil || *after[0].Ban != *before[0].Ban {
			t.Errorf("%+v, %v; before %+v", after[0].Ban, err, before[0].Ban)
		}
		// A ban of the new allowance that lasts longer stays as it is.
		longer := Config{Account: account, PerSecond: rate, Allowance: "longer", Ban: time.Hour}
		l, err := New(srv.Client(), longer)
		if err != nil {
			t.Fatal(err)
		}
		l.Banned(t.Context(), "HTTP 429")
		announce(t, srv, longer)
		s, err := l.State(t.Context())
		if err != nil || s.Ban == nil || s.Ban.Reason != "HTTP 429" || s.Ban.Until.Sub(before[0].Ban.Until) < 20*time.Minute {
			t.Errorf("%+v, %v", s.Ban, err)
		}
	})
}

// A ban that one worker meets under the former allowance, after another has changed it, holds the new one once the first has seen it.
func TestABanMetAfterTheChangeIsTakenOver(t *testing.T) {
	testredis.Each(t, func(t *testing.T, srv *testredis.Server) {
		old := announce(t, srv, Config{Account: account, PerSecond: rate})
		announce(t, srv, platform)
		old.Banned(t.Context(), "HTTP 403")
		b, err := New(srv.Client(), platform)
		if err == nil {
			err = b.TakeOver(t.Context(), old.Terms())
		}
		if err != nil {
			t.Fatal(err)
		}
		if wait := heldFor(b.Pass(t.Context())); wait < defaultBan-time.Minute {
			t.Errorf("held for %s", wait)
		}
	})
}

// A ban that could not be written holds the budget that replaces the one that knows of it.
func TestABanThatIsNotInRedisYetIsNotForgottenWithTheSettings(t *testing.T) {
	testredis.Each(t, func(t *testing.T, srv *testredis.Server) {
		old := announce(t, srv, Config{Account: account, PerSecond: rate})
		old.mu.Lock()
		old.unpublished = &refusal{reason: "HTTP 403", at: old.clock()}
		old.mu.Unlock()
		b, err := New(srv.Client(), platform)
		if err != nil {
			t.Fatal(err)
		}
		b.After(old)
		if wait := heldFor(b.Pass(t.Context())); wait < defaultBan-time.Minute {
			t.Errorf("held for %s", wait)
		}
	})
}

// While another worker may go on under the former allowance, nobody calls under the new one; a worker alone does not wait. A pause
// holds under both meanwhile, and is not lost when the account comes back.
func TestAnAllowanceThatChangesBesideOthersIsNotSpentTwice(t *testing.T) {
	testredis.Each(t, func(t *testing.T, srv *testredis.Server) {
		ctx, rdb := t.Context(), srv.Client()
		old := announce(t, srv, Config{Account: account, PerSecond: rate})
		alone := announce(t, srv, Config{Account: account, PerSecond: rate, Allowance: "alone", MaxWait: time.Millisecond})
		if err := alone.Pass(ctx); err != nil {
			t.Errorf("a worker alone: %v", err)
		}
		beside := func(cfg Config) *Budget {
			t.Helper()
			b, err := New(rdb, cfg)
			if err == nil {
				err = AnnounceBeside(ctx, rdb, map[providers.Account]bool{account: true}, b)
			}
			if err != nil {
				t.Fatal(err)
			}
			return b
		}
		b := beside(platform)
		if wait := heldFor(b.Pass(ctx)); wait < settle/2 || wait > 2*settle {
			t.Errorf("beside another worker: held for %s", wait)
		}
		if _, _, err := Pause(ctx, rdb, account, order.Bulk, "angela", "maintenance"); err != nil {
			t.Fatal(err)
		}
		beside(Config{Account: account, PerSecond: rate})
		if h, err := rdb.HExists(ctx, keys.Paused("platform", account), string(order.Bulk)).Result(); err != nil || !h {
			t.Error("the pause holds nobody who goes by the former allowance:", err)
		}
		beside(platform)
		if ttl := rdb.PTTL(ctx, keys.Paused("platform", account)).Val(); ttl != -1 {
			t.Errorf("the pause ends by itself in %s", ttl)
		}
		if err := old.Lane(order.Bulk).Pass(ctx); !isHeld(err) {
			t.Error(err)
		}
	})
}

// Of workers whose files differ, the last change is in force for all: none announces its own terms over it, and each learns of it.
func TestTheTermsAnnouncedLastAreInForce(t *testing.T) {
	testredis.Each(t, func(t *testing.T, srv *testredis.Server) {
		ctx, rdb := t.Context(), srv.Client()
		one := announce(t, srv, Config{Account: account, PerSecond: rate})
		names := []providers.Account{account, pass2uMain}
		in, seen, err := NewTerms(ctx, rdb, "", names)
		if err != nil || len(in) != 1 || in[account] != one.Terms() {
			t.Fatal(in, seen, err)
		}
		renew := func(want bool) {
			t.Helper()
			if differ, err := Renew(ctx, rdb, one); err != nil || differ != want {
				t.Errorf("differ: %t, %v", differ, err)
			}
		}
		renew(false)
		if in, next, err := NewTerms(ctx, rdb, seen, names); err != nil || in != nil || next != seen {
			t.Errorf("nothing has changed: %v, %q after %q, %v", in, next, seen, err)
		}
		for _, other := range []Config{{Account: account, PerSecond: rate, Allowance: "platform"}, {Account: account, PerSecond: rate / 2}} {
			two := announce(t, srv, other)
			renew(true)
			in, next, err := NewTerms(ctx, rdb, seen, names)
			if err != nil || in[account] != two.Terms() || next == seen {
				t.Errorf("%+v: %v, %q after %q, %v", other, in, next, seen, err)
			}
			seen = next
		}
	})
}
