package frontdoor_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/doortest"
	"issuance/internal/frontdoor"
	"issuance/internal/redisconn"
	"issuance/internal/testredis"
)

// hanging is a house whose Redis hangs at will, over a client as production has it.
func hanging(t *testing.T, within time.Duration) (*house, *testredis.Server) {
	t.Helper()
	srv := testredis.Start(t)
	o, err := redisconn.Parse(redisconn.Source{URL: srv.URL()})
	if err != nil {
		t.Fatal(err)
	}
	rdb := o.New().(*redis.Client)
	t.Cleanup(func() { srv.Thaw(); _ = rdb.Close() })
	h := &house{t: t, rdb: rdb, log: &doortest.Log{}, change: func(c *frontdoor.Config) { c.RedisWithin = within }}
	h.serve("")
	t.Cleanup(srv.Thaw) // before the door is closed
	return h, srv
}

// While Redis hangs, every route answers 503 with Retry-After within the bound, however many requests there are at a time, and
// what was not answered may be repeated: it stays one order.
func TestEveryRouteIsAnsweredWhileRedisHangs(t *testing.T) {
	const within, slack = 500 * time.Millisecond, 1500 * time.Millisecond
	h, srv := hanging(t, within)
	h.want(http.StatusCreated, nil, http.MethodPut, at+"HANG1", body)
	srv.Freeze()
	var all sync.WaitGroup
	for _, q := range []struct {
		method, path, body string
		wait               time.Duration
	}{
		{http.MethodPut, at + "HANG2", body, 0}, {http.MethodPut, at + "HANG3?wait=1", body, 0}, {http.MethodGet, at + "HANG1", "", 0}, {http.MethodGet, at + "HANG1?wait=1", "", 0},
		{http.MethodGet, at + "HANG1?tickets=true", "", 0}, {http.MethodGet, at + "HANG1/history", "", 0}, {http.MethodPost, at + "HANG1/cancel", "", 0},
		{http.MethodPut, at + "HANG1/refunds/R1", `{"all":true}`, 0}, {http.MethodPost, at + "HANG1/refunds/R1/cancel", "", 0},
		{http.MethodPost, "/v1/orders", `{"provider":"ecticket","request":` + strings.Replace(body, "{", `{"MerchantTradeNo":"HANG4",`, 1) + `}`, 0},
		{http.MethodGet, "/v1/orders", "", 0}, {http.MethodGet, "/v1/orders?q=HANG1", "", 0}, {http.MethodPost, "/v1/bulk", body, 0},
		{http.MethodGet, "/v1/events", "", 0}, {http.MethodGet, "/v1/events/stream", "", 0}, {http.MethodGet, "/readyz", "", 2 * time.Second},
	} {
		for range 3 {
			all.Go(func() {
				began := time.Now()
				a := h.call(q.method, q.path, q.body)
				took := time.Since(began)
				if a.StatusCode != http.StatusServiceUnavailable || a.Header.Get("Retry-After") == "" {
					t.Errorf("%s %s: %d after %s: %s", q.method, q.path, a.StatusCode, took, a.text)
				}
				if took > within+q.wait+slack {
					t.Errorf("%s %s: answered after %s", q.method, q.path, took)
				}
			})
		}
	}
	all.Wait()
	srv.Thaw()
	if a := h.call(http.MethodPut, at+"HANG2", body); a.StatusCode != http.StatusOK && a.StatusCode != http.StatusCreated {
		t.Errorf("repeated: %d: %s", a.StatusCode, a.text)
	}
}

// A request that waits already when Redis begins to hang is answered when its time and the bound are over.
func TestAWaitIsAnsweredWhenRedisHangs(t *testing.T) {
	const within = 300 * time.Millisecond
	h, srv := hanging(t, within)
	h.want(http.StatusCreated, nil, http.MethodPut, at+"LATE1", body)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	waited := make(chan answer, 1)
	began := time.Now()
	go func() { waited <- h.call(http.MethodGet, at+"LATE1?wait=1", "") }()
	for h.server.Waiting() == 0 && ctx.Err() == nil {
		h.call(http.MethodGet, "/healthz", "")
	}
	srv.Freeze()
	if a := <-waited; a.StatusCode != http.StatusServiceUnavailable || time.Since(began) > time.Second+within+1500*time.Millisecond {
		t.Errorf("%d after %s: %s", a.StatusCode, time.Since(began), a.text)
	}
}
