package overhead

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hibiken/asynq"
	"golang.org/x/sync/errgroup"

	"issuance/internal/bench/lab"
	"issuance/internal/queue"
	"issuance/tasks"
	"issuance/tasks/order"
)

// The variants that are compared.
const (
	Bare   = "bare"            // asynq and the same calls, nothing else
	Ledger = "bare and ledger" // and the smallest ledger that keeps an intent and an end
	Worker = "worker"          // the product's
	Two    = "two workers"     // two processes of it over one Redis
)

// Variants are all of them.
func Variants() []string { return []string{Bare, Ledger, Worker, Two} }

// onDisk are the settings of a Redis that has every write on disk before it answers, with the sizes of deploy/redis.conf.
var onDisk = []string{"--save", "", "--appendonly", "yes", "--appendfsync", "always", "--hash-max-listpack-value", "2048", "--hash-max-listpack-entries", "512"}

// side is one variant with a Redis and processes of its own.
type side struct {
	variant  string
	redis    *lab.Redis
	children []*lab.Child
	fill     func(ctx context.Context, ids []string) error
	got      Measured
}

func (b *bench) open(ctx context.Context, variant, kind, provider string, concurrency int) (*side, error) {
	args := onDisk
	if b.RedisConf != "" {
		args = []string{b.RedisConf}
	}
	// The log's growth is measured: it is not rewritten meanwhile.
	redis, err := lab.StartRedis(ctx, append(args[:len(args):len(args)], "--auto-aof-rewrite-percentage", "0")...)
	if err != nil {
		return nil, err
	}
	s := &side{variant: variant, redis: redis}
	processes := 1
	if variant == Two {
		processes = 2
	}
	for range processes {
		child, err := lab.StartChild(Name, childRun, "-variant", variant, "-kind", kind, "-redis", redis.URL(),
			"-provider", provider, "-concurrency", fmt.Sprint(concurrency))
		if err != nil {
			s.close()
			return nil, err
		}
		s.children = append(s.children, child)
	}
	enqueue, err := s.enqueuer(kind)
	if err != nil {
		s.close()
		return nil, err
	}
	s.fill = func(ctx context.Context, ids []string) error {
		g, ctx := errgroup.WithContext(ctx)
		g.SetLimit(16)
		for _, id := range ids {
			g.Go(func() error {
				body, err := Request(kind, id)
				if err != nil {
					return err
				}
				return enqueue(ctx, id, body)
			})
		}
		return g.Wait()
	}
	return s, nil
}

// enqueuer is how an order gets into the variant's queue.
func (s *side) enqueuer(kind string) (func(ctx context.Context, id string, body []byte) error, error) {
	if s.variant == Worker || s.variant == Two {
		producer, err := tasks.NewClient(s.redis.RDB, tasks.Options{SealKeys: sealKeys})
		if err != nil {
			return nil, err
		}
		return func(ctx context.Context, _ string, body []byte) error {
			_, err := producer.Enqueue(ctx, fmt.Appendf(nil, `{"provider":%q,"account":%q,"request":%s}`, providerOf(kind), accountOf(kind), body))
			return err
		}, nil
	}
	client := asynq.NewClientFromRedisClient(s.redis.RDB)
	return func(ctx context.Context, id string, body []byte) error {
		_, err := client.EnqueueContext(ctx, asynq.NewTask(bareIssue, body), bareOptions(kind, order.Checkout, id)...)
		return err
	}, nil
}

// bareOptions are those that the product's tasks have.
func bareOptions(kind string, lane order.Lane, id string) []asynq.Option {
	return []asynq.Option{asynq.Queue(queue.Name(providerOf(kind), lane)), asynq.TaskID(id), asynq.MaxRetry(queue.MaxRetry),
		asynq.Timeout(queue.DefaultTimeout), asynq.Retention(queue.DefaultRetention)}
}

func (s *side) close() {
	for _, c := range s.children {
		c.Close()
	}
	if s.redis != nil {
		s.redis.Close()
	}
}

// Other is a variant that is a program with a store of its own, such as internal/bench/river. It is started with -kind, -provider and
// -concurrency, asked as the children of this benchmark are, and enqueues orders itself.
type Other struct{ Name, Program string }

