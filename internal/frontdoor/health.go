package frontdoor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"issuance/internal/metrics"
	"issuance/internal/tracing"
	"issuance/tasks"
)

// readyWithin bounds how long a readiness check may take.
const readyWithin = 2 * time.Second

// health serves what balancers and monitoring ask for, without a token and without any order in it.
func (s *Server) health(mux *http.ServeMux) {
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), readyWithin)
		defer cancel()
		if s.draining.Load() {
			writeProblem(w, r, problem(http.StatusServiceUnavailable, codeDraining, "the front door is stopping"))
			return
		}
		switch err := s.Ready(ctx); {
		case errors.Is(err, tasks.ErrWrongKeys):
			writeProblem(w, r, explain(err, accountInPath))
		case err != nil:
			writeProblem(w, r, away())
		default:
			fmt.Fprintln(w, "ok")
		}
	})
	mux.Handle("GET /metrics", metrics.Handler(s.metrics.registry, s.Log))
}

func away() *Problem {
	return problem(http.StatusServiceUnavailable, codeUnreachable, "Redis does not answer, or takes no writes").retry(unknownAfter)
}

// Away answers every request of a front door that has found no Redis since it was started.
func Away() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		at := &seen{id: requestIDOf(r)}
		secured(w.Header(), at.id)
		writeProblem(w, r.WithContext(context.WithValue(r.Context(), seenKey{}, at)), away())
	})
}

// counters are the front door's own metrics.
type counters struct {
	registry *prometheus.Registry
	seconds  *prometheus.HistogramVec
	notices  *prometheus.CounterVec
}

func newCounters(h *hub, rdb redis.UniversalClient, more []prometheus.Collector) *counters {
	m := &counters{seconds: newSeconds(), notices: newNotices()}
	m.registry = metrics.Registry("frontdoor", append([]prometheus.Collector{m.seconds, m.notices, newWaiting(h), metrics.NewShared(rdb, nil)}, more...)...)
	return m
}

func newSeconds() *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "issuance_http_request_duration_seconds", Help: "Requests to the front door by operation and status; those that wait, wait as long as they asked to.",
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10, 30, 60},
	}, []string{"operation", "status"})
}

func newNotices() *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "issuance_notices_total", Help: "Notices that came, by outcome: stored, repeated, or the code of the problem that they were answered with.",
	}, []string{"account", "outcome"})
}

func newWaiting(h *hub) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "issuance_http_waiting_requests", Help: "Requests that wait for a final status."},
		func() float64 { return float64(h.waiters()) })
}

// Metrics lists what a front door describes of its own, for whoever compares it with a document.
func Metrics() []prometheus.Collector {
	return []prometheus.Collector{newSeconds(), newNotices(), newWaiting(nil)}
}

// observer counts a request once it has ended, and keeps no more of it than is shown.
func (m *counters) observer(r *http.Request) func(status int, took time.Duration) {
	operation, labels := cmp.Or(r.Pattern, "none"), tracing.Exemplar(r.Context())
	return func(status int, took time.Duration) {
		o := m.seconds.WithLabelValues(operation, fmt.Sprint(status))
		if labels != nil {
			o.(prometheus.ExemplarObserver).ObserveWithExemplar(took.Seconds(), labels)
			return
		}
		o.Observe(took.Seconds())
	}
}
