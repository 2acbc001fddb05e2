package webhooks

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"issuance/internal/doortest"
	"issuance/internal/ledger"
	"issuance/internal/testredis"
	"issuance/internal/thinevent"
	"issuance/providers"
	_ "issuance/providers/codecs"
	"issuance/tasks/order"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	shop   = providers.Account{Provider: providers.ECTicket, Merchant: "2000132"}
	pass2u = providers.Account{Provider: providers.Pass2U, Merchant: "main"}
)

// Secrets of endpoints; canaries are in no log and nowhere in Redis.
const (
	secretA  = "whsec_c2VjcmV0LWEtb2YtdGhlLXRlc3RzLTMyLWJ5dGVzISE="
	secretB  = "whsec_c2VjcmV0LWItb2YtdGhlLXRlc3RzLTMyLWJ5dGVzISE="
	pathWord = "path-token-canary"
	document = "sealed-document-canary"
)

var canaries = []string{secretA[6:], secretB[6:], pathWord, "answer-canary"}

// hall is a dispatcher over a Redis of its own, whose time moves when the test moves it.
type hall struct {
	*Dispatcher
	t      *testing.T
	redis  *testredis.Server
	rdb    *redis.Client
	ledger *ledger.Ledger
	path   string // of the webhooks file
	log    *doortest.Log
	queue  *asynq.Inspector

	mu sync.Mutex
	at time.Time
}

func (h *hall) now() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.at
}

func (h *hall) pass(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.at = h.at.Add(d)
}

// open opens a hall with the entries of a webhooks file.
func open(t *testing.T, entries ...string) *hall {
	t.Helper()
	h := &hall{t: t, redis: testredis.Start(t), at: time.Now().Truncate(time.Second), log: &doortest.Log{}, path: filepath.Join(t.TempDir(), "webhooks.yaml")}
	h.rdb = h.redis.Client()
	h.queue = asynq.NewInspectorFromRedisClient(h.rdb)
	h.ledger = ledger.New(h.rdb, ledger.Options{Now: h.now})
	h.write(entries...)
	h.Dispatcher = h.dispatcher("", h.now)
	h.step() // cursors
	t.Cleanup(func() {
		for _, c := range canaries {
			if strings.Contains(h.log.String(), c) {
				t.Errorf("the log holds %q", c)
			}
		}
	})
	return h
}

// dispatcher is one more front door's. now is nil for the real time.
func (h *hall) dispatcher(proxy string, now func() time.Time) *Dispatcher {
	h.t.Helper()
	log := slog.New(slog.NewTextHandler(h.log, nil))
	file, err := ReadFile(h.path, log)
	h.must(err)
	file.SetClock(h.now)
	d, err := New(Config{RDB: h.rdb, Ledger: h.ledger, File: file, Log: log, ProxyURL: proxy, Version: "test", Now: now})
	h.must(err)
	h.t.Cleanup(d.send.close)
	return d
}

func (h *hall) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *hall) write(entries ...string) {
	h.t.Helper()
	h.must(os.WriteFile(h.path, []byte("webhooks:\n"+strings.Join(entries, "")), 0o600))
}

// entryFor is an entry of the file, with further lines of it.
func entryFor(name, url string, more ...string) string {
	s := fmt.Sprintf("  - name: %s\n    url: %s/%s\n    secret: %s\n    allow_private: true\n", name, url, pathWord, secretA)
	for _, m := range more {
		s += "    " + m + "\n"
	}
	return s
}

// cancelled is an order that ends at once.
func (h *hall) cancelled(id string) order.Ref { return h.end(order.Ref{Account: shop, OrderID: id}) }