func openOther(o Other, kind, provider string, concurrency int) (*side, error) {
	child, err := lab.StartProgram(o.Program, "-kind", kind, "-provider", provider, "-concurrency", fmt.Sprint(concurrency))
	if err != nil {
		return nil, err
	}
	return &side{variant: o.Name, children: []*lab.Child{child}, fill: func(_ context.Context, ids []string) error {
		return child.Ask(Question{Do: Fill, Orders: ids}, new(Answer))
	}}, nil
}

// roundOfOther is round for a side without a Redis.
func (s *side) roundOfOther(ctx context.Context, ids []string, counts bool) error {
	began := time.Now()
	if err := s.fill(ctx, ids); err != nil {
		return err
	}
	filled := time.Since(began)
	a, err := s.work(int64(len(ids)), "")
	if err != nil || !counts {
		return err
	}
	s.got.add(len(ids), filled, a)
	return nil
}

// add adds what every round gives.
func (m *Measured) add(orders int, filled time.Duration, a Answer) {
	n := float64(orders)
	m.Enqueued = append(m.Enqueued, n/filled.Seconds())
	m.PerSecond = append(m.PerSecond, n/a.Last.Sub(a.Began).Seconds())
	m.CPU = append(m.CPU, float64(a.CPU.Microseconds())/n)
}

// round enqueues orders, has them worked off, and counts that if it counts.
func (s *side) round(ctx context.Context, ids []string, profile string, counts bool) error {
	if s.redis == nil {
		return s.roundOfOther(ctx, ids, counts)
	}
	logged, err := s.redis.LogSize(ctx)
	if err != nil {
		return err
	}
	began := time.Now()
	if err := s.fill(ctx, ids); err != nil {
		return err
	}
	filled := time.Since(began)
	before, err := s.redis.Commands(ctx)
	if err != nil {
		return err
	}
	cpu := s.redis.CPU(ctx)
	a, err := s.work(int64(len(ids)), profile)
	if err != nil {
		return err
	}
	after, err := s.redis.Commands(ctx)
	if err != nil {
		return err
	}
	cpu = s.redis.CPU(ctx) - cpu
	grown, err := s.redis.LogSize(ctx)
	if err != nil || !counts {
		return err
	}
	n := float64(len(ids))
	s.got.add(len(ids), filled, a)
	s.got.RedisCPU = append(s.got.RedisCPU, float64(cpu.Microseconds())/n)
	s.got.Trips = append(s.got.Trips, float64(a.Trips)/n)
	s.got.Sent = append(s.got.Sent, float64(a.Commands)/n)
	s.got.Run = append(s.got.Run, float64(after-before)/n)
	s.got.Log = append(s.got.Log, float64(grown-logged)/n)
	return nil
}

// How often the processes are asked how far they are, which does not change what they measure, and when a round counts as stuck.
const (
	askEvery   = 20 * time.Millisecond
	roundLimit = 5 * time.Minute
)

// work has orders worked off by all processes, and returns what that took.
func (s *side) work(orders int64, profile string) (Answer, error) {
	for i, c := range s.children {
		q := Question{Do: Begin}
		if profile != "" {
			q.Profile = fmt.Sprintf("%s-%d.pprof", profile, i)
		}
		if err := c.Ask(q, new(Answer)); err != nil {
			return Answer{}, err
		}
	}
	var all Answer
	for limit := time.Now().Add(roundLimit); all.Ended < orders; time.Sleep(askEvery) {
		if time.Now().After(limit) {
			return all, fmt.Errorf("%d of %d orders have ended in %s", all.Ended, orders, roundLimit)
		}
		var err error
		if all, err = s.ask(Look); err != nil {
			return all, err
		}
	}
	_, err := s.ask(End)
	if err == nil && !all.Last.After(all.Began) {
		err = errors.New("the round took no time")
	}
	return all, err
}

// ask asks every process, and puts the answers together.
func (s *side) ask(what string) (all Answer, err error) {
	for _, c := range s.children {
		var a Answer
		if err := c.Ask(Question{Do: what}, &a); err != nil {
			return all, err
		}
		if a.Ended == 0 {
			continue // it may have begun, and has nothing to report
		}
		if all.Began.IsZero() || a.Began.Before(all.Began) {
			all.Began = a.Began
		}
		if a.Last.After(all.Last) {
			all.Last = a.Last
		}
		all.Ended, all.CPU, all.Commands, all.Trips = all.Ended+a.Ended, all.CPU+a.CPU, all.Commands+a.Commands, all.Trips+a.Trips
	}
	return all, nil
}
