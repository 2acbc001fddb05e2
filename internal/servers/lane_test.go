package servers_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"issuance/internal/servers"
	"issuance/internal/testredis"
	"issuance/tasks/order"
)

func TestALaneNeverRunsMoreThanItsTasksAtOnce(t *testing.T) {
	for _, concurrency := range []int{1, 5, 20} {
		t.Run(fmt.Sprint(concurrency), func(t *testing.T) {
			w := newWorld(t)
			var busy gauge
			release := make(chan struct{})
			n := 3*concurrency + 1
			for i := range n {
				w.enqueue(order.Bulk, i)
			}
			w.start(servers.Options{}, handle(order.Bulk, concurrency, func(context.Context, *asynq.Task) error {
				busy.enter()
				defer busy.leave()
				<-release
				return nil
			}))
			w.until("all slots to be used", func() bool { now, _, _ := busy.read(); return now == concurrency })
			close(release)
			w.until("the load to end", func() bool { now, _, in := busy.read(); return in == n && now == 0 })
			if _, most, _ := busy.read(); most != concurrency {
				t.Errorf("up to %d tasks ran at a time, want %d", most, concurrency)
			}
		})
	}
}

// A fetch takes as long as Redis takes to have it on disk, so that those of a lane have to go together.
func TestALanesTasksAreFetchedTogether(t *testing.T) {
	for _, c := range []struct{ concurrency, fetchers, want int }{{8, 0, 2}, {100, 0, 8}, {8, 1, 1}, {1, 0, 1}, {7, 0, 1}, {2, 5, 2}} {
		t.Run(fmt.Sprintf("%d tasks, %d fetchers", c.concurrency, c.fetchers), func(t *testing.T) {
			w := newWorld(t)
			for i := range 3 * c.concurrency {
				w.enqueue(order.Bulk, i)
			}
			f := &fetches{release: make(chan struct{})}
			rdb := w.server.Client()
			rdb.AddHook(f)
			lane := handle(order.Bulk, c.concurrency, idle)
			lane.Fetchers = c.fetchers
			w.startOn(rdb, servers.Options{}, lane)
			w.until("the fetches", func() bool { now, _, _ := f.gauge.read(); return now >= c.want })
			close(f.release)
			w.until("the load to end", func() bool {
				q, err := w.inspector.GetQueueInfo(lane.Queue())
				return err == nil && q.Completed == 3*c.concurrency
			})
			if _, most, _ := f.gauge.read(); most != c.want {
				t.Errorf("up to %d fetches went at a time, want %d", most, c.want)
			}
		})
	}
}

// fetches holds up those of tasks until they are released.
type fetches struct {
	testredis.Hook
	release chan struct{}
	gauge   gauge
}

func (f *fetches) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		// asynq's only script of a queue's paused mark is the one that fetches.
		if text := fmt.Sprint(cmd.Args()); strings.HasPrefix(cmd.Name(), "eval") && strings.Contains(text, ":paused") {
			f.gauge.enter()
			defer f.gauge.leave()
			<-f.release
		}
		return next(ctx, cmd)
	}
}
