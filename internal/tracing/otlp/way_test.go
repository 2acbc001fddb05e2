package otlp_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"issuance/internal/cli"
	"issuance/internal/frontdoor"
	"issuance/internal/handler"
	"issuance/internal/issuing"
	"issuance/internal/ledger"
	"issuance/internal/queue"
	"issuance/internal/seal"
	"issuance/internal/testredis"
	"issuance/internal/tracing/otlp"
	"issuance/internal/webhooks"
	"issuance/pollers"
	"issuance/providers"
	"issuance/providers/ecticket"
	"issuance/providers/ecticket/ecticketsim"
	"issuance/providers/ecticket/wire"
	"issuance/tasks"
	"issuance/tasks/order"
)

// What a customer has, none of which may be in a span or a log line.
var customers = []string{"王小明", "0912345678", "ming@example.com"}

const (
	traceID = "0af7651916cd43dd8448eb211c80319c"
	caller  = "b7ad6b7169203331"
)

var ref = order.Ref{Account: providers.Account{Provider: providers.ECTicket, Merchant: "2000132"}, OrderID: "T1"}

// way is the product in one process: front door, worker, provider and a webhook's receiver.
type way struct {
	rdb    *redis.Client
	ledger *ledger.Ledger
	log    *slog.Logger
	front  *httptest.Server
	issues asynq.Handler
	polls  asynq.Handler
	sim    *ecticketsim.Sim
}

func newWay(t *testing.T, out io.Writer) *way {
	w := &way{rdb: testredis.Mini(t).Client(), log: slog.New(slog.NewJSONHandler(out, nil))}
	w.ledger = ledger.New(w.rdb, ledger.Options{})
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	client, err := tasks.NewClient(w.rdb, tasks.Options{SealKeys: seal.SandboxKey()})
	must(err)
	front := frontdoor.New(frontdoor.Config{Client: client, Ledger: w.ledger, RDB: w.rdb, Log: w.log})
	w.front = httptest.NewServer(front)
	t.Cleanup(w.front.Close)

	a := ecticketsim.DefaultAccounts()[0]
	w.sim = ecticketsim.New(ecticketsim.Config{Accounts: []ecticketsim.Account{a}})
	sim := httptest.NewServer(w.sim)
	t.Cleanup(sim.Close)
	provider, err := ecticket.New(ecticket.Config{BaseURL: sim.URL, MerchantID: a.MerchantID, Keys: wire.Keys{HashKey: a.HashKey, HashIV: a.HashIV}})
	must(err)
	t.Cleanup(provider.Close)
	ring, err := seal.ParseRing(seal.SandboxKey())
	must(err)
	follower := pollers.NewFollower(w.rdb, pollers.Schedule{}, pollers.FollowerOptions{})
	w.issues = issuing.New(handler.Config{Provider: provider, Ledger: w.ledger, Ring: ring, Worker: "test", Log: w.log}, follower)
	w.polls = pollers.New(pollers.Config{Provider: provider, Ledger: w.ledger, Ring: ring, Follower: follower, Log: w.log})
	return w
}

// enqueue sends the order through the front door, in the caller's trace.
func (w *way) enqueue(t *testing.T) {
	t.Helper()
	body := `{"MerchantTradeNo":"T1","IssueType":"3","IsImmediate":"1","Operator":"A","CustomerName":"` + customers[0] + `","CustomerPhone":"` + customers[1] +
		`","CustomerEmail":"` + customers[2] + `","TicketInfo":[{"ItemNo":"VQT04959","TicketAmount":2}]}`
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, w.front.URL+"/v1/orders/ecticket:2000132/T1", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Traceparent", "00-"+traceID+"-"+caller+"-01")
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if text, _ := io.ReadAll(res.Body); res.StatusCode != http.StatusCreated {
		t.Fatalf("%s: %s", res.Status, text)
	}
}

