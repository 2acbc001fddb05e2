package metrics

import (
	"github.com/prometheus/client_golang/prometheus"
)

// Alarms counts the alarms of a process by cause.
type Alarms struct{ *prometheus.CounterVec }

// NewAlarms makes a counter of alarms; register it once.
func NewAlarms() Alarms {
	return Alarms{prometheus.NewCounterVec(prometheus.CounterOpts{Name: "issuance_alarms_total",
		Help: "Alarms by cause, as the log's message begins; those that the log leaves out are counted as well."}, []string{"cause"})}
}

// Raised counts n alarms of a cause.
func (a Alarms) Raised(cause string, n int) { a.WithLabelValues(cause).Add(float64(n)) }

// Described lists what workers and front doors describe, for whoever compares it with a document.
func Described() []prometheus.Collector {
	return []prometheus.Collector{NewProcess(), NewShared(nil, func() []string { return nil }), NewAlarms(), build("worker")}
}
