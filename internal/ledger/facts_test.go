package ledger

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/keys"
	"issuance/internal/testredis"
	"issuance/providers"
)

// factsOf are two workers' facts over one Redis, by one clock.
func factsOf(t *testing.T, s *testredis.Server) (clock *time.Time, one, two *Facts, restart func() *Facts) {
	t.Helper()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	restart = func() *Facts {
		return New(s.Client(), Options{Now: func() time.Time { return now }}).Facts(slog.New(slog.DiscardHandler))
	}
	return &now, restart(), restart(), restart
}

func refresh(t *testing.T, f *Facts) {
	t.Helper()
	if err := f.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func recalls(t *testing.T, what string, m providers.Memory, want string) {
	t.Helper()
	if got, ok := m.Recall("zone"); got != want || ok != (want != "") {
		t.Errorf("%s: recalls %q, %t; want %q", what, got, ok, want)
	}
}

// What one worker has learned of an account is known to the others at their next look, and to those that are started later.
func TestAFactIsSharedByWorkersAndOutlivesThem(t *testing.T) {
	testredis.Each(t, func(t *testing.T, s *testredis.Server) {
		_, one, two, restart := factsOf(t, s)
		a, b, elsewhere := one.Of(shop), two.Of(shop), two.Of(other)
		refresh(t, two)
		a.Remember(t.Context(), "zone", "-8h", true)
		recalls(t, "who has learned it", a, "-8h")
		recalls(t, "before a look", b, "")
		b.Reread(t.Context())
		recalls(t, "asked for", b, "-8h")
		a.Remember(t.Context(), "zone", "0s", true)
		refresh(t, two)
		recalls(t, "after a look", b, "0s")
		recalls(t, "of another account", elsewhere, "")
		later := restart()
		c := later.Of(shop)
		refresh(t, later)
		recalls(t, "started later", c, "0s")
		late := later.Of(other)
		late.Remember(t.Context(), "zone", "1h", true)
		refresh(t, two)
		recalls(t, "of an account that was added", elsewhere, "1h")
	})
}

// A fact counts for 30 days from when it was shown last, and its key is gone then.
func TestAFactIsForgotten30DaysAfterItWasShownLast(t *testing.T) {
	testredis.Each(t, func(t *testing.T, s *testredis.Server) {
		clock, one, _, restart := factsOf(t, s)
		a := one.Of(shop)
		a.Remember(t.Context(), "zone", "-8h", true)
		a.Remember(t.Context(), "other", "x", true)
		if ttl := s.Client().PTTL(t.Context(), keys.Facts(shop)).Val(); ttl > 30*day || ttl < 30*day-time.Minute {
			t.Errorf("the key lives for %s", ttl)
		}
		known := func(want string) {
			t.Helper()
			f := restart()
			m := f.Of(shop)
			refresh(t, f)
			recalls(t, clock.String(), m, want)
		}
		*clock = clock.Add(29 * day)
		a.Remember(t.Context(), "zone", "-8h", false) // it was shown again
		*clock = clock.Add(29 * day)
		known("-8h")
		*clock = clock.Add(day - time.Minute)
		known("-8h")
		*clock = clock.Add(2 * time.Minute)
		known("")
	})
}

// commands counts what is asked of Redis.
type commands struct{ n int }

func (c *commands) DialHook(next redis.DialHook) redis.DialHook { return next }

func (c *commands) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error { c.n++; return next(ctx, cmd) }
}

func (c *commands) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error { c.n += len(cmds); return next(ctx, cmds) }
}

// A thousand orders that show the same cost one write an hour, and a worker to which nothing is new asks once a look.
func TestFactsCostNoCommandPerOrder(t *testing.T) {
	s := testredis.Mini(t)
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	rdb, c := s.Client(), &commands{}
	rdb.AddHook(c)
	f := New(rdb, Options{Now: func() time.Time { return now }}).Facts(slog.New(slog.DiscardHandler))
	m := f.Of(shop)
	m.Remember(t.Context(), "zone", "-8h", true)
	refresh(t, f)
	c.n = 0
	for range 1000 {
		m.Remember(t.Context(), "zone", "-8h", false)
		m.Recall("zone")
		now = now.Add(3 * time.Second)
	}
	if c.n != 0 {
		t.Errorf("%d commands for orders within an hour", c.n)
	}
	refresh(t, f)
	if c.n != 1 {
		t.Errorf("%d commands for a look without news", c.n)
	}
	now = now.Add(time.Hour)
	if m.Remember(t.Context(), "zone", "-8h", false); c.n == 1 {
		t.Error("it is not remembered for longer when it is shown again")
	}
}

// A Redis that refuses the write, or is away, costs the memory alone, and is not asked again for each order.
func TestAFactThatCannotBeWrittenIsDropped(t *testing.T) {
	s := testredis.Mini(t)
	_, one, _, _ := factsOf(t, s)
	m := one.Of(shop)
	if err := s.Client().Set(t.Context(), keys.Facts(shop), "no hash", 0).Err(); err != nil {
		t.Fatal(err)
	}
	m.Remember(t.Context(), "zone", "-8h", true)
	recalls(t, "refused", m, "")
	m.Reread(t.Context())
	if err := one.Refresh(t.Context()); err == nil {
		t.Error("a failed look is none")
	}
	if err := s.Client().Del(t.Context(), keys.Facts(shop)).Err(); err != nil {
		t.Fatal(err)
	}
	m.Remember(t.Context(), "zone", "-8h", true)
	recalls(t, "within a minute", m, "")
}
