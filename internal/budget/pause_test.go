package budget

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/keys"
	"issuance/internal/testredis"
	"issuance/providers"
	"issuance/tasks/order"
)

// pause pauses the account, which a worker has announced.
func (w *world) pause(lane order.Lane) {
	w.Helper()
	if err := w.workers[0].Announce(w.ctx); err != nil {
		w.Fatal(err)
	}
	if _, _, err := Pause(w.ctx, w.rdb, account, lane, "angela", "ECPay maintenance"); err != nil {
		w.Fatal(err)
	}
}

// paused fails unless err reports that the call is held by the operator's pause.
func (w *world) paused(err error) {
	w.Helper()
	var h *providers.HeldError
	if !errors.As(err, &h) || h.Reason != "paused by angela: ECPay maintenance" || h.RetryAfter < 30*time.Second || h.RetryAfter > 45*time.Second {
		w.Errorf("%v; want a pause", err)
	}
}

// No worker calls for a paused account until it is resumed, however long that takes.
func TestAPauseHoldsEveryLaneOfAllWorkers(t *testing.T) {
	virtual(t, Config{}, func(w *world) {
		w.pause("")
		for range 3 {
			for i := range 6 {
				w.paused(w.pass(i, order.Lanes()[i%3]))
			}
			<-time.After(10 * 24 * time.Hour)
			w.redis.FastForward(10 * 24 * time.Hour)
		}
		ended, err := Resume(w.ctx, w.rdb, account, "")
		if err != nil || len(ended) != 1 || ended[0].Who != "angela" || ended[0].Lane != "" {
			w.Fatal(ended, err)
		}
		for i, l := range order.Lanes() {
			if err := w.pass(i, l); err != nil {
				w.Error(err)
			}
		}
	})
}

func TestALanesPauseHoldsThatLaneOnly(t *testing.T) {
	for _, lane := range order.Lanes() {
		virtual(t, Config{}, func(w *world) {
			w.pause(lane)
			for i, l := range order.Lanes() {
				switch err := w.pass(i, l); {
				case l == lane:
					w.paused(err)
				case err != nil:
					w.Errorf("%s while %s is paused: %v", l, lane, err)
				}
			}
		})
	}
}

// Calls that have a slot and wait for it when the pause comes do not leave any more.
func TestAPauseStopsCallsThatWaitForTheirSlots(t *testing.T) {
	virtual(t, Config{}, func(w *world) {
		var wg sync.WaitGroup
		errs := make([]error, 9)
		for i := range errs {
			wg.Go(func() { errs[i] = w.pass(i, order.Checkout) })
		}
		<-time.After(600 * time.Millisecond) // one left at once, two more since
		w.pause(order.Checkout)
		wg.Wait()
		stopped := 0
		for _, err := range errs {
			if err != nil {
				w.paused(err)
				stopped++
			}
		}
		if len(w.calls) != 3 || stopped != 6 {
			w.Fatalf("%d left, %d stopped: %v", len(w.calls), stopped, errs)
		}
	})
}

// A restarted Redis and a restarted worker know of the pause.
func TestAPauseSurvivesARestart(t *testing.T) {
	s := testredis.StartDurable(t)
	announce(t, s, Config{Account: account, PerSecond: rate})
	if _, _, err := Pause(t.Context(), s.Client(), account, "", "angela", "maintenance"); err != nil {
		t.Fatal(err)
	}
	s.Restart()
	b := announce(t, s, Config{Account: account, PerSecond: rate})
	var held *providers.HeldError
	if err := b.Pass(t.Context()); !errors.As(err, &held) {
		t.Fatal(err)
	}
	if ttl := s.Client().TTL(t.Context(), keys.Paused(account.String(), account)).Val(); ttl != -1 {
		t.Errorf("it expires in %s", ttl)
	}
}

