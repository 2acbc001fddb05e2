package webhooks

import (
	"strings"
	"testing"
	"time"

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
	if n := testutil.CollectAndCount(h.Dispatcher); n != 14+3 { // deliveries to both, and the lag of one
		t.Errorf("%d metrics of two endpoints", n)
	}
}

// A scrape ends in time when Redis hangs, and shows what this process has measured itself.
func TestAScrapeEndsWhenRedisHangs(t *testing.T) {
	r := receive(t, nil)
	h := open(t, entryFor("shop", r.URL))
	h.cancelled("A1")
	h.settle()
	h.redis.Freeze()
	defer h.redis.Thaw()
	began := time.Now()
	if n := testutil.CollectAndCount(h.Dispatcher); n != 2 {
		t.Errorf("%d metrics", n)
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("it took %s", took)
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
