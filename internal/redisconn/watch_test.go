package redisconn_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"issuance/internal/doortest"
	"issuance/internal/logging"
	"issuance/internal/redisconn"
)

// refused is an answer of Redis that is an error.
type refused struct{ error }

func (refused) RedisError() {}

// A Redis that hangs is an alarm after 15 s and then once a minute, which is counted, and one line when it is back. A short
// hang, and one that answers with errors, is none.
func TestARedisThatHangsIsAnAlarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var hangs atomic.Bool
		var counted atomic.Int64
		var out doortest.Log
		log := logging.LimitAlarms(slog.New(slog.NewTextHandler(&out, nil)), func(cause string, n int) {
			if cause != "redis_does_not_answer" {
				t.Errorf("the cause is %q", cause)
			}
			counted.Add(int64(n))
		})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			redisconn.WatchBy(ctx, func(ctx context.Context) error {
				if hangs.Load() {
					<-ctx.Done()
					return ctx.Err()
				}
				return refused{errors.New("LOADING")}
			}, log)
		}()
		lines := func(hang bool, d time.Duration, alarms, back int) {
			t.Helper()
			hangs.Store(hang)
			time.Sleep(d) // of the bubble's clock
			synctest.Wait()
			if a, b := strings.Count(out.String(), "alarm: Redis does not answer"), strings.Count(out.String(), "Redis answers again"); a != alarms || b != back || counted.Load() != int64(alarms) {
				t.Errorf("after %s: %d alarms, %d counted, %d that it is back\n%s", d, a, counted.Load(), b, out.String())
			}
		}
		lines(false, time.Hour, 0, 0)
		lines(true, 9*time.Second, 0, 0)
		lines(false, time.Minute, 0, 0)
		lines(true, 24*time.Second, 1, 0)
		lines(true, 45*time.Second, 1, 0)
		lines(true, 20*time.Second, 2, 0)
		lines(false, 20*time.Second, 2, 1)
		lines(false, time.Hour, 2, 1)
		cancel()
		<-ended
	})
}
