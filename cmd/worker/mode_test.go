package main

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/keys"
	"issuance/internal/logging"
	"issuance/internal/redisconn"
	"issuance/internal/testredis"
	"issuance/providers"
)

// A worker whose Redis turns out to be of the other mode, or another program's, makes no call for any of its
// accounts, raises one alarm and is not ready; when the right Redis is back, calls leave again.
func TestAnotherRedisStopsCalls(t *testing.T) {
	t.Parallel()
	s := testredis.Mini(t)
	w, h := idle(t, s.URL(), nil)
	log := newOutput()
	w.mode.log = logging.New(log, "json", 0)
	rdb := s.Client()
	set := func(mode string) {
		if err := rdb.Set(t.Context(), keys.Mode, mode, 0).Err(); err != nil {
			t.Fatal(err)
		}
		w.mode.once(t.Context())
	}
	held := func() (n int) {
		for _, a := range w.roster.now().all {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			var wait *providers.HeldError
			if err := a.gate.Pass(ctx); errors.As(err, &wait) && wait.Reason == "Redis is not this worker's" && wait.RetryAfter > 0 {
				n++
			} else if err != nil {
				t.Error(err)
			}
			cancel()
		}
		return n
	}
	if len(w.roster.now().all) != 2 || held() != 0 {
		t.Fatal("calls are held at the start")
	}
	for _, other := range []string{"sandbox", "sandbox", "somebody's"} {
		set(other)
		if n := held(); n != 2 {
			t.Errorf("%s: %d of 2 accounts are held", other, n)
		}
		if rec := served(h, http.MethodGet, "/readyz", nil); rec.Code != http.StatusServiceUnavailable || !strings.Contains(rec.Body.String(), "this Redis") {
			t.Errorf("%s: %d %s", other, rec.Code, rec.Body)
		}
	}
	if n := strings.Count(log.String(), `"alarm: Redis is another one`); n != 1 {
		t.Errorf("%d alarms:\n%s", n, log)
	}
	set("production")
	if held() != 0 || !strings.Contains(log.String(), "calls may leave") {
		t.Errorf("calls are still held:\n%s", log)
	}
	// An emptied Redis is claimed again, so that no sandbox can take it.
	if err := rdb.Del(t.Context(), keys.Mode).Err(); err != nil {
		t.Fatal(err)
	}
	w.mode.once(t.Context())
	if mode, err := redisconn.ReadMode(t.Context(), rdb); err != nil || mode != redisconn.Production || held() != 0 {
		t.Errorf("%q %v", mode, err)
	}
}

// A worker that runs asks with its heartbeat, not only at its start; a Redis that is away meanwhile proves nothing.
func TestTheModeIsAskedWithTheHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var answer atomic.Value
		answer.Store("production")
		rdb := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1"})
		defer rdb.Close()
		rdb.AddHook(answers(func(cmd redis.Cmder) error {
			get, ok := cmd.(*redis.StringCmd)
			switch {
			case answer.Load() == "":
				return errors.New("connection refused")
			case ok:
				get.SetVal(answer.Load().(string))
			}
			return nil
		}))
		w := &modeWatch{rdb: rdb, mode: redisconn.Production, log: logging.New(newOutput(), "json", 0)}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go w.Run(ctx)
		step := func(now string, wantHeld bool) {
			t.Helper()
			answer.Store(now)
			time.Sleep(modeEvery + time.Millisecond)
			synctest.Wait()
			if held := w.wrong.Load() != nil; held != wantHeld {
				t.Errorf("%q: held is %v", now, held)
			}
		}
		step("production", false)
		step("sandbox", true)
		step("", true)
		step("production", false)
		step("", false)
	})
}

// answers replaces a server.
type answers func(redis.Cmder) error

func (a answers) DialHook(next redis.DialHook) redis.DialHook { return next }
func (a answers) ProcessHook(redis.ProcessHook) redis.ProcessHook {
	return func(_ context.Context, cmd redis.Cmder) error { return a(cmd) }
}
func (a answers) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}
