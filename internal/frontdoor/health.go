package frontdoor

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

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
			writeProblem(w, r, explain(err, ""))
		case err != nil:
			writeProblem(w, r, problem(http.StatusServiceUnavailable, codeUnreachable, "Redis does not answer, or takes no writes").retry(unknownAfter))
		default:
			fmt.Fprintln(w, "ok")
		}
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.metrics.registry, promhttp.HandlerOpts{EnableOpenMetrics: true}))
}

// metrics are the front door's own.
type metrics struct {
	registry *prometheus.Registry
	seconds  *prometheus.HistogramVec
}

func newMetrics(h *hub, more []prometheus.Collector) *metrics {
	m := &metrics{registry: prometheus.NewRegistry(), seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "issuance_http_request_duration_seconds", Help: "Requests to the front door by operation and status; those that wait, wait as long as they asked to.",
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10, 30, 60},
	}, []string{"operation", "status"})}
	m.registry.MustRegister(m.seconds, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "issuance_http_waiting_requests", Help: "Requests that wait for a final status."},
			func() float64 { return float64(h.waiters()) }))
	m.registry.MustRegister(more...)
	return m
}

func (m *metrics) observe(r *http.Request, status int, took time.Duration) {
	operation := r.Pattern
	if operation == "" {
		operation = "none"
	}
	o := m.seconds.WithLabelValues(operation, fmt.Sprint(status))
	if labels := tracing.Exemplar(r.Context()); labels != nil {
		o.(prometheus.ExemplarObserver).ObserveWithExemplar(took.Seconds(), labels)
		return
	}
	o.Observe(took.Seconds())
}
