package metrics

import (
	"errors"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"issuance/internal/ledger"
	"issuance/providers"
	"issuance/tasks/order"
)

// Process counts what this worker does. Safe for concurrent use.
type Process struct {
	changes, verified, held, bans *prometheus.CounterVec
	calls, waits, final, recorded *prometheus.HistogramVec
}

// Buckets in seconds: of a call, of waiting for one, and of an order's way to its end, where 30 s is the objective.
var (
	callBuckets = []float64{.05, .1, .25, .5, 1, 2.5, 5, 10, 20, 30}
	waitBuckets = []float64{.01, .05, .1, .25, .5, 1, 2.5, 5, 10}
	lagBuckets  = []float64{1, 2.5, 5, 10, 15, 20, 30, 45, 60, 120, 300, 600, 1800, 3600, 14400, 86400}
)

// NewProcess makes a Process; register it once.
func NewProcess() *Process {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	histogram := func(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, labels)
	}
	return &Process{
		changes: counter("issuance_changes_total", "Changes of records by this worker. Event is the final state (issued, failed, refunded, partially_refunded, cancelled, review), "+
			"or queued, submit, accept, rejected, not_sent, unknown, idle, unclear, polled, and for refunds plan, settle_ticket, without_effect, yield_turn.", "account", "record", "event"),
		verified: counter("issuance_answers_verified_total",
			"Answers whose checksum this worker has verified, by the documented encoding that the provider used; any where the text does not show it.", "account", "variant"),
		held:  counter("issuance_calls_held_total", "Calls that were not made because of the call budget, a ban, a pause or an outage.", "account", "lane"),
		bans:  counter("issuance_bans_total", "Answers HTTP 403, each of which holds all calls of the account.", "account"),
		calls: histogram("issuance_provider_call_seconds", "Calls to providers by the provider's name of the call, and how they ended.", callBuckets, "account", "call", "outcome"),
		waits: histogram("issuance_call_wait_seconds", "How long calls waited for the call budget before they left.", waitBuckets, "account", "lane"),
		final: histogram("issuance_accepted_final_seconds", "From the provider's acceptance of an order until its final status was recorded.", lagBuckets, "account", "lane"),
		recorded: histogram("issuance_issued_recorded_seconds", "How long at most the provider had issued an order when that was recorded: "+
			"the time since it, or an order accepted before it, was last found pending.", lagBuckets, "account", "lane"),
	}
}

func (p *Process) all() []prometheus.Collector {
	return []prometheus.Collector{p.changes, p.verified, p.held, p.bans, p.calls, p.waits, p.final, p.recorded}
}

// Describe implements prometheus.Collector.
func (p *Process) Describe(ch chan<- *prometheus.Desc) {
	for _, c := range p.all() {
		c.Describe(ch)
	}
}

// Collect implements prometheus.Collector.
func (p *Process) Collect(ch chan<- prometheus.Metric) {
	for _, c := range p.all() {
		c.Collect(ch)
	}
}

// Changed counts a change of a record, and measures the way of an order that has ended. It is a ledger's observer.
func (p *Process) Changed(c ledger.Change) {
	account, record := c.Account.String(), "order"
	if c.RefundID != "" {
		record = "refund"
	}
	p.changes.WithLabelValues(account, record, c.Event).Inc()
	if record != "order" || c.FinalAt.IsZero() || !c.Final() {
		return
	}
	lane := laneOf(c.Lane)
	if !c.AcceptedAt.IsZero() {
		observe(p.final.WithLabelValues(account, lane), c.FinalAt.Sub(c.AcceptedAt), c.Trace)
	}
	if c.State != order.Issued {
		return
	}
	known := c.FinalAt // issued at once: the answer was the news
	for _, at := range []time.Time{c.PendingAt, c.AcceptedAt} {
		if !at.IsZero() {
			known = at
			break
		}
	}
	observe(p.recorded.WithLabelValues(account, lane), max(c.FinalAt.Sub(known), 0), c.Trace)
}

func laneOf(l order.Lane) string {
	if l == order.Bulk {
		return string(l)
	}
	return string(order.Checkout)
}

// observe measures with the trace of the record as the exemplar, where it has one.
func observe(o prometheus.Observer, d time.Duration, traceparent string) {
	parts := strings.Split(traceparent, "-")
	if e, ok := o.(prometheus.ExemplarObserver); ok && len(parts) == 4 && len(parts[1]) == 32 {
		e.ObserveWithExemplar(d.Seconds(), prometheus.Labels{"trace_id": parts[1]})
		return
	}
	o.Observe(d.Seconds())
}

// Verified counts an answer whose checksum was verified.
func (p *Process) Verified(a providers.Account, variant string) {
	p.verified.WithLabelValues(a.String(), variant).Inc()
}

// Passed measures how long a call waited for the budget. err is why it was not made, if it was not.
func (p *Process) Passed(a providers.Account, l order.Lane, took time.Duration, err error) {
	switch {
	case err == nil:
		p.waits.WithLabelValues(a.String(), string(l)).Observe(took.Seconds())
	case errors.As(err, new(*providers.HeldError)):
		p.held.WithLabelValues(a.String(), string(l)).Inc()
	}
}

// Called measures a call.
func (p *Process) Called(a providers.Account, c providers.Call) {
	p.calls.WithLabelValues(a.String(), c.Name, string(c.Kind)).Observe(c.Took.Seconds())
}

// Banned counts an answer HTTP 403.
func (p *Process) Banned(a providers.Account) { p.bans.WithLabelValues(a.String()).Inc() }