// work runs the order's task, and then its poll's.
func (w *way) work(t *testing.T) {
	t.Helper()
	ctx := t.Context()
	for _, home := range []queue.Home{queue.HomeOf(ref, order.Queued, order.Checkout), queue.PollHome(ref)} {
		h := w.issues
		if home == queue.PollHome(ref) {
			w.sim.RunJob()
			h = w.polls
		}
		info, err := asynq.NewInspectorFromRedisClient(w.rdb).GetTaskInfo(home.Queue, home.ID)
		if err != nil {
			t.Fatal(err)
		}
		if err := h.ProcessTask(ctx, asynq.NewTask(home.Type, info.Payload)); err != nil {
			t.Fatal(err)
		}
	}
	if rec, err := w.ledger.Load(ctx, ref); err != nil || rec.State != order.Issued {
		t.Fatalf("%+v, %v", rec, err)
	}
}

// deliver sends what has ended to a webhook.
func (w *way) deliver(t *testing.T) {
	t.Helper()
	got := make(chan struct{}, 8)
	shop := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { got <- struct{}{} }))
	defer shop.Close()
	path := filepath.Join(t.TempDir(), "webhooks.yaml")
	secret := "whsec_" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 32))
	if err := os.WriteFile(path, []byte("webhooks:\n  - {name: shop, url: "+shop.URL+", secret: "+secret+", allow_private: true}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := webhooks.ReadFile(path, w.log)
	if err != nil {
		t.Fatal(err)
	}
	d, err := webhooks.New(webhooks.Config{RDB: w.rdb, Ledger: w.ledger, File: file, Log: w.log})
	if err != nil {
		t.Fatal(err)
	}
	if err := webhooks.NewStore(w.rdb).Replay(t.Context(), "shop", time.Now().Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	select {
	case <-got:
	case <-time.After(30 * time.Second):
		t.Error("nothing was delivered")
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// A real receiver of OTLP gets an order's whole way, from the caller's trace to the webhook; nothing in it is a customer's; and
// log lines lead to it.
func TestAnOrdersWayIsTracedFromFrontDoorToWebhook(t *testing.T) {
	r := startReceiver(t)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", r.URL)
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
	var log bytes.Buffer
	w := newWay(t, &log)
	stop, err := otlp.Start(t.Context(), map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": r.URL}, "issuance-test", "v0", w.log)
	if err != nil {
		t.Fatal(err)
	}
	w.enqueue(t)
	w.work(t)
	w.deliver(t)
	stop()
	r.mu.Lock()
	defer r.mu.Unlock()

	ids := func(name string) (trace, parent string) {
		s := r.named(t, name)
		return hex.EncodeToString(s.TraceId), hex.EncodeToString(s.ParentSpanId)
	}
	if trace, parent := ids("PUT /v1/orders/{account}/{order_id}"); trace != traceID || parent != caller {
		t.Errorf("the request is %s below %s", trace, parent)
	}
	for name, above := range map[string]string{"enqueue": "PUT /v1/orders/{account}/{order_id}", "issue": "enqueue", "queue wait": "issue", "ledger claim": "issue",
		"ledger submit": "issue", "ecticket Issue": "issue", "ledger accept": "issue"} {
		if trace, parent := ids(name); trace != traceID || parent != hex.EncodeToString(r.named(t, above).SpanId) {
			t.Errorf("%s is %s below %s, want it below %s", name, trace, parent, above)
		}
	}
	for _, name := range []string{"poll", "webhook"} {
		s := r.named(t, name)
		if len(s.Links) != 1 || hex.EncodeToString(s.Links[0].TraceId) != traceID || len(s.ParentSpanId) != 0 || hex.EncodeToString(s.TraceId) == traceID {
			t.Errorf("%s is no trace of its own that links to the order's: %v", name, s)
		}
		if got := attr(s, "issuance.order"); got != ref.String() {
			t.Errorf("%s is of order %q", name, got)
		}
	}
	if s := r.named(t, "ecticket Issue"); attr(s, "issuance.account") != "ecticket:2000132" || attr(s, "issuance.outcome") != "done" {
		t.Errorf("%v", s)
	}
	if s := r.named(t, "HTTP POST"); attr(s, "http.response.status_code") != "200" {
		t.Errorf("%v", s)
	}
	if !slices.Contains(r.names(), "ledger finish") {
		t.Errorf("%q", r.names())
	}
	for _, secret := range append([]string{"whsec_", "VQT04959"}, customers...) {
		if strings.Contains(r.raw.String(), secret) {
			t.Errorf("%q is in the spans", secret)
		}
		if strings.Contains(log.String(), secret) {
			t.Errorf("%q is in the log", secret)
		}
	}
	for _, want := range []string{"service.name", "issuance-test", "deployment.environment.name"} {
		if !strings.Contains(r.raw.String(), want) {
			t.Errorf("the resource lacks %s", want)
		}
	}
	if n := strings.Count(log.String(), `"trace_id":"`+traceID+`"`); n < 2 {
		t.Errorf("%d log lines name the trace\n%s", n, log.String())
	}
}

// Without an endpoint, or where the environment says so, nothing is sent and nothing is made.
func TestTracingIsOffUnlessAnEndpointIsNamed(t *testing.T) {
	r := startReceiver(t)
	for name, env := range map[string]map[string]string{
		"nothing set": {},
		"disabled":    {"OTEL_EXPORTER_OTLP_ENDPOINT": r.URL, "OTEL_SDK_DISABLED": "true"},
		"no exporter": {"OTEL_EXPORTER_OTLP_ENDPOINT": r.URL, "OTEL_TRACES_EXPORTER": "none"},
	} {
		var log bytes.Buffer
		w := newWay(t, &log)
		stop, err := otlp.Start(t.Context(), env, "issuance-test", "v0", w.log)
		if err != nil {
			t.Fatal(name, err)
		}
		w.enqueue(t)
		w.work(t)
		stop()
		if strings.Contains(log.String(), "trace_id") {
			t.Errorf("%s: a log line names a trace", name)
		}
		// What the caller sent is kept for programs that do trace.
		if rec, err := w.ledger.Trace(t.Context(), ref); err != nil || !strings.Contains(rec, traceID) {
			t.Errorf("%s: %q, %v", name, rec, err)
		}
	}
	if len(r.spans) > 0 {
		t.Errorf("spans came: %q", r.names())
	}
}

func TestAnotherProtocolIsRefused(t *testing.T) {
	env := map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}
	if _, err := otlp.Start(t.Context(), env, "s", "v", slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "http/protobuf") {
		t.Error(err)
	}
}

// The command line goes on in the trace of TRACEPARENT, sends its own spans, and hands the trace to the record.
func TestTheCommandLineGoesOnInTheTraceOfItsEnvironment(t *testing.T) {
	r := startReceiver(t)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", r.URL)
	s := testredis.Mini(t)
	path := filepath.Join(t.TempDir(), "order.json")
	document := `{"provider":"ecticket","request":{"MerchantTradeNo":"T1","IssueType":"2","PrintType":"2","Operator":"A","TicketInfo":[{"ItemNo":"VQT04959","TicketAmount":1}]}}`
	if err := os.WriteFile(path, []byte(document), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	env := map[string]string{"REDIS_URL": s.URL(), "ISSUANCE_SEAL_KEYS": base64.StdEncoding.EncodeToString([]byte("k3v9Qz7LwX1rTn5YbC8mHd2JfGs6PaUe")), "ECTICKET_MERCHANT_ID": "2000132",
		"OTEL_EXPORTER_OTLP_ENDPOINT": r.URL, "TRACEPARENT": "00-" + traceID + "-" + caller + "-01"}
	if code := cli.Run(t.Context(), []string{"issue", path}, env, cli.Streams{In: strings.NewReader(""), Out: &out, Err: &errs}); code != 0 {
		t.Fatalf("exit code %d: %s%s", code, out.String(), errs.String())
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	command, enqueue := r.named(t, "enqueue issue"), r.named(t, "enqueue")
	if hex.EncodeToString(command.TraceId) != traceID || hex.EncodeToString(command.ParentSpanId) != caller || !bytes.Equal(enqueue.ParentSpanId, command.SpanId) {
		t.Errorf("%v\n%v", command, enqueue)
	}
	want := "00-" + traceID + "-" + hex.EncodeToString(enqueue.SpanId) + "-01"
	if got, err := ledger.New(s.Client(), ledger.Options{}).Trace(t.Context(), ref); err != nil || got != want {
		t.Errorf("the record's trace is %q, want %q (%v)", got, want, err)
	}
}
