package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"github.com/spf13/cobra"

	"issuance/internal/bench/lab"
	"issuance/internal/cli/table"
	"issuance/internal/frontdoor"
	"issuance/internal/ledger"
	"issuance/tasks"
)

// httpPlan is how much is measured of the front door.
type httpPlan struct{ requests, rounds, connections, waiting int }

// httpRow is what one of the two servers did in the median round.
type httpRow struct {
	What      string  `json:"what"`
	PerSecond float64 `json:"per_second"`
	P99MS     float64 `json:"p99_ms"`
}

func httpBench() bench {
	plan := httpPlan{requests: 6000, rounds: 5, connections: 64, waiting: 10_000}
	return bench{
		name:  "http",
		about: "The front door: enqueueing over HTTP against a bare handler, and requests that wait",
		flags: func(cmd *cobra.Command) {
			cmd.Flags().IntVar(&plan.requests, "requests", plan.requests, "requests in a round")
			cmd.Flags().IntVar(&plan.waiting, "waiting", plan.waiting, "requests that wait at the same time")
		},
		run: func(ctx context.Context, o options) (*report, error) {
			p := plan
			if o.quick {
				p.requests, p.rounds, p.waiting = min(p.requests, 1000), 3, min(p.waiting, 1000)
			}
			return benchHTTP(ctx, o, p)
		},
	}
}

func benchHTTP(ctx context.Context, o options, plan httpPlan) (*report, error) {
	began := time.Now()
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	desk := bulkDesk{options: o, dir: dir}
	rdb, url, err := desk.server(shipped)
	if err != nil {
		return nil, err
	}
	defer rdb.stop()
	p, err := newProducers(ctx, url)
	if err != nil {
		return nil, err
	}
	defer p.close()
	door := frontdoor.New(frontdoor.Config{Client: p.product, Ledger: ledger.New(p.rdb, ledger.Options{}), RDB: p.rdb, Log: slog.New(slog.DiscardHandler), Version: "bench",
		Tokens: frontdoor.OneToken("bench", benchToken, frontdoor.Scopes()...)})
	running, stop := context.WithCancel(ctx)
	defer stop()
	product, err := serveDoor(running, door)
	if err != nil {
		return nil, err
	}
	bare, closeBare, err := serveBare(p)
	if err != nil {
		return nil, err
	}
	defer closeBare()

	var got [2][]measuredHTTP
	for round := range plan.rounds + 1 {
		o.progress(fmt.Sprintf("round %d of %d", round, plan.rounds))
		for i := range 2 {
			which := (i + round) % 2
			m, err := load(ctx, p, []string{bare, product}[which], which == 1, plan)
			if err != nil {
				return nil, err
			}
			if round > 0 { // the first warms up
				got[which] = append(got[which], m)
			}
		}
	}
	rows := []httpRow{httpRowOf("bare handler", got[0]), httpRowOf("front door", got[1])}
	var rates, tails []float64
	for i := range got[0] {
		rates = append(rates, got[1][i].perSecond/got[0][i].perSecond)
		tails = append(tails, got[1][i].p99.Seconds()/got[0][i].p99.Seconds())
	}
	o.progress(fmt.Sprintf("%d requests that wait", plan.waiting))
	mib, commands, err := waitMany(ctx, rdb, p, door, plan.waiting)
	if err != nil {
		return nil, err
	}
	t := &table.Table{Right: []int{1, 2}}
	t.Row("", "requests/s", "p99 ms")
	for _, r := range rows {
		t.Row(r.What, fmt.Sprintf("%.0f", r.PerSecond), fmt.Sprintf("%.1f", r.P99MS))
	}
	return &report{Machine: thisMachine(rdb.what), Rows: rows, Seconds: seconds(time.Since(began)), table: t,
		Targets: []target{atLeast("requests per second, ratio", lab.Median(rates), 0.5), atMost("p99, ratio", lab.Median(tails), 2),
			atMost(fmt.Sprintf("MiB of %d requests that wait, their callers' side included", plan.waiting), mib, 200*float64(plan.waiting)/10_000),
			atMost("Redis commands a second of a request that waits", commands, 0.001)},
		notes: []string{"", fmt.Sprintf("%d connections; callers, both servers and Redis (appendfsync always) share the machine.", plan.connections)}}, nil
}

const benchToken = "bench-token"

// serveDoor serves a front door until the context ends.
func serveDoor(ctx context.Context, s *frontdoor.Server) (url string, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	go func() { _ = s.Listen(ctx, l, nil, time.Second) }() // it ends with the benchmark
	return "http://" + l.Addr().String(), nil
}

// serveBare serves what the front door is compared with: JSON is decoded, and a task enqueued with asynq's client.
func serveBare(p *producers) (url string, closeServer func(), err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	web := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var request map[string]any
		if err := json.NewDecoder(r.Body).Decode(&request); err != nil {
			http.Error(w, "not JSON", http.StatusBadRequest)
			return
		}
		_, number, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/v1/orders/"), "/")
		_, err := p.bare.EnqueueContext(r.Context(), asynq.NewTask("bare", p.payload), asynq.Queue("bare"), asynq.TaskID(number))
		if err != nil {
			http.Error(w, "try again", http.StatusServiceUnavailable)
			return
		}
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, `{"state":"queued"}`)
	})}
	go func() { _ = web.Serve(l) }() // ends when it is closed
	return "http://" + l.Addr().String(), func() { _ = web.Close() }, nil
}

