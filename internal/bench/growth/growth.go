package growth

import (
	"context"
	"fmt"
	"slices"
	"time"

	"issuance/internal/bench/lab"
)

// Config of a measurement.
type Config struct {
	Sizes  []int // pending orders, the first is what the others are compared with
	Rounds int   // of each size, interleaved
	Orders int   // that each operation is done to in a round
	// BytesOf is how many orders the bytes are measured over.
	BytesOf  int
	Progress func(string)
}

// Row is the cost of one operation with so many orders pending.
type Row struct {
	What    string `json:"what"`
	Pending int    `json:"pending"`
	// Micros is the median of the rounds' microseconds an order; RedisMicros of redis-server's
	// processor time in them.
	Micros      float64 `json:"us_per_order"`
	RedisMicros float64 `json:"redis_cpu_us_per_order"`
	// Ratio and RedisRatio compare with the first size, in the median of the rounds.
	Ratio      float64   `json:"ratio"`
	RedisRatio float64   `json:"redis_cpu_ratio"`
	Ratios     []float64 `json:"ratios,omitempty"`
	// Target says that the cost is to stay the same whatever is pending.
	Target bool `json:"target"`
}

// measured holds a value a round.
type measured struct{ wall, redis []float64 }

// Measure compares the costs with so many orders pending, and returns which Redis it was.
func Measure(ctx context.Context, c Config) (rows []Row, redis string, err error) {
	sites := make([]*site, len(c.Sizes))
	for i, size := range c.Sizes {
		s, err := open(ctx, listpack2048...) // as deploy/redis.conf has it
		if err != nil {
			return nil, "", err
		}
		defer s.close()
		sites[i] = s
		redis = "redis-server " + s.redis.Version(ctx)
		if err := s.fill(ctx, size/2, size-size/2, func(done int) { c.Progress(fmt.Sprintf("writing %d of %d orders", done, size)) }); err != nil {
			return nil, "", fmt.Errorf("writing %d orders: %w", size, err)
		}
	}
	got := make([][]measured, len(ops))
	for i := range got {
		got[i] = make([]measured, len(sites))
	}
	for round := range c.Rounds + 1 {
		c.Progress(fmt.Sprintf("round %d of %d", round, c.Rounds))
		for i, o := range ops {
			for k := range sites {
				at := (k + round) % len(sites) // whoever goes first changes
				wall, cpu, err := sites[at].measure(ctx, o, c.Orders)
				if err != nil {
					return nil, "", fmt.Errorf("%s with %d orders: %w", o.name, c.Sizes[at], err)
				}
				if round > 0 { // the first warms up
					got[i][at].wall, got[i][at].redis = append(got[i][at].wall, wall), append(got[i][at].redis, cpu)
				}
			}
		}
	}
	last, err := once(ctx, sites, c, "search of the keyspace, for each order pending", (*site).searchAll)
	if err != nil {
		return nil, "", err
	}
	back, err := once(ctx, sites, c, "sweep: a deleted task brought back", (*site).bringBack)
	if err != nil {
		return nil, "", err
	}
	for i, o := range ops {
		for k, size := range c.Sizes {
			m, base := got[i][k], got[i][0]
			ratios := lab.Ratios(m.wall, base.wall)
			rows = append(rows, Row{What: o.name, Pending: size, Micros: lab.Median(m.wall), RedisMicros: lab.Median(m.redis),
				Ratio: lab.Median(ratios), RedisRatio: lab.Median(lab.Ratios(m.redis, base.redis)), Ratios: ratios, Target: o.target})
		}
	}
	return slices.Concat(rows, last, back), redis, nil
}

// once does once what concerns every pending order.
func once(ctx context.Context, sites []*site, c Config, what string, run func(*site, context.Context, int) (time.Duration, error)) ([]Row, error) {
	var rows []Row
	for i, s := range sites {
		c.Progress(fmt.Sprintf("%s: %d orders", what, c.Sizes[i]))
		wall, cpu, err := s.measure(ctx, op{run: run}, c.Sizes[i])
		if err != nil {
			return nil, fmt.Errorf("%s, %d orders: %w", what, c.Sizes[i], err)
		}
		r := Row{What: what, Pending: c.Sizes[i], Micros: wall, RedisMicros: cpu, Ratio: 1, RedisRatio: 1}
		if i > 0 {
			r.Ratio, r.RedisRatio = wall/rows[0].Micros, cpu/rows[0].RedisMicros
		}
		rows = append(rows, r)
	}
	return rows, nil
}

// measure does one operation and returns the microseconds per order, and Redis's processor time in them.
func (s *site) measure(ctx context.Context, o op, n int) (wall, redis float64, err error) {
	if o.before != nil {
		if err := o.before(s, ctx); err != nil {
			return 0, 0, err
		}
	}
	before := s.redis.CPU(ctx)
	took, err := o.run(s, ctx, n)
	if err != nil {
		return 0, 0, err
	}
	us := func(d time.Duration) float64 { return float64(d.Microseconds()) / float64(n) }
	return us(took), us(s.redis.CPU(ctx) - before), nil
}
