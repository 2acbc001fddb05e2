package growth

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hibiken/asynq"

	"issuance/internal/ledger"
	"issuance/tasks"
)

// Bytes is how much of Redis an order takes in one state.
type Bytes struct {
	State string `json:"state"`
	// Bytes an order, and those of the tasks that bare asynq would hold with the plain request as their
	// payload: one to issue, one to ask, kept for as long as the product's; 0 where asynq has forgotten both.
	Bytes float64 `json:"bytes"`
	Bare  float64 `json:"bare_bytes"`
	Ratio float64 `json:"ratio,omitempty"`
	// Small are the bytes with hash-max-listpack-value 2048 instead of Redis's default 64, Share what
	// is left of Bytes then.
	Small float64 `json:"bytes_listpack_2048"`
	Share float64 `json:"share_listpack_2048"`
}

// The states in which an order's bytes are measured.
var states = []string{
	"queued",
	"accepted, waits for its poll",
	"issued, tasks still shown (24 h)",
	"issued, record only (90 days)",
}

// listpack2048 is a setting of Redis under which the product's hashes stay small.
var listpack2048 = []string{"--hash-max-listpack-value", "2048"}

// MeasureBytes takes n orders through their states.
func MeasureBytes(ctx context.Context, n int, progress func(string)) ([]Bytes, error) {
	progress("bytes of an order")
	plain, err := bytesOf(ctx, n)
	if err != nil {
		return nil, err
	}
	progress("bytes of an order, listpack")
	small, err := bytesOf(ctx, n, listpack2048...)
	if err != nil {
		return nil, err
	}
	progress("bytes of a bare task")
	bare, err := bareBytes(ctx, n)
	if err != nil {
		return nil, err
	}
	var rows []Bytes
	for i, state := range states {
		b := Bytes{State: state, Bytes: plain[i], Small: small[i], Share: small[i] / plain[i]}
		if i < len(bare) {
			b.Bare, b.Ratio = bare[i], plain[i]/bare[i]
		}
		rows = append(rows, b)
	}
	return rows, nil
}

// gauge tells the bytes an order of what was written since it was made.
func (s *site) gauge(ctx context.Context, n int) (func() (float64, error), error) {
	before, err := s.redis.Memory(ctx)
	if err != nil {
		return nil, err
	}
	return func() (float64, error) {
		after, err := s.redis.Memory(ctx)
		return float64(after-before) / float64(n), err
	}, nil
}

func bytesOf(ctx context.Context, n int, settings ...string) ([]float64, error) {
	s, err := open(ctx, settings...)
	if err != nil {
		return nil, err
	}
	defer s.close()
	if _, err := s.template(ctx); err != nil { // loads the scripts
		return nil, err
	}
	bytes, err := s.gauge(ctx, n)
	if err != nil {
		return nil, err
	}
	var orders []*tasks.Order
	for _, id := range s.take(n) {
		o, err := order(id)
		if err != nil {
			return nil, err
		}
		orders = append(orders, o)
	}
	var got []float64
	for _, step := range []func() error{
		func() error {
			for _, r := range s.client.EnqueueOrders(ctx, orders, tasks.Bulk, 16) {
				if r.Err != nil {
					return r.Err
				}
			}
			return nil
		},
		func() error {
			_, err := s.serve(tasks.Bulk, s.issues, "accept", n-1, func() error { return nil })
			return err
		},
		func() error {
			s.provider.pending.Store(false)
			_, err := s.serve(tasks.Poll, s.lonePolls, string(ledger.Issued), n-1, func() error {
				_, err := s.inspector.RunAllScheduledTasks(tasks.Queue(p, tasks.Poll))
				return err
			})
			for _, o := range orders {
				_, finishErr := s.sentinel.Finished(ctx, o.ID)
				err = errors.Join(err, finishErr)
			}
			return err
		},
		func() error {
			for _, lane := range []tasks.Lane{tasks.Bulk, tasks.Poll} {
				if _, err := s.inspector.DeleteAllCompletedTasks(tasks.Queue(p, lane)); err != nil {
					return err
				}
			}
			return nil
		},
	} {
		if err := step(); err != nil {
			return nil, err
		}
		b, err := bytes()
		if err != nil {
			return nil, err
		}
		got = append(got, b)
	}
	return got, nil
}

// bareBytes are those of bare asynq's tasks in the first of the states.
func bareBytes(ctx context.Context, n int) ([]float64, error) {
	s, err := open(ctx)
	if err != nil {
		return nil, err
	}
	defer s.close()
	queue := asynq.NewClientFromRedisClient(s.redis.RDB)
	enqueue := func(name string, opts ...asynq.Option) error {
		for _, id := range s.take(n) {
			if _, err := queue.EnqueueContext(ctx, asynq.NewTask("bare", request(id)), append([]asynq.Option{asynq.Queue(name), asynq.TaskID(id),
				asynq.MaxRetry(tasks.MaxRetry), asynq.Timeout(tasks.DefaultTimeout), asynq.Retention(tasks.DefaultRetention)}, opts...)...); err != nil {
				return err
			}
		}
		return nil
	}
	if _, err := queue.EnqueueContext(ctx, asynq.NewTask("bare", nil), asynq.Queue("first")); err != nil {
		return nil, err
	}
	var got []float64
	for _, step := range []func() error{
		func() error { return enqueue("waits") },
		func() error { return enqueue("later", asynq.ProcessIn(time.Hour)) },
	} {
		bytes, err := s.gauge(ctx, n)
		if err != nil {
			return nil, err
		}
		if err := step(); err != nil {
			return nil, err
		}
		b, err := bytes()
		if err != nil {
			return nil, err
		}
		got = append(got, b)
	}
	done, err := s.workOff(n)
	if err != nil {
		return nil, err
	}
	waits, later := got[0], got[1]
	done += waits
	return []float64{waits, done + later, 2 * done}, nil
}

// workOff has the tasks that wait done, and tells the bytes a task by which that changed Redis.
func (s *site) workOff(n int) (float64, error) {
	ctx := context.Background()
	bytes, err := s.gauge(ctx, n)
	if err != nil {
		return 0, err
	}
	server := asynq.NewServerFromRedisClient(s.redis.RDB, asynq.Config{Concurrency: 16, Queues: map[string]int{"waits": 1},
		LogLevel: asynq.FatalLevel, TaskCheckInterval: 50 * time.Millisecond})
	if err := server.Start(asynq.HandlerFunc(func(context.Context, *asynq.Task) error { return nil })); err != nil {
		return 0, err
	}
	defer server.Shutdown()
	for end := time.Now().Add(serveLimit); ; time.Sleep(50 * time.Millisecond) {
		info, err := s.inspector.GetQueueInfo("waits")
		if err != nil {
			return 0, err
		}
		if info.Completed == n {
			return bytes()
		}
		if time.Now().After(end) {
			return 0, fmt.Errorf("%d of %d tasks done in %s", info.Completed, n, serveLimit)
		}
	}
}
