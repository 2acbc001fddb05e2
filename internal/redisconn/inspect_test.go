package redisconn

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/keys"
	"issuance/internal/testredis"
)

// Every way in which a Redis can lose orders is said, each with its line of redis.conf; a Redis
// that cannot lose any gets no warning.
func TestJudge(t *testing.T) {
	good := map[string]string{"aof_enabled": "1", "maxmemory_policy": "noeviction", "aof_last_write_status": "ok", "connected_slaves": "0"}
	always := map[string]string{"appendfsync": "always", "min-replicas-to-write": "0"}
	with := func(m map[string]string, kv ...string) map[string]string {
		out := map[string]string{}
		for k, v := range m {
			out[k] = v
		}
		for i := 0; i < len(kv); i += 2 {
			out[kv[i]] = kv[i+1]
		}
		return out
	}
	for _, c := range []struct {
		name       string
		info, conf map[string]string
		checked    bool
		want       []Code
		fix        string
	}{
		{"good", good, always, true, nil, ""},
		{"no AOF", with(good, "aof_enabled", "0"), always, true, []Code{NoPersistence}, "appendonly yes"},
		{"everysec", good, with(always, "appendfsync", "everysec"), true, []Code{LosesASecond}, "appendfsync always"},
		{"no fsync", good, with(always, "appendfsync", "no"), true, []Code{LosesASecond}, "appendfsync always"},
		{"evicts", with(good, "maxmemory_policy", "allkeys-lru"), always, true, []Code{Evicts}, "maxmemory-policy noeviction"},
		{"disk full", with(good, "aof_last_write_status", "err"), always, true, []Code{DiskTrouble}, "free space"},
		{"replicas", with(good, "connected_slaves", "2"), always, true, []Code{LossyFailover}, "min-replicas-to-write 1"},
		{"replicas waited for", with(good, "connected_slaves", "2"), with(always, "min-replicas-to-write", "1"), true, nil, ""},
		{"managed", good, nil, false, []Code{CannotBeChecked}, "appendfsync always"},
		{"managed, no AOF", with(good, "aof_enabled", "0"), nil, false, []Code{NoPersistence}, "appendonly yes"},
		{"everything", with(good, "aof_enabled", "0", "maxmemory_policy", "volatile-ttl"), always, true, []Code{NoPersistence, Evicts}, "noeviction"},
	} {
		var got []Code
		var text strings.Builder
		for _, w := range judge(c.info, c.conf, c.checked) {
			got = append(got, w.Code)
			text.WriteString(w.String())
		}
		if !slices.Equal(got, c.want) || !strings.Contains(text.String(), c.fix) {
			t.Errorf("%s: %v, want %v; %s", c.name, got, c.want, text.String())
		}
	}
}

func TestTooOld(t *testing.T) {
	for v, want := range map[string]bool{"5.0.14": true, "6.0.16": true, "6.2.0": false, "7.0.15": false, "8.2": false, "255.255.255": false, "odd": false} {
		if tooOld(v) != want {
			t.Errorf("%s: %v", v, !want)
		}
	}
}

// The embedded Redis is recognized and gives no other warning.
func TestInspectEmbedded(t *testing.T) {
	ws, err := Inspect(context.Background(), testredis.Mini(t).Client())
	if err != nil || len(ws) != 1 || ws[0].Code != Embedded {
		t.Fatal(ws, err)
	}
}

// A real Redis is judged by what it says itself.
func TestInspectReal(t *testing.T) {
	ctx := context.Background()
	s := testredis.StartDurable(t)
	if s.Kind != testredis.Real {
		return // logged by testredis
	}
	c := s.Client()
	expect := func(what string, want ...Code) {
		t.Helper()
		ws, err := Inspect(ctx, c)
		var got []Code
		for _, w := range ws {
			got = append(got, w.Code)
		}
		if err != nil || !slices.Equal(got, want) {
			t.Fatalf("%s: %v, want %v, error %v", what, ws, want, err)
		}
	}
	set := func(k, v string) {
		t.Helper()
		if err := c.ConfigSet(ctx, k, v).Err(); err != nil {
			t.Fatal(err)
		}
	}
	expect("as deployed")
	set("appendfsync", "everysec")
	set("maxmemory-policy", "allkeys-lru")
	expect("everysec and evicting", LosesASecond, Evicts)
	set("appendonly", "no")
	set("maxmemory-policy", "noeviction")
	expect("in memory", NoPersistence)

	set("appendonly", "yes")
	if err := c.Do(ctx, "ACL", "SETUSER", "app", "on", ">pw", "~*", "&*", "+@all", "-config").Err(); err != nil {
		t.Fatal(err)
	}
	managed := redis.NewClient(&redis.Options{Addr: s.Addr, Username: "app", Password: "pw"})
	defer managed.Close()
	ws, err := Inspect(ctx, managed)
	if err != nil || len(ws) != 1 || ws[0].Code != CannotBeChecked {
		t.Fatal("managed:", ws, err)
	}
}