func TestStateShowsWhoPausedWhatAndWhy(t *testing.T) {
	virtual(t, Config{}, func(w *world) {
		w.pause(order.Bulk)
		state := func() State {
			w.Helper()
			all, err := States(w.ctx, w.rdb)
			if err != nil || len(all) != 1 {
				w.Fatal(all, err)
			}
			return all[0]
		}
		s := state()
		if len(s.Paused) != 1 || s.PerSecond != rate {
			w.Fatalf("%+v", s)
		}
		if h := s.Paused[0]; h.Lane != order.Bulk || h.Who != "angela" || h.Reason != "ECPay maintenance" || h.Since.IsZero() {
			w.Errorf("%+v", h)
		}
		if _, held := s.Held(order.Checkout); held {
			w.Error("a lane is held that is not paused")
		}
		if halt, held := s.Held(order.Bulk); !held || !halt.Until.IsZero() || halt.Since.IsZero() || halt.Reason != "paused by angela: ECPay maintenance" {
			w.Error(halt, held)
		}
		w.pause("")
		if s = state(); len(s.Paused) != 2 || s.Paused[0].Lane != "" || s.PerSecond != 0 {
			w.Fatalf("%+v", s)
		}
		if _, held := s.Held(order.Checkout); !held {
			w.Error("a paused account's lane is not held")
		}
		w.workers[0].Banned(w.ctx, "HTTP 403")
		s, err := w.workers[0].State(w.ctx)
		if halt, held := s.Held(order.Bulk); err != nil || !held || halt.Until.IsZero() || halt.Since.IsZero() || halt.Reason != "banned: HTTP 403" {
			w.Error(halt, held, err)
		}
	})
}

// The first pause stays, with its reason: nobody's reason is replaced by another's.
func TestASecondPauseShowsTheFirst(t *testing.T) {
	testredis.Each(t, func(t *testing.T, s *testredis.Server) {
		announce(t, s, Config{Account: account, PerSecond: rate})
		rdb := s.Client()
		first, added, err := Pause(t.Context(), rdb, account, order.Bulk, "angela", "maintenance")
		if err != nil || !added || time.Since(first.Since).Abs() > time.Minute {
			t.Fatal(first, added, err)
		}
		second, added, err := Pause(t.Context(), rdb, account, order.Bulk, "bob", "too many complaints")
		if err != nil || added || second.Who != "angela" || second.Reason != "maintenance" || !second.Since.Equal(first.Since) {
			t.Fatal(second, added, err)
		}
		if ended, err := Resume(t.Context(), rdb, account, order.Poll); err != nil || len(ended) != 0 {
			t.Error("a lane was resumed that was not paused:", ended, err)
		}
		if ended, err := Resume(t.Context(), rdb, account, order.Bulk); err != nil || len(ended) != 1 || ended[0].Who != "angela" {
			t.Error(ended, err)
		}
	})
}

// A lane of a paused account stays held when its own pause ends.
func TestResumingALaneLeavesTheAccountsPause(t *testing.T) {
	virtual(t, Config{}, func(w *world) {
		w.pause("")
		w.pause(order.Bulk)
		if ended, err := Resume(w.ctx, w.rdb, account, order.Bulk); err != nil || len(ended) != 1 || ended[0].Lane != order.Bulk {
			w.Fatal(ended, err)
		}
		w.paused(w.pass(0, order.Bulk))
		w.pause(order.Poll)
		if ended, err := Resume(w.ctx, w.rdb, account, ""); err != nil || len(ended) != 2 {
			w.Fatal(ended, err)
		}
		if err := w.pass(0, order.Poll); err != nil {
			w.Error(err)
		}
	})
}

// A pause of what no worker serves would hold nothing, and a pause needs a name and a reason.
func TestAPauseThatMeansNothingIsRefused(t *testing.T) {
	testredis.Each(t, func(t *testing.T, s *testredis.Server) {
		rdb := s.Client()
		if _, _, err := Pause(t.Context(), rdb, account, "", "angela", "maintenance"); !errors.Is(err, ErrNotAnnounced) {
			t.Error(err)
		}
		if _, err := Resume(t.Context(), rdb, account, ""); !errors.Is(err, ErrNotAnnounced) {
			t.Error(err)
		}
		announce(t, s, Config{Account: account, PerSecond: rate})
		for _, c := range []struct {
			lane        order.Lane
			who, reason string
		}{{"vip", "angela", "maintenance"}, {"all", "angela", "maintenance"}, {"", " ", "maintenance"}, {"", "angela", "\n"}} {
			if h, _, err := Pause(t.Context(), rdb, account, c.lane, c.who, c.reason); err == nil {
				t.Errorf("%+v was accepted: %+v", c, h)
			}
		}
		s.Kill()
		if _, _, err := Pause(t.Context(), rdb, account, "", "angela", "maintenance"); err == nil || errors.Is(err, ErrNotAnnounced) {
			t.Error("a dead Redis was taken for one without the account:", err)
		}
	})
}

