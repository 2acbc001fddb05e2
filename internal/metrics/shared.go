package metrics

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"issuance/internal/redisconn"
)

// scrapeLimit bounds what a scrape waits for. Prometheus gives up after 10 s by default.
const scrapeLimit = 1500 * time.Millisecond

// Shared reads from Redis, at every scrape, what all processes share. What cannot be read in time is left out, and the
// other parts are shown; a part that still waits for Redis is not asked again meanwhile.
type Shared struct {
	rdb    redis.UniversalClient
	queues func() []string
	parts  []*part
	oldest oldest
}

// part is one thing to read. It sends metrics as it learns them.
type part struct {
	name string
	read func(ctx context.Context, send func(prometheus.Metric)) error
	busy atomic.Bool
}

var (
	upDesc      = prometheus.NewDesc("issuance_redis_up", "1 while Redis answers.", nil, nil)
	writesDesc  = prometheus.NewDesc("issuance_redis_writable", "1 while Redis takes writes.", nil, nil)
	latencyDesc = prometheus.NewDesc("issuance_redis_latency_seconds", "How long Redis took to answer this scrape's ping.", nil, nil)
	readDesc    = prometheus.NewDesc("issuance_scrape_complete", "1 when a part of this scrape (redis, accounts, queues, records) was read completely and in time.", []string{"part"}, nil)
)

func sharedDescs() []*prometheus.Desc {
	return append(append(append([]*prometheus.Desc{upDesc, writesDesc, latencyDesc, readDesc}, accountDescs...), queueDescs...), recordDescs...)
}

// NewShared makes a Shared over a client that nothing urgent shares. queues are those to show; nil for none.
func NewShared(rdb redis.UniversalClient, queues func() []string) *Shared {
	s := &Shared{rdb: rdb, queues: queues}
	s.parts = []*part{{name: "redis", read: s.redis}, {name: "accounts", read: s.accounts}, {name: "records", read: s.records}}
	if queues != nil {
		s.parts = append(s.parts, &part{name: "queues", read: s.readQueues})
	}
	return s
}

// Describe implements prometheus.Collector.
func (s *Shared) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range sharedDescs() {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (s *Shared) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeLimit)
	defer cancel()
	var mu sync.Mutex
	var got []prometheus.Metric
	done := make(chan *part, len(s.parts))
	started, complete := 0, map[string]float64{}
	over := false
	send := func(m prometheus.Metric) {
		mu.Lock()
		defer mu.Unlock()
		if !over {
			got = append(got, m)
		}
	}
	for _, p := range s.parts {
		complete[p.name] = 0
		if !p.busy.CompareAndSwap(false, true) {
			continue
		}
		started++
		go func() {
			err := p.read(ctx, send)
			p.busy.Store(false) // before the scrape ends: the next one may begin at once
			if err != nil {
				done <- nil
				return
			}
			done <- p
		}()
	}
	for waiting := true; waiting && started > 0; started-- {
		select {
		case p := <-done:
			if p != nil {
				complete[p.name] = 1
			}
		case <-ctx.Done():
			waiting = false
		}
	}
	mu.Lock()
	defer mu.Unlock()
	over = true
	for _, m := range got {
		ch <- m
	}
	gauge := sender(func(m prometheus.Metric) { ch <- m })
	for name, v := range complete {
		gauge(readDesc, v, name)
	}
	if answered := slices.ContainsFunc(got, func(m prometheus.Metric) bool { return m.Desc() == upDesc }); !answered {
		gauge(upDesc, 0)
		gauge(writesDesc, 0)
	}
}

// sender makes gauges of what is sent.
func sender(send func(prometheus.Metric)) func(d *prometheus.Desc, v float64, labels ...string) {
	return func(d *prometheus.Desc, v float64, labels ...string) {
		send(prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...))
	}
}

// redis measures Redis itself. It sends nothing while Redis does not answer, because Collect says that.
func (s *Shared) redis(ctx context.Context, send func(prometheus.Metric)) error {
	began := time.Now()
	if err := s.rdb.Ping(ctx).Err(); err != nil {
		return err
	}
	took := time.Since(began)
	err := redisconn.TakesWrites(ctx, s.rdb)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	gauge := sender(send)
	gauge(upDesc, 1)
	gauge(latencyDesc, took.Seconds())
	if redisconn.RefusalOf(err) == redisconn.NotPermitted {
		return err // whether others may write is not known
	}
	gauge(writesDesc, oneIf(err == nil))
	return nil
}

func oneIf(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
