package webhooks

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// Metrics show what an operator has to see of each endpoint.
func TestMetricsShowEachEndpoint(t *testing.T) {
	r, failing := receive(t, nil), receive(t, status(410))
	h := open(t, entryFor("shop", r.URL), entryFor("gone", failing.URL))
	h.cancelled("A1")
	h.settle()
	want := `
# HELP issuance_webhook_delivered_total Events that a webhook took, from all front doors.
# TYPE issuance_webhook_delivered_total counter
issuance_webhook_delivered_total{webhook="gone"} 0
issuance_webhook_delivered_total{webhook="shop"} 1
# HELP issuance_webhook_off 1 while a webhook is switched off because it answered 410.
# TYPE issuance_webhook_off gauge
issuance_webhook_off{webhook="gone"} 1
issuance_webhook_off{webhook="shop"} 0
# HELP issuance_webhook_outstanding Events on their way to a webhook.
# TYPE issuance_webhook_outstanding gauge
issuance_webhook_outstanding{webhook="gone"} 1
issuance_webhook_outstanding{webhook="shop"} 0
`
	if err := testutil.CollectAndCompare(h.Dispatcher, strings.NewReader(want), "issuance_webhook_delivered_total", "issuance_webhook_off", "issuance_webhook_outstanding"); err != nil {
		t.Error(err)
	}
	if n := testutil.CollectAndCount(h.Dispatcher); n != 12 {
		t.Errorf("%d metrics of two endpoints", n)
	}
	text, err := os.ReadFile("../../docs/webhooks.md")
	h.must(err)
	descs := make(chan *prometheus.Desc, 10)
	h.Describe(descs)
	close(descs)
	for d := range descs {
		name := strings.Split(d.String(), `"`)[1]
		if !strings.Contains(string(text), "`"+name+"`") {
			t.Errorf("docs/webhooks.md does not name %s", name)
		}
	}
}

// How far behind an endpoint is, is measured along the stream, not by the clock.
func TestBehindIsMeasuredAlongTheStream(t *testing.T) {
	for _, c := range []struct {
		cursor, last string
		want         time.Duration
	}{{"1000-0", "1000-0", 0}, {"1000-0", "61000-5", time.Minute}, {"0", "61000-0", 0}, {"", "0", 0}} {
		if got := (State{Cursor: c.cursor}).Behind(c.last); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}
