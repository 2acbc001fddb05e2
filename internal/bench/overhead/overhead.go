package overhead

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/hibiken/asynq"
	"golang.org/x/sync/errgroup"

	"issuance/internal/bench/lab"
	"issuance/internal/queue"
	"issuance/tasks"
	"issuance/tasks/order"
)

// Name is the benchmark's, by which it also starts its child processes.
const Name = "overhead"

// Config of a measurement. Everything is required unless a default is given.
type Config struct {
	Kinds       []string        // of Paper and Voucher
	Delays      []time.Duration // how long the provider takes for an answer
	Orders      int             // in a round; a fifth of it where the provider takes its time
	Rounds      int             // of each of the two, interleaved
	Concurrency int             // tasks at a time
	// RedisConf is a config file of Redis. Default: nothing is written to disk.
	RedisConf string
	// Profile is how files with CPU profiles of the last round start. Default: none.
	Profile  string
	Progress func(string)
}

// Child is the life of a child process of the benchmark.
func Child(args []string, in io.Reader, out io.Writer) error {
	if len(args) > 0 && args[0] == childSims {
		return serveSims(in, out)
	}
	return serveRuns(args, in, out)
}

// Kinds of child processes.
const (
	childSims = "sims"
	childRun  = "run"
)

// Measure compares the worker with a bare handler, for every kind of order and every distance of
// the provider, and returns which Redis it was.
func Measure(ctx context.Context, c Config) (rows []Row, redis string, err error) {
	b := &bench{Config: c, numbers: newNumbers(time.Now())}
	for _, kind := range c.Kinds {
		for _, delay := range c.Delays {
			r, err := b.compare(ctx, kind, delay)
			if err != nil {
				return nil, "", err
			}
			rows = append(rows, r)
		}
	}
	return rows, b.redis, nil
}

// Row compares the two for one kind of order and one distance of the provider. Slices hold a value
// a round.
type Row struct {
	Kind   string   `json:"kind"`
	Delay  string   `json:"provider_takes"`
	Orders int      `json:"orders_per_round"`
	Bare   Measured `json:"bare"`
	Worker Measured `json:"worker"`
	// Ratio is the worker's orders per second to the bare handler's, in the median of the rounds.
	Ratio float64 `json:"ratio"`
	// CPURatio is the bare handler's processor time to the worker's, Redis's included.
	CPURatio float64   `json:"cpu_ratio"`
	Ratios   []float64 `json:"ratios"`
}

// Measured is what the rounds of one variant gave.
type Measured struct {
	PerSecond []float64 `json:"orders_per_second"`
	CPU       []float64 `json:"cpu_us_per_order"`       // of the worker process
	RedisCPU  []float64 `json:"redis_cpu_us_per_order"` // of redis-server
	Trips     []float64 `json:"redis_round_trips_per_order"`
	Sent      []float64 `json:"redis_commands_sent_per_order"`
	Run       []float64 `json:"redis_commands_run_per_order"` // those inside scripts included
}

type bench struct {
	Config
	numbers *numbers
	redis   string // what it is
}

// side is one variant with a Redis and a process of its own.
type side struct {
	variant string
	redis   *lab.Redis
	child   *lab.Child
	fill    func(ctx context.Context, ids []string) error
	got     Measured
}

func (b *bench) compare(ctx context.Context, kind string, delay time.Duration) (Row, error) {
	sim, err := lab.StartChild(Name, childSims)
	if err != nil {
		return Row{}, err
	}
	defer sim.Close()
	var at simAnswer
	if err := sim.Ask(simQuestion{Kind: kind, Delay: delay}, &at); err != nil {
		return Row{}, err
	}
	var sides []*side
	for _, variant := range []string{bare, worker} {
		s, err := b.open(ctx, variant, kind, at.URL)
		if err != nil {
			return Row{}, err
		}
		defer s.close()
		sides = append(sides, s)
	}
	r := Row{Kind: kind, Delay: delay.String(), Orders: b.Orders}
	if delay > 0 { // these rounds are slow and steady
		r.Orders = max(b.Orders/5, 1)
	}
	if b.redis = "redis-server " + sides[0].redis.Version(ctx) + ", nothing on disk"; b.RedisConf != "" {
		b.redis = "redis-server " + sides[0].redis.Version(ctx) + ", " + b.RedisConf
	}
	for round := range b.Rounds + 1 {
		b.Progress(fmt.Sprintf("%s, provider takes %s: round %d of %d", kind, delay, round, b.Rounds))
		for i := range sides {
			s := sides[(i+round)%2] // whoever goes first changes
			profile := ""
			if b.Profile != "" && round == b.Rounds {
				profile = fmt.Sprintf("%s-%s-%s-%s.pprof", b.Profile, kind, r.Delay, s.variant)
			}
			if err := s.round(ctx, b.numbers.take(r.Orders), profile, round > 0); err != nil { // the first warms up
				return r, fmt.Errorf("%s, %s: %w", kind, s.variant, err)
			}
		}
	}
	r.Bare, r.Worker = sides[0].got, sides[1].got
	r.Ratios = lab.Ratios(r.Worker.PerSecond, r.Bare.PerSecond)
	r.Ratio = lab.Median(r.Ratios)
	r.CPURatio = lab.Median(lab.Ratios(total(r.Bare), total(r.Worker)))
	return r, nil
}

