package growth

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hibiken/asynq"

	"issuance/internal/keys"
	"issuance/internal/queue"
	"issuance/tasks/order"
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
	Queued,
	"accepted, waits for its poll",
	"issued, tasks still shown (24 h)",
	"issued, record and details (90 days)",
	"issued, bare record (400 days) and its event",
	BareRecord,
}

// The states whose bytes have a target.
const (
	Queued     = "queued"
	BareRecord = "issued, bare record (400 days)" // known, and nothing more
)

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

// gauge measures the Redis memory per order of what was written since it was made.
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
	ids := s.take(n)
	var got []float64
	for _, step := range []func() error{
		func() error { return s.enqueue(ctx, ids) },
		func() error {
			_, err := s.serve(order.Bulk, s.issues, "accept", n-1, func() error { return nil })
			return err
		},
		func() error {
			s.provider.pending.Store(false)
			// (The template and its copy wait for their polls as well.)
			_, err := s.serve(order.Poll, s.lonePolls, string(order.Issued), n+1, func() error {
				_, err := s.inspector.RunAllScheduledTasks(pollQueue)
				return err
			})
			for _, id := range ids {
				_, finishErr := s.sentinel.Finished(ctx, id, time.Time{})
				err = errors.Join(err, finishErr)
			}
			return err
		},
		func() error {
			for _, name := range []string{bulkQueue, pollQueue} {
				if _, err := s.inspector.DeleteAllCompletedTasks(name); err != nil {
					return err
				}
			}
			return nil
		},
		func() error { return s.drop(ctx, ids, keys.Details) },
		func() error { return s.redis.RDB.XTrimMaxLen(ctx, keys.Events, 0).Err() },
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

// drop removes one key of each order, as when it has expired.
func (s *site) drop(ctx context.Context, ids []string, key func(order.Ref) string) error {
	for some := range slices.Chunk(ids, batch) {
		names := make([]string, len(some))
		for i, id := range some {
			names[i] = key(ref(id))
		}
		switch n, err := s.redis.RDB.Del(ctx, names...).Result(); {
		case err != nil:
			return err
		case int(n) != len(names):
			return fmt.Errorf("%d of %d keys were there to remove", n, len(names))
		}
	}
	return nil
}

// bareBytes are those of bare asynq's tasks in the first of the states.
func bareBytes(ctx context.Context, n int) ([]float64, error) {
	s, err := open(ctx)
	if err != nil {
		return nil, err
	}
	defer s.close()
	client := asynq.NewClientFromRedisClient(s.redis.RDB)
	enqueue := func(name string, opts ...asynq.Option) error {
		for _, id := range s.take(n) {
			if _, err := client.EnqueueContext(ctx, asynq.NewTask("bare", request(id)), append([]asynq.Option{asynq.Queue(name), asynq.TaskID(id),
				asynq.MaxRetry(queue.MaxRetry), asynq.Timeout(queue.DefaultTimeout), asynq.Retention(queue.DefaultRetention)}, opts...)...); err != nil {
				return err
			}
		}
		return nil
	}
	if _, err := client.EnqueueContext(ctx, asynq.NewTask("bare", nil), asynq.Queue("first")); err != nil {
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

// workOff has the waiting tasks done, and returns by how much that changed the Redis memory per task.
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