type measuredHTTP struct {
	perSecond float64
	p99       time.Duration
}

// load puts orders from so many connections.
func load(ctx context.Context, p *producers, url string, authorized bool, plan httpPlan) (measuredHTTP, error) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: plan.connections, MaxConnsPerHost: plan.connections}}
	defer client.CloseIdleConnections()
	var mu sync.Mutex
	var took []time.Duration
	began := time.Now()
	err := p.each(plan.requests, plan.connections, func(number string) error {
		var d struct{ Request json.RawMessage }
		if err := json.Unmarshal(document("H"+number), &d); err != nil {
			return err
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodPut, url+"/v1/orders/ecticket:2000132/H"+number, bytes.NewReader(d.Request))
		if err != nil {
			return err
		}
		req.Header.Set("Content-Type", "application/json")
		if authorized {
			req.Header.Set("Authorization", "Bearer "+benchToken)
		}
		sent := time.Now()
		res, err := client.Do(req)
		if err != nil {
			return err
		}
		_, _ = io.Copy(io.Discard, res.Body)
		res.Body.Close()
		if res.StatusCode != http.StatusCreated {
			return fmt.Errorf("%s: %s", url, res.Status)
		}
		mu.Lock()
		defer mu.Unlock()
		took = append(took, time.Since(sent))
		return nil
	})
	if err != nil {
		return measuredHTTP{}, err
	}
	all := time.Since(began)
	slices.Sort(took)
	return measuredHTTP{perSecond: float64(len(took)) / all.Seconds(), p99: took[len(took)*99/100]}, nil
}

func httpRowOf(what string, list []measuredHTTP) httpRow {
	var rates, tails []float64
	for _, m := range list {
		rates, tails = append(rates, m.perSecond), append(tails, float64(m.p99.Microseconds())/1000)
	}
	return httpRow{What: what, PerSecond: lab.Median(rates), P99MS: lab.Median(tails)}
}

// waitMany has many requests wait for one order, and returns how much memory they take and how many Redis commands each
// of them costs in a second.
func waitMany(ctx context.Context, r *testRedis, p *producers, door *frontdoor.Server, n int) (mib, commands float64, err error) {
	if _, err = p.product.Enqueue(ctx, document("HWAIT"), tasks.InLane(tasks.Bulk)); err != nil {
		return 0, 0, err
	}
	const watch = 5 * time.Second
	l := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
	serving, stop := context.WithCancel(ctx)
	defer stop()
	go func() { _ = door.Listen(serving, l, nil, time.Second) }()
	idle, err := commandsIn(ctx, r, watch)
	if err != nil {
		return 0, 0, err
	}
	before := resident()
	var conns []net.Conn
	defer func() {
		for _, c := range conns {
			_ = c.Close()
		}
	}()
	for range n {
		c := l.dial()
		conns = append(conns, c)
		if _, err := fmt.Fprintf(c, "GET /v1/orders/ecticket:2000132/HWAIT?wait=60 HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer %s\r\n\r\n", benchToken); err != nil {
			return 0, 0, err
		}
	}
	for waiting := 0; waiting < n; {
		if waiting, err = waitingAt(ctx, door); err != nil {
			return 0, 0, err
		}
	}
	for first := idle + 1000; first > idle+100; { // each has asked for the order's status once
		if first, err = commandsIn(ctx, r, time.Second); err != nil {
			return 0, 0, err
		}
	}
	busy, err := commandsIn(ctx, r, watch)
	if err != nil {
		return 0, 0, err
	}
	return resident() - before, max(0, busy-idle) / watch.Seconds() / float64(n), nil
}

// waitingAt is how many requests wait, by the front door's own metric.
func waitingAt(ctx context.Context, door *frontdoor.Server) (n int, err error) {
	answer := httptest.NewRecorder()
	door.ServeHTTP(answer, httptest.NewRequestWithContext(ctx, http.MethodGet, "/metrics", nil))
	for line := range strings.Lines(answer.Body.String()) {
		if rest, ok := strings.CutPrefix(line, "issuance_http_waiting_requests "); ok {
			var f float64
			_, err := fmt.Sscan(rest, &f)
			return int(f), err
		}
	}
	return 0, errors.New("the front door has no metric of requests that wait")
}

// commandsIn is how many commands a Redis gets in a while.
func commandsIn(ctx context.Context, r redis.UniversalClient, while time.Duration) (float64, error) {
	processed := func() (n float64, err error) {
		info, err := r.Info(ctx, "stats").Result()
		for line := range strings.Lines(info) {
			if rest, ok := strings.CutPrefix(line, "total_commands_processed:"); ok {
				_, err = fmt.Sscan(rest, &n)
			}
		}
		return n, err
	}
	before, err := processed()
	if err != nil {
		return 0, err
	}
	select {
	case <-time.After(while):
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	after, err := processed()
	return after - before, err
}

// pipes is a listener inside the process: ten thousand connections need no file descriptors.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *pipes) dial() net.Conn {
	near, far := net.Pipe()
	l.conns <- far
	return near
}

func (l *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipes) Close() error { l.once.Do(func() { close(l.closed) }); return nil }

func (l *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "pipe"} }

// resident is this process's memory in MiB, after what nobody needs was given back.
func resident() float64 {
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.Sys-m.HeapReleased) / (1 << 20)
}
