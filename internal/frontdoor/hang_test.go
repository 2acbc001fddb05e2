package frontdoor_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
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

// While Redis answers, the bound cuts no wait short.
func TestTheBoundCutsNoWaitShort(t *testing.T) {
	const within = 200 * time.Millisecond
	h, _ := hanging(t, within)
	h.want(http.StatusCreated, nil, http.MethodPut, at+"WAIT1", body)
	began := time.Now()
	h.want(http.StatusOK, nil, http.MethodGet, at+"WAIT1?wait=1", "")
	if took := time.Since(began); took < time.Second {
		t.Errorf("answered after %s", took)
	}
}

// ndjson is so many lines of orders, from a number on.
func ndjson(from, n int) string {
	var b strings.Builder
	request := strings.Join(strings.Fields(body), "")
	for i := range n {
		fmt.Fprintf(&b, `{"provider":"ecticket","request":{"MerchantTradeNo":"BULK%d",%s}`+"\n", from+i, request[1:])
	}
	return b.String()
}

// A bulk that is under way when Redis begins to hang is answered within the bound, also while its caller keeps the file open:
// what has a receipt is recorded, the end says that the rest is not, and sending the file again completes it.
func TestABulkUnderWayIsAnsweredWhenRedisHangs(t *testing.T) {
	const within, batch = 500 * time.Millisecond, 256
	h, srv := hanging(t, within)
	file, send := io.Pipe()
	defer send.Close()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, h.url+"/v1/bulk", file)
	if err != nil {
		t.Fatal(err)
	}
	written := make(chan error, 1)
	go func() { _, err := io.WriteString(send, ndjson(0, batch)); written <- err }()
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	answers := json.NewDecoder(res.Body)
	receipted := map[string]bool{}
	for range batch {
		var l frontdoor.BulkLine
		if err := answers.Decode(&l); err != nil || l.Receipt == nil {
			t.Fatalf("%+v, %v", l, err)
		}
		receipted[l.Receipt.OrderID] = true
	}
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	srv.Freeze()
	began := time.Now()
	if _, err := io.WriteString(send, ndjson(batch, batch)); err != nil {
		t.Fatal(err)
	}
	var last frontdoor.BulkLine
	for last.Done == nil {
		last = frontdoor.BulkLine{}
		if err := answers.Decode(&last); err != nil {
			t.Fatal(err)
		}
		if last.Receipt != nil || last.Done == nil && (last.Line <= batch || last.Code != "unreachable") {
			t.Errorf("a line: %+v", last)
		}
	}
	if took := time.Since(began); last.Done.Complete || last.Code != "unreachable" || last.Done.Enqueued != batch || took > within+1500*time.Millisecond {
		t.Errorf("after %s: %+v, %+v", took, last, last.Done)
	}
	if _, err := answers.Token(); err != io.EOF {
		t.Errorf("after the last line: %v", err)
	}
	if took := time.Since(began); took > 15*time.Second { // it waited for as long as a line may take
		t.Errorf("the answer ended after %s", took)
	}
	srv.Thaw()
	a := h.call(http.MethodPost, "/v1/bulk", ndjson(0, 2*batch))
	known := 0
	for l := range strings.Lines(a.text) {
		var line frontdoor.BulkLine
		if err := json.Unmarshal([]byte(l), &line); err != nil {
			t.Fatal(err)
		}
		if line.Receipt == nil {
			last = line
			continue
		}
		if receipted[line.Receipt.OrderID] && line.Receipt.Duplicate {
			known++
		}
	}
	if known != batch || !last.Done.Complete || last.Done.Enqueued+last.Done.Duplicates != 2*batch {
		t.Errorf("sent again: %d known, %+v", known, last.Done)
	}
}

// A stream that is under way when Redis hangs goes on with what happens afterwards, and its ids can be resumed from.
func TestAStreamGoesOnAfterRedisHung(t *testing.T) {
	const within = 300 * time.Millisecond
	h, srv := hanging(t, within)
	h.want(http.StatusCreated, nil, http.MethodPut, at+"SSE1", body)
	h.want(http.StatusCreated, nil, http.MethodPut, at+"SSE2", body)
	events := h.stream("0")
	h.issue("SSE1")
	first := events.next()
	srv.Freeze()
	if a := h.call(http.MethodGet, "/v1/events", ""); a.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("a page: %d", a.StatusCode)
	}
	srv.Thaw()
	h.issue("SSE2")
	second := events.next()
	if first.id == "" || second.id == "" || !strings.Contains(second.data, "SSE2") {
		t.Errorf("%+v, %+v", first, second)
	}
	if e := h.stream(first.id).next(); e.id != second.id {
		t.Errorf("resumed with %+v", e)
	}
}
