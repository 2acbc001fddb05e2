package webhooks

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"issuance/internal/ledger"
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
const collectLimit = 5 * time.Second

var (
	outstandingDesc = prometheus.NewDesc("issuance_webhook_outstanding", "Events on their way to a webhook.", []string{"webhook"}, nil)
	behindDesc      = prometheus.NewDesc("issuance_webhook_behind_seconds", "How much of the stream of events is not on its way to a webhook yet.", []string{"webhook"}, nil)
	failuresDesc    = prometheus.NewDesc("issuance_webhook_failures", "Failures in a row.", []string{"webhook"}, nil)
	offDesc         = prometheus.NewDesc("issuance_webhook_off", "1 while a webhook is switched off because it answered 410.", []string{"webhook"}, nil)
	deliveredDesc   = prometheus.NewDesc("issuance_webhook_delivered_total", "Events that a webhook took, from all front doors.", []string{"webhook"}, nil)
	givenUpDesc     = prometheus.NewDesc("issuance_webhook_given_up_total", "Events that a webhook did not take to the end.", []string{"webhook"}, nil)
)

// Describe implements prometheus.Collector.
func (d *Dispatcher) Describe(ch chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{outstandingDesc, behindDesc, failuresDesc, offDesc, deliveredDesc, givenUpDesc} {
		ch <- desc
	}
}

// Collect implements prometheus.Collector, by reading Redis. What cannot be read is left out.
func (d *Dispatcher) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), collectLimit)
	defer cancel()
	last, err := d.Ledger.LastEvent(ctx)
	if err != nil {
		return
	}
	for _, e := range d.File.Endpoints() {
		st, err := d.store.State(ctx, e.Name)
		if err != nil {
			return
		}
		off := 0.0
		if !st.OffAt.IsZero() {
			off = 1
		}
		for desc, v := range map[*prometheus.Desc]float64{outstandingDesc: float64(st.Outstanding), behindDesc: st.Behind(last).Seconds(),
			failuresDesc: float64(st.Fails), offDesc: off} {
			ch <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, v, e.Name)
		}
		ch <- prometheus.MustNewConstMetric(deliveredDesc, prometheus.CounterValue, float64(st.Delivered), e.Name)
		ch <- prometheus.MustNewConstMetric(givenUpDesc, prometheus.CounterValue, float64(st.GivenUp), e.Name)
	}
}
