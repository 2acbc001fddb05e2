package main

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/hibiken/asynq"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"issuance/internal/budget"
	"issuance/internal/ledger"
	noticestore "issuance/internal/notices"
	"issuance/providers"
	"issuance/tasks/order"
)

// counts counts what this process did to records, and by which encodings answers verified.
type counts struct{ changes, verified *prometheus.CounterVec }

func newCounts() *counts {
	return &counts{verified: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "issuance_answers_verified_total",
		Help: "Answers whose checksum this worker has verified, by the documented encoding that the provider used; any where the text does not show it.",
	}, []string{"account", "variant"}), changes: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "issuance_changes_total",
		Help: "Changes of records by this worker. Event is the final state (issued, failed, refunded, partially_refunded, cancelled, review), " +
			"or queued, submit, accept, rejected, not_sent, unknown, idle, unclear, polled, and for refunds plan, settle_ticket, yield_turn.",
	}, []string{"account", "record", "event"})}
}

func (c *counts) observe(ch ledger.Change) {
	record := "order"
	if ch.RefundID != "" {
		record = "refund"
	}
	c.changes.WithLabelValues(ch.Account.String(), record, ch.Event).Inc()
}

// queueMetrics reads the queues and the ledger whenever it is asked.
type queueMetrics struct {
	w     *worker
	queue *asynq.Inspector
}

var (
	tasksDesc   = prometheus.NewDesc("issuance_queue_tasks", "Tasks in a queue by state.", []string{"queue", "state"}, nil)
	latencyDesc = prometheus.NewDesc("issuance_queue_latency_seconds", "How long the oldest waiting task has been ready to run.", []string{"queue"}, nil)
	pausedDesc  = prometheus.NewDesc("issuance_queue_paused", "1 when the queue is paused.", []string{"queue"}, nil)
	bannedDesc  = prometheus.NewDesc("issuance_banned", "1 while the provider refuses our calls (HTTP 403) and none is made.", []string{"account"}, nil)
	healthDesc  = prometheus.NewDesc("issuance_account_health", "1 for the state that an account is in, 0 for the others, of every account that workers have announced.", []string{"account", "state"}, nil)
	heldDesc    = prometheus.NewDesc("issuance_paused", "1 while an operator has paused the account's calls in a lane.", []string{"account", "lane"}, nil)
	openDesc    = prometheus.NewDesc("issuance_ledger_open", "Orders and refunds without a final status.", []string{"account"}, nil)
	looksDesc   = prometheus.NewDesc("issuance_looks_due", "Looks at tickets, for notices and operators, that are due and wait for the call budget.", []string{"account"}, nil)
	reviewDesc  = prometheus.NewDesc("issuance_ledger_review", "Orders and refunds that need review.", []string{"account"}, nil)
)

// collectLimit bounds what a scrape asks of Redis.
const collectLimit = 5 * time.Second

// Describe implements prometheus.Collector.
func (m queueMetrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{tasksDesc, latencyDesc, pausedDesc, bannedDesc, heldDesc, healthDesc, openDesc, looksDesc, reviewDesc} {
		ch <- d
	}
}

// Collect implements prometheus.Collector. What cannot be read is left out.
func (m queueMetrics) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), collectLimit)
	defer cancel()
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	for _, l := range m.w.lanes {
		q, err := m.queue.GetQueueInfo(l.queue())
		if err != nil {
			continue // also a queue that nobody has used yet
		}
		for state, n := range map[string]int{"active": q.Active, "pending": q.Pending, "scheduled": q.Scheduled,
			"retry": q.Retry, "archived": q.Archived, "completed": q.Completed} {
			gauge(tasksDesc, float64(n), q.Queue, state)
		}
		gauge(latencyDesc, q.Latency.Seconds(), q.Queue)
		gauge(pausedDesc, oneIf(q.Paused), q.Queue)
	}
	records := ledger.New(m.w.pages, ledger.Options{})
	states, _ := budget.States(ctx, m.w.pages)
	for _, s := range states {
		now, _, _ := s.Health()
		for _, h := range providers.Healths() {
			gauge(healthDesc, oneIf(h == now), s.Account.String(), string(h))
		}
	}
	for _, name := range m.w.names() {
		if i := slices.IndexFunc(states, func(s budget.State) bool { return s.Account == name }); i >= 0 {
			gauge(bannedDesc, oneIf(states[i].Ban != nil), name.String())
			for _, lane := range order.Lanes() {
				paused := slices.ContainsFunc(states[i].Paused, func(h budget.Hold) bool { return h.Lane == "" || h.Lane == lane })
				gauge(heldDesc, oneIf(paused), name.String(), string(lane))
			}
		}
		if n, err := records.OpenCount(ctx, name); err == nil {
			gauge(openDesc, float64(n), name.String())
		}
		if n, err := noticestore.New(m.w.pages, name).Due(ctx); err == nil {
			gauge(looksDesc, float64(n), name.String())
		}
		if n, err := records.ReviewCount(ctx, name); err == nil {
			gauge(reviewDesc, float64(n), name.String())
		}
	}
}

func oneIf(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// metrics serves them all.
func (w *worker) metrics() http.Handler {
	r := prometheus.NewRegistry()
	r.MustRegister(w.counts.changes, w.counts.verified, queueMetrics{w, asynq.NewInspectorFromRedisClient(w.pages)},
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{ErrorLog: slog.NewLogLogger(w.log.Handler(), slog.LevelWarn), Timeout: 2 * collectLimit})
}