func total(m Measured) []float64 {
	sum := make([]float64, len(m.CPU))
	for i := range sum {
		sum[i] = m.CPU[i] + m.RedisCPU[i]
	}
	return sum
}

func (b *bench) open(ctx context.Context, variant, kind, provider string) (*side, error) {
	args := lab.InMemory
	if b.RedisConf != "" {
		args = []string{b.RedisConf}
	}
	redis, err := lab.StartRedis(ctx, args...)
	if err != nil {
		return nil, err
	}
	s := &side{variant: variant, redis: redis}
	s.child, err = lab.StartChild(Name, childRun, "-variant", variant, "-kind", kind, "-redis", redis.URL(),
		"-provider", provider, "-concurrency", fmt.Sprint(b.Concurrency))
	if err != nil {
		redis.Close()
		return nil, err
	}
	producer, err := tasks.NewClient(redis.RDB, tasks.Options{SealKeys: sealKeys})
	if err != nil {
		s.close()
		return nil, err
	}
	client := asynq.NewClientFromRedisClient(redis.RDB)
	s.fill = func(ctx context.Context, ids []string) error {
		g, ctx := errgroup.WithContext(ctx)
		g.SetLimit(16)
		for _, id := range ids {
			g.Go(func() error {
				body, err := request(kind, id)
				if err != nil {
					return err
				}
				if variant == worker {
					_, err = producer.Enqueue(ctx, fmt.Appendf(nil, `{"provider":%q,"account":%q,"request":%s}`, providerOf(kind), accountOf(kind), body))
					return err
				}
				// The task has all that the product's has, but for the payload.
				_, err = client.EnqueueContext(ctx, asynq.NewTask("bare", body), asynq.Queue(queue.Name(providerOf(kind), order.Checkout)),
					asynq.TaskID(id), asynq.MaxRetry(queue.MaxRetry), asynq.Timeout(queue.DefaultTimeout), asynq.Retention(queue.DefaultRetention))
				return err
			})
		}
		return g.Wait()
	}
	return s, nil
}

func (s *side) close() {
	if s.child != nil {
		s.child.Close()
	}
	s.redis.Close()
}

// round enqueues orders, has them worked off, and counts that if it counts.
func (s *side) round(ctx context.Context, ids []string, profile string, counts bool) error {
	if err := s.fill(ctx, ids); err != nil {
		return err
	}
	before, err := s.redis.Commands(ctx)
	if err != nil {
		return err
	}
	cpu := s.redis.CPU(ctx)
	var a runAnswer
	if err := s.child.Ask(runQuestion{Orders: len(ids), Profile: profile}, &a); err != nil {
		return err
	}
	after, err := s.redis.Commands(ctx)
	if err != nil {
		return err
	}
	if a.Took <= 0 {
		return errors.New("the round took no time")
	}
	if counts {
		n := float64(len(ids))
		us := func(d time.Duration) float64 { return float64(d.Microseconds()) / n }
		s.got.PerSecond = append(s.got.PerSecond, n/a.Took.Seconds())
		s.got.CPU = append(s.got.CPU, us(a.CPU))
		s.got.RedisCPU = append(s.got.RedisCPU, us(s.redis.CPU(ctx)-cpu))
		s.got.Trips = append(s.got.Trips, float64(a.Trips)/n)
		s.got.Sent = append(s.got.Sent, float64(a.Commands)/n)
		s.got.Run = append(s.got.Run, float64(after-before)/n)
	}
	return nil
}
