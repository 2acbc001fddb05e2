package overhead

import (
	"context"
	"fmt"
	"io"
	"time"

	"issuance/internal/bench/lab"
)

// Name is the benchmark's, by which it also starts its child processes.
const Name = "overhead"

// Config of a measurement. Everything is required unless a default is given.
type Config struct {
	Kinds       []string        // of Voucher, Electronic and Paper
	Delays      []time.Duration // how long the provider takes for an answer
	Orders      int             // in a round; half of it where the provider takes its time
	Rounds      int             // of each variant, interleaved
	Concurrency []int           // tasks at a time of one process, each measured by itself
	// RedisConf is a config file of Redis. Default: every write is in the log on disk before it is answered.
	RedisConf string
	Others    []Other // compared besides; may be empty
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

// Measure compares the variants, for so many tasks at a time, every kind of order and every distance of the provider, and
// returns which Redis it was.
func Measure(ctx context.Context, c Config) (rows []Row, redis string, err error) {
	b := &bench{Config: c, numbers: newNumbers(time.Now())}
	for _, n := range c.Concurrency {
		for _, kind := range c.Kinds {
			for _, delay := range c.Delays {
				r, err := b.compare(ctx, kind, delay, n)
				if err != nil {
					return nil, "", err
				}
				rows = append(rows, r)
			}
		}
	}
	return rows, b.redis, nil
}

// Row compares the variants for one kind of order, one distance of the provider and so many tasks at a time.
type Row struct {
	Kind        string              `json:"kind"`
	Delay       string              `json:"provider_takes"`
	Concurrency int                 `json:"tasks_at_a_time"`
	Orders      int                 `json:"orders_per_round"`
	Sides       map[string]Measured `json:"variants"`
}

// Ratios are the orders per second of one variant to those of another, round by round.
func (r Row) Ratios(of, to string) []float64 {
	return lab.Ratios(r.Sides[of].PerSecond, r.Sides[to].PerSecond)
}

// Measured is what the rounds of one variant gave, a value for each.
type Measured struct {
	Enqueued  []float64 `json:"enqueued_per_second"`
	PerSecond []float64 `json:"orders_per_second"`
	CPU       []float64 `json:"cpu_us_per_order"`       // of the worker processes
	RedisCPU  []float64 `json:"redis_cpu_us_per_order"` // of redis-server, while orders are worked off
	Trips     []float64 `json:"redis_round_trips_per_order"`
	Sent      []float64 `json:"redis_commands_sent_per_order"`
	Run       []float64 `json:"redis_commands_run_per_order"` // those inside scripts included
	Log       []float64 `json:"redis_log_bytes_per_order"`    // from enqueueing on
}

type bench struct {
	Config
	numbers *numbers
	redis   string // what it is
}

func (b *bench) compare(ctx context.Context, kind string, delay time.Duration, concurrency int) (Row, error) {
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
	for _, variant := range Variants() {
		s, err := b.open(ctx, variant, kind, at.URL, concurrency)
		if err != nil {
			return Row{}, err
		}
		defer s.close()
		sides = append(sides, s)
	}
	for _, o := range b.Others {
		s, err := openOther(o, kind, at.URL, concurrency)
		if err != nil {
			return Row{}, err
		}
		defer s.close()
		sides = append(sides, s)
	}
	r := Row{Kind: kind, Delay: delay.String(), Concurrency: concurrency, Orders: b.Orders, Sides: map[string]Measured{}}
	if delay > 0 { // these rounds are slow and steady
		r.Orders = max(b.Orders/2, 1)
	}
	if b.redis = "redis-server " + sides[0].redis.Version(ctx) + ", appendfsync always"; b.RedisConf != "" {
		b.redis = "redis-server " + sides[0].redis.Version(ctx) + ", " + b.RedisConf
	}
	for round := range b.Rounds + 1 {
		b.Progress(fmt.Sprintf("%s, provider takes %s, %d tasks at a time: round %d of %d", kind, delay, concurrency, round, b.Rounds))
		for i := range sides {
			s := sides[(i+round)%len(sides)] // whoever goes first changes
			profile := ""
			if b.Profile != "" && round == b.Rounds {
				profile = fmt.Sprintf("%s-%s-%s-%d-%s", b.Profile, kind, r.Delay, concurrency, s.variant)
			}
			if err := s.round(ctx, b.numbers.take(r.Orders), profile, round > 0); err != nil { // the first warms up
				return r, fmt.Errorf("%s, %s: %w", kind, s.variant, err)
			}
		}
	}
	for _, s := range sides {
		r.Sides[s.variant] = s.got
	}
	return r, nil
}