// A clock that is more than 3 s off gives a warning, with what to do; the time that the question takes
// does not.
func TestInspectClock(t *testing.T) {
	s := testredis.StartDurable(t)
	if s.Kind != testredis.Real {
		return // logged by testredis
	}
	for skew, want := range map[time.Duration]string{
		10 * time.Second: "ahead", -10 * time.Second: "behind", 2 * time.Second: "", -2 * time.Second: "",
	} {
		c := s.Client()
		c.AddHook(shiftedTime(skew))
		ws, err := Inspect(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case want == "" && len(ws) != 0:
			t.Errorf("%s: %v", skew, ws)
		case want != "" && (len(ws) != 1 || ws[0].Code != ClockSkew || !strings.Contains(ws[0].String(), want) || !strings.Contains(ws[0].Fix, "NTP")):
			t.Errorf("%s: %v", skew, ws)
		}
	}
}

// shiftedTime makes the clock of a Redis go wrong. It is a go-redis hook.
type shiftedTime time.Duration

func (d shiftedTime) DialHook(next redis.DialHook) redis.DialHook { return next }

func (d shiftedTime) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := next(ctx, cmd)
		if at, ok := cmd.(*redis.TimeCmd); ok {
			at.SetVal(at.Val().Add(time.Duration(d)))
		}
		return err
	}
}

func (d shiftedTime) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// A replica is refused, and the error names its master.
func TestReplicaIsRefused(t *testing.T) {
	ctx := context.Background()
	master, replica := testredis.Start(t), testredis.Start(t)
	if master.Kind != testredis.Real {
		return // logged by testredis
	}
	host, port, err := net.SplitHostPort(master.Addr)
	if err != nil {
		t.Fatal(err)
	}
	c := replica.Client()
	if err := c.Do(ctx, "REPLICAOF", host, port).Err(); err != nil {
		t.Fatal(err)
	}
	if _, err := Inspect(ctx, c); err == nil || !strings.Contains(err.Error(), "replica") || !strings.Contains(err.Error(), host) {
		t.Fatal(err)
	}
}

// A dead Redis gives an error, never an empty list of warnings.
func TestInspectDead(t *testing.T) {
	testredis.Each(t, func(t *testing.T, s *testredis.Server) {
		s.Kill()
		if ws, err := Inspect(context.Background(), s.Client()); err == nil {
			t.Fatal(ws)
		}
	})
}

// A Redis belongs to the first mode that marks it; the other one's error says what to do.
func TestMark(t *testing.T) {
	testredis.Each(t, func(t *testing.T, s *testredis.Server) {
		ctx := context.Background()
		c := s.Client()
		for _, first := range Modes {
			if err := c.Del(ctx, keys.Mode).Err(); err != nil {
				t.Fatal(err)
			}
			if m, err := ReadMode(ctx, c); m != "" || err != nil {
				t.Fatal(m, err)
			}
			for range 2 {
				if err := Mark(ctx, c, first); err != nil {
					t.Fatal(err)
				}
			}
			for _, other := range Modes {
				if other == first {
					continue
				}
				var me *ModeError
				if err := Mark(ctx, c, other); !errors.As(err, &me) || me.Have != first || !strings.Contains(err.Error(), "REDIS_URL") {
					t.Fatal(err)
				}
			}
			if m, err := ReadMode(ctx, c); m != first || err != nil {
				t.Fatal(m, err)
			}
		}
		if err := Mark(ctx, c, "test"); err == nil {
			t.Fatal("an unknown mode was accepted")
		}
		if err := c.Set(ctx, keys.Mode, "staging", 0).Err(); err != nil {
			t.Fatal(err)
		}
		if err := Mark(ctx, c, Sandbox); err == nil || !strings.Contains(err.Error(), "another program") {
			t.Fatal(err)
		}
	})
}

// A sandbox takes an empty Redis, or one that a worker has claimed, and leaves another program's alone.
func TestUnused(t *testing.T) {
	testredis.Each(t, func(t *testing.T, s *testredis.Server) {
		ctx, c := context.Background(), s.Client()
		if err := Unused(ctx, c); err != nil {
			t.Fatal(err)
		}
		if err := c.Set(ctx, "sessions:1", "x", 0).Err(); err != nil {
			t.Fatal(err)
		}
		if err := Unused(ctx, c); err == nil || !strings.Contains(err.Error(), "another program") {
			t.Fatal(err)
		}
		if err := c.Set(ctx, keys.Mode, "sandbox", 0).Err(); err != nil {
			t.Fatal(err)
		}
		if err := Unused(ctx, c); err != nil {
			t.Fatal(err)
		}
	})
}

// Of workers of both modes that start together, exactly one mode wins.
func TestMarkRace(t *testing.T) {
	testredis.Each(t, func(t *testing.T, s *testredis.Server) {
		c := s.Client()
		var wg sync.WaitGroup
		errs := make([]error, 20)
		for i := range errs {
			wg.Go(func() { errs[i] = Mark(context.Background(), c, Modes[i%2]) })
		}
		wg.Wait()
		won := map[Mode]bool{}
		for i, err := range errs {
			if err == nil {
				won[Modes[i%2]] = true
			}
		}
		if len(won) != 1 {
			t.Fatal(won, errs)
		}
	})
}