// Only one of several accounts that share an allowance is held.
func TestAPauseHoldsItsAccountOnly(t *testing.T) {
	testredis.Each(t, func(t *testing.T, s *testredis.Server) {
		one := announce(t, s, Config{Account: account, PerSecond: 100, Allowance: "platform"})
		two := announce(t, s, Config{Account: providers.Account{Provider: providers.ECTicket, Merchant: "2"}, PerSecond: 100, Allowance: "platform"})
		if _, _, err := Pause(t.Context(), s.Client(), account, "", "angela", "maintenance"); err != nil {
			t.Fatal(err)
		}
		var held *providers.HeldError
		if err := one.Pass(t.Context()); !errors.As(err, &held) {
			t.Error(err)
		}
		if err := two.Pass(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// What a person wrote by hand, or a later version, holds calls even if nobody can read it.
func TestAnUnreadablePauseHolds(t *testing.T) {
	virtual(t, Config{}, func(w *world) {
		w.rdb.HSet(w.ctx, w.workers[0].keys.paused, "all", "by hand")
		var held *providers.HeldError
		if err := w.pass(0, order.Checkout); !errors.As(err, &held) || !strings.Contains(held.Reason, "cannot be read") {
			w.Error(err)
		}
		if s, err := w.workers[0].State(w.ctx); err != nil || len(s.Paused) != 1 {
			w.Error(s, err)
		}
	})
}

// An answer of Redis that was given before the pause and arrives long after it lets no call leave, be
// it the answer to the first question or to the second.
func TestALateAnswerIsNoPermission(t *testing.T) {
	for _, second := range []bool{false, true} {
		virtual(t, Config{}, func(w *world) {
			slow := &lateAnswers{delay: 2 * time.Second}
			if second { // the reserve is used up: the third call waits, and asks again when its slot comes
				for i := range 2 {
					if err := w.pass(i, order.Checkout); err != nil {
						w.Fatal(err)
					}
				}
				slow.skip = 1
			}
			w.pause(order.Bulk) // announces
			w.workers[1].rdb.(hooked).AddHook(slow)
			done := make(chan error, 1)
			go func() { done <- w.workers[1].Lane(order.Checkout).Pass(w.ctx) }()
			<-time.After(time.Second)
			if _, _, err := Pause(w.ctx, w.workers[0].rdb, account, order.Checkout, "angela", "ECPay maintenance"); err != nil {
				w.Fatal(err)
			}
			w.paused(<-done)
		})
	}
}

// A Redis that is slow for good lets none leave, and does not keep them for ever.
func TestCallsDoNotWaitForeverForASlowRedis(t *testing.T) {
	virtual(t, Config{}, func(w *world) {
		w.workers[1].rdb.(hooked).AddHook(far{rtt: 2 * time.Second})
		ctx, cancel := context.WithTimeout(w.ctx, time.Minute)
		defer cancel()
		if err := w.workers[1].Lane(order.Checkout).Pass(ctx); !isHeld(err) {
			w.Error(err)
		}
	})
}

// A pause whose first answer is lost, so that the client repeats it, is reported as made, not as
// somebody's earlier one.
func TestARepeatedPauseIsItsOwn(t *testing.T) {
	testredis.Each(t, func(t *testing.T, s *testredis.Server) {
		announce(t, s, Config{Account: account, PerSecond: rate})
		rdb := s.Client()
		hook := &meanwhile{command: "hsetnx"}
		hook.before = func(ctx context.Context, cmd redis.Cmder) { // the first attempt, which Redis carries out
			a := cmd.Args()
			s.Client().HSetNX(ctx, a[1].(string), a[2].(string), a[3])
		}
		rdb.AddHook(hook)
		h, added, err := Pause(t.Context(), rdb, account, "", "angela", "maintenance")
		if err != nil || !added || h.Who != "angela" || !hook.done {
			t.Error(h, added, err)
		}
	})
}
