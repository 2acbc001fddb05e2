package fair_test

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"issuance/internal/bench/bubble"
	"issuance/internal/fair"
	"issuance/internal/queue"
	"issuance/internal/servers"
	"issuance/internal/testredis"
	"issuance/providers"
	"issuance/tasks/order"
)

// astray is a queue whose tasks come to a worker that does not serve their account; of the one that does, only the releaser runs.
type astray struct {
	testredis.Hook
	*testing.T
	queue *queue.Client
	taken atomic.Int64 // tasks that the wrong worker got
	looks atomic.Int64 // looks of the right one
	stop  func()       // stops the wrong one
}

// eachAstray runs a test in virtual time.
func eachAstray(t *testing.T, run func(s *astray)) {
	testredis.Each(t, func(t *testing.T, srv *testredis.Server) {
		synctest.Test(t, func(t *testing.T) {
			s := &astray{T: t}
			rdb, counted := bubble.Redis(srv.Addr), bubble.Redis(srv.Addr)
			defer rdb.Close()
			defer counted.Close()
			counted.AddHook(s)
			s.queue = queue.NewClient(rdb, queue.Options{})
			wrong, right := s.lane(rdb, false), s.lane(counted, true)
			set := servers.New(rdb, []servers.Lane{{Provider: providers.ECTicket, Lane: order.Bulk, Concurrency: 50, Handler: wrong.Handler(asynq.NotFoundHandler())}},
				servers.Options{Log: slog.New(slog.DiscardHandler), CheckEvery: 10 * time.Millisecond, ShutdownTimeout: time.Second})
			if err := set.Start(); err != nil {
				t.Fatal(err)
			}
			s.stop = sync.OnceFunc(set.Stop)
			defer s.stop()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			go right.Run(ctx)
			run(s)
		})
	})
}

func (s *astray) lane(rdb redis.UniversalClient, serves bool) *fair.Lane {
	return fair.NewLane(rdb, fair.Config{Provider: providers.ECTicket, Lane: order.Bulk, Slots: slots, Expect: time.Hour, Log: slog.New(slog.DiscardHandler),
		Elsewhere: func(context.Context, providers.Account) bool { s.taken.Add(1); return true },
		Accounts:  func() int { return 2 },
		Terms:     func(providers.Account) (fair.Terms, bool) { return fair.Terms{PerSecond: 1}, serves }})
}

func (s *astray) enqueue(r order.Ref) {
	s.Helper()
	if err := s.queue.Enqueue(s.Context(), r, queue.HomeOf(r, order.Queued, order.Bulk), "", 0); err != nil {
		s.Fatal(err)
	}
}

func (s *astray) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if cmd.Name() == "smembers" {
			s.looks.Add(1)
		}
		return next(ctx, cmd)
	}
}

// A task that was let go on and came to a worker that does not serve its account again goes on before lines are looked for the
// next time, as often as that happens.
func TestATaskThatIsPutAsideAgainGoesOnWithoutALook(t *testing.T) {
	eachAstray(t, func(s *astray) {
		s.enqueue(ref("a1", 0))
		for s.taken.Load() < 20 {
			<-time.After(time.Millisecond)
		}
		if n := s.looks.Load(); n > 15 {
			s.Errorf("%d looks until it had gone on 19 times", n)
		}
	})
}

// Lines are looked for often for a while after another process has put something aside, and as rarely as before afterwards.
func TestLinesAreLookedForOftenAfterOthersHavePutSomethingAside(t *testing.T) {
	eachAstray(t, func(s *astray) {
		inASecond := func() int64 {
			before := s.looks.Load()
			<-time.After(time.Second)
			return s.looks.Load() - before
		}
		if n := inASecond(); n > 2 {
			s.Errorf("%d looks a second while nothing waits", n)
		}
		s.enqueue(ref("a1", 0))
		for s.taken.Load() < 2 {
			<-time.After(time.Millisecond)
		}
		if n := inASecond(); n < 9 {
			s.Errorf("%d looks a second after another process has put a task aside", n)
		}
		s.stop()
		<-time.After(time.Hour)
		if n := inASecond(); n > 2 {
			s.Errorf("%d looks a second long after that", n)
		}
	})
}
