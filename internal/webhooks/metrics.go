package webhooks

import (
	"context"
	"encoding/json"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"issuance/internal/ledger"
	"issuance/internal/thinevent"
)

// Behind is how much of the stream of events, up to its last entry, is not admitted yet.
func (s State) Behind(last string) time.Duration {
	at := ledger.EventTime(s.Cursor)
	if s.Cursor == last || at.IsZero() {
		return 0
	}
	return max(ledger.EventTime(last).Sub(at), 0)
}

// collectLimit bounds what a scrape asks of Redis.
const collectLimit = 1500 * time.Millisecond

var (
	outstandingDesc = prometheus.NewDesc("issuance_webhook_outstanding", "Events on their way to a webhook.", []string{"webhook"}, nil)
	behindDesc      = prometheus.NewDesc("issuance_webhook_behind_seconds", "How much of the stream of events is not on its way to a webhook yet.", []string{"webhook"}, nil)
	failuresDesc    = prometheus.NewDesc("issuance_webhook_failures", "Failures in a row.", []string{"webhook"}, nil)
	failingDesc     = prometheus.NewDesc("issuance_webhook_failing_seconds", "For how long every delivery to a webhook has failed.", []string{"webhook"}, nil)
	offDesc         = prometheus.NewDesc("issuance_webhook_off", "1 while a webhook is switched off because it answered 410.", []string{"webhook"}, nil)
	deliveredDesc   = prometheus.NewDesc("issuance_webhook_delivered_total", "Events that a webhook took, from all front doors.", []string{"webhook"}, nil)
	givenUpDesc     = prometheus.NewDesc("issuance_webhook_given_up_total", "Events that a webhook did not take to the end.", []string{"webhook"}, nil)
)

// deliveries measure what this front door sends.
type deliveries struct{ took, lag *prometheus.HistogramVec }

func newDeliveries() deliveries {
	return deliveries{
		took: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "issuance_webhook_delivery_seconds",
			Help: "Deliveries by this front door, by how they ended.", Buckets: []float64{.05, .1, .25, .5, 1, 2.5, 5, 10, 20}}, []string{"webhook", "outcome"}),
		lag: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "issuance_webhook_lag_seconds",
			Help: "From an order's end until a webhook took its event.", Buckets: []float64{.1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200, 86400}}, []string{"webhook"}),
	}
}

// measure records how a delivery ended at a time.
func (d deliveries) measure(webhook, body string, e ending, now time.Time) {
	if e.answer.kind == "" {
		return // nothing was sent
	}
	d.took.WithLabelValues(webhook, string(e.answer.kind)).Observe(e.answer.took.Seconds())
	var event thinevent.Event
	if e.outcome == delivered && json.Unmarshal([]byte(body), &event) == nil && !event.Timestamp.IsZero() {
		d.lag.WithLabelValues(webhook).Observe(max(now.Sub(event.Timestamp), 0).Seconds())
	}
}

// Describe implements prometheus.Collector.
func (d *Dispatcher) Describe(ch chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{outstandingDesc, behindDesc, failuresDesc, failingDesc, offDesc, deliveredDesc, givenUpDesc} {
		ch <- desc
	}
	d.deliveries.took.Describe(ch)
	d.deliveries.lag.Describe(ch)
}

// Metrics lists what a front door with webhooks describes, for whoever compares it with a document.
func Metrics() []prometheus.Collector {
	return []prometheus.Collector{&Dispatcher{deliveries: newDeliveries()}}
}

// Collect implements prometheus.Collector. What Redis does not say in time is left out, and the other endpoints are shown.
func (d *Dispatcher) Collect(ch chan<- prometheus.Metric) {
	d.deliveries.took.Collect(ch)
	d.deliveries.lag.Collect(ch)
	if !d.scraping.CompareAndSwap(false, true) {
		return // an earlier scrape still waits for Redis
	}
	ctx, cancel := context.WithTimeout(context.Background(), collectLimit)
	defer cancel()
	endpoints := d.File.Endpoints()
	read := make(chan []prometheus.Metric, len(endpoints))
	go func() {
		defer d.scraping.Store(false)
		defer close(read)
		last, err := d.Ledger.LastEvent(ctx)
		for _, e := range endpoints {
			if err != nil || ctx.Err() != nil {
				return
			}
			if st, err := d.store.State(ctx, e.Name); err == nil {
				read <- st.metrics(e.Name, last)
			}
		}
	}()
	for {
		select {
		case list, more := <-read:
			for _, m := range list {
				ch <- m
			}
			if !more {
				return
			}
		case <-ctx.Done(): // the library may still wait for a connection
			return
		}
	}
}

// metrics are an endpoint's, with the last event of the stream.
func (s State) metrics(name, last string) (list []prometheus.Metric) {
	off := 0.0
	if !s.OffAt.IsZero() {
		off = 1
	}
	add := func(d *prometheus.Desc, t prometheus.ValueType, v float64) {
		list = append(list, prometheus.MustNewConstMetric(d, t, v, name))
	}
	add(outstandingDesc, prometheus.GaugeValue, float64(s.Outstanding))
	add(behindDesc, prometheus.GaugeValue, s.Behind(last).Seconds())
	add(failuresDesc, prometheus.GaugeValue, float64(s.Fails))
	failing := 0.0
	if s.Fails > 0 && !s.FailingAt.IsZero() {
		failing = max(time.Since(s.FailingAt).Seconds(), 0)
	}
	add(failingDesc, prometheus.GaugeValue, failing)
	add(offDesc, prometheus.GaugeValue, off)
	add(deliveredDesc, prometheus.CounterValue, float64(s.Delivered))
	add(givenUpDesc, prometheus.CounterValue, float64(s.GivenUp))
	return list
}
