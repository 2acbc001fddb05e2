package budget

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/testredis"
	"issuance/providers"
	"issuance/tasks/order"
)

// badScripts is a Redis whose scripts run and are then answered wrongly, after skip right answers.
type badScripts struct {
	testredis.Hook
	skip   int64
	answer func(redis.Cmder)
	asked  atomic.Int64
}

func (b *badScripts) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := next(ctx, cmd)
		if !strings.HasPrefix(cmd.Name(), "eval") || err != nil && redis.HasErrorPrefix(err, "NOSCRIPT") {
			return err
		}
		if b.asked.Add(1) > b.skip {
			b.answer(cmd)
		}
		return cmd.Err()
	}
}

func replies(values ...any) func(redis.Cmder) {
	return func(cmd redis.Cmder) { cmd.(*redis.Cmd).SetVal(values) }
}

// Whatever Redis answers, at the first question, at the second one that a waiting call asks, or when a
// ban has to be published first: what is no permission lets no call leave, and is no promise of when to
// come back either.
func TestNoAnswerIsNoPermission(t *testing.T) {
	answers := map[string]func(redis.Cmder){
		"an error":            func(cmd redis.Cmder) { cmd.SetErr(errors.New("READONLY You can't write against a read only replica.")) },
		"a lost answer":       func(cmd redis.Cmder) { cmd.SetErr(context.DeadlineExceeded) },
		"nil":                 func(cmd redis.Cmder) { cmd.SetErr(redis.Nil) },
		"nothing":             replies(),
		"another type":        func(cmd redis.Cmder) { cmd.(*redis.Cmd).SetVal("OK") },
		"one number":          replies(int64(leave)),
		"words":               replies("leave", "now"),
		"an unknown verdict":  replies(int64(9), int64(0)),
		"a slot without data": replies(int64(leave), int64(0), int64(1)),
		"a pause of a number": replies(int64(paused), int64(0)),
		"half a trouble":      replies(int64(down), int64(0), "unreachable"),
		"a trouble of words":  replies(int64(down), "soon", "unreachable", "timeout", "now"),
	}
	for name, answer := range answers {
		for at, skip := range []int64{0, 1} {
			t.Run(name, func(t *testing.T) {
				virtual(t, Config{}, func(w *world) {
					if at == 1 { // the reserve is used up: the third call waits, and asks a second time
						for i := range 2 {
							if err := w.pass(i, order.Checkout); err != nil {
								w.Fatal(err)
							}
						}
					}
					bad := &badScripts{skip: skip, answer: answer}
					w.workers[1].rdb.(hooked).AddHook(bad)
					err := w.workers[1].Lane(order.Checkout).Pass(w.ctx)
					var held *providers.HeldError
					if err == nil || errors.As(err, &held) {
						w.Errorf("question %d: %v", at+1, err)
					}
					if n := bad.asked.Load(); n != skip+1 {
						w.Errorf("%d scripts ran", n)
					}
				})
			})
		}
	}
	t.Run("a ban that cannot be published", func(t *testing.T) {
		virtual(t, Config{}, func(w *world) {
			bad := &badScripts{answer: func(cmd redis.Cmder) {
				if len(cmd.Args()) == 8 { // ban.lua: eval, script, 1 key, 4 arguments
					cmd.SetErr(errors.New("i/o timeout"))
				}
			}}
			w.workers[1].rdb.(hooked).AddHook(bad)
			w.workers[1].Banned(w.ctx, "HTTP 403")
			if err := lift(w.workers[0]); err != nil { // Redis itself would let a call leave
				w.Fatal(err)
			}
			if err := w.workers[1].Pass(w.ctx); err == nil || isHeld(err) {
				w.Error(err)
			}
		})
	})
}

// A caller whose wait is cut short does not call.
func TestAWaitThatIsCutShortIsNoPermission(t *testing.T) {
	for _, lane := range order.Lanes() {
		virtual(t, Config{}, func(w *world) {
			for i := range 3 {
				if err := w.pass(i, order.Checkout); err != nil {
					w.Fatal(err)
				}
			}
			ctx, stop := context.WithCancel(w.ctx)
			done := make(chan error, 1)
			go func() { done <- w.workers[0].Lane(lane).Pass(ctx) }()
			synctest.Wait()
			<-time.After(10 * time.Millisecond)
			stop()
			if err := <-done; !errors.Is(err, context.Canceled) {
				w.Errorf("%s: %v", lane, err)
			}
		})
	}
}