// end has a record come to be and end.
func (h *hall) end(r order.Ref) order.Ref {
	h.t.Helper()
	ctx := h.t.Context()
	_, err := h.ledger.Record(ctx, ledger.Intake{Ref: r, Lane: order.Checkout, Fingerprint: "f", Shape: []byte(`{}`), Document: document})
	h.must(err)
	a, err := h.ledger.Cancel(ctx, r, "angela", "test")
	h.must(err)
	if !a.Applied {
		h.t.Fatalf("%s: %+v", r, a)
	}
	return r
}

// step does for each endpoint what there is to do now, and returns how many tasks that made.
func (h *hall) step() int {
	h.t.Helper()
	for _, e := range h.File.Endpoints() {
		for more := true; more; {
			var err error
			before, _ := h.store.State(h.t.Context(), e.Name)
			more, err = h.advance(h.t.Context(), e)
			h.must(err)
			if after, _ := h.store.State(h.t.Context(), e.Name); after == before {
				break
			}
		}
	}
	return len(h.tasks())
}

func (h *hall) tasks() []*asynq.TaskInfo {
	h.t.Helper()
	if _, err := h.queue.GetQueueInfo(Queue); err != nil {
		return nil // no task was ever made
	}
	list, err := h.queue.ListPendingTasks(Queue, asynq.PageSize(5000))
	h.must(err)
	return list
}

// work runs every task that there is, once, and takes it out of the queue as the queue does.
func (h *hall) work() (ran int) {
	h.t.Helper()
	for _, info := range h.tasks() {
		h.must(h.ProcessTask(h.t.Context(), asynq.NewTask(info.Type, info.Payload)))
		h.must(h.queue.DeleteTask(Queue, info.ID))
		ran++
	}
	return ran
}

// settle steps and works until there is nothing more to do now.
func (h *hall) settle() {
	h.t.Helper()
	for h.step() > 0 {
		h.work()
	}
}

func (h *hall) state(name string) State {
	h.t.Helper()
	s, err := h.store.State(h.t.Context(), name)
	h.must(err)
	return s
}

// got is one request that a receiver had.
type got struct {
	header http.Header
	body   []byte
	event  thinevent.Event
}

// receiver is an endpoint. Its answer is chosen by answers, which is called with the event; nil is 200.
type receiver struct {
	*httptest.Server
	mu      sync.Mutex
	got     []got
	answers func(w http.ResponseWriter, ev thinevent.Event)
}

func receive(t *testing.T, answers func(w http.ResponseWriter, ev thinevent.Event)) *receiver {
	r := &receiver{answers: answers}
	r.Server = httptest.NewServer(r)
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	g := got{header: req.Header}
	g.body, _ = io.ReadAll(req.Body)
	_ = json.Unmarshal(g.body, &g.event)
	r.mu.Lock()
	r.got = append(r.got, g)
	answers := r.answers
	r.mu.Unlock()
	if answers != nil {
		answers(w, g.event)
	}
	fmt.Fprint(w, "answer-canary")
}

func (r *receiver) answer(f func(w http.ResponseWriter, ev thinevent.Event)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answers = f
}

func (r *receiver) all() []got {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]got(nil), r.got...)
}

// ids are the events received, in their order, without the account.
func (r *receiver) ids() (out []string) {
	for _, g := range r.all() {
		out = append(out, strings.TrimPrefix(g.event.Data.EventID, shop.String()+"/"))
	}
	return out
}

func status(code int) func(http.ResponseWriter, thinevent.Event) {
	return func(w http.ResponseWriter, _ thinevent.Event) { w.WriteHeader(code) }
}

// running runs dispatchers until the test ends.
func (h *hall) running(n int) {
	h.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for range n {
		d := h.dispatcher("", nil)
		wg.Go(func() {
			if err := d.Run(ctx); err != nil {
				h.t.Error(err)
			}
		})
	}
	h.t.Cleanup(func() { cancel(); wg.Wait() })
}

// until waits until something holds.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for !holds() {
		select {
		case <-deadline:
			t.Fatalf("waited in vain for %s", what)
		case <-time.After(10 * time.Millisecond):
		}
	}
}
