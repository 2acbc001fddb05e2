package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/keys"
	"issuance/internal/logging"
	"issuance/internal/queue"
	"issuance/internal/redisconn"
	"issuance/internal/seal"
	"issuance/internal/testredis"
	"issuance/providers"
	"issuance/tasks"
)

// ask makes a request and returns status, header and body.
func ask(t *testing.T, method, url string, change func(*http.Request)) (int, http.Header, string) {
	t.Helper()
	req, err := http.NewRequest(method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(req)
	}
	transport := &http.Transport{DisableKeepAlives: true}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(body)
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	status, _, body := ask(t, http.MethodGet, url, nil)
	return status, body
}

// admin starts a sandbox whose demo of four is over and returns its address.
func admin(t *testing.T, s *testredis.Server, args ...string) (*process, string) {
	t.Helper()
	p := start(t, hasty(s.URL()), toys(append([]string{"--demo", "4"}, args...)...)...)
	url := p.sees(p.out, `Web UI +(http://\S+)/jobs/`)[1]
	p.sees(p.out, `All as it should be`)
	return p, url
}

// What a running worker shows, by default.
func TestAdmin(t *testing.T) {
	t.Parallel()
	_, url := admin(t, testredis.Mini(t))
	t.Run("the web UI is read-only", func(t *testing.T) { webUIIsReadOnly(t, url) })
	t.Run("pages keep the policy", func(t *testing.T) { pagesKeepThePolicy(t, url) })
	t.Run("pages show notices", func(t *testing.T) { pagesShowNotices(t, url) })
	t.Run("metrics count", func(t *testing.T) { metricsCount(t, url) })
	t.Run("the start page leads everywhere", func(t *testing.T) { startPageLeads(t, url) })
}

// The web UI shows what became of every order without a customer's data: not in the clear, not
// sealed, on no page.
func TestWebUIHidesDocuments(t *testing.T) {
	t.Parallel()
	s := testredis.Start(t)
	_, url := admin(t, s)
	order := `{"provider":"pass2u","request":{"productSaleId":"02955ccca3352ef0734a4aecc9f86083","channelOrderId":"CANARY1","mailTo":"Kanarie@example.com","quantity":1,"pickupType":"voucher"}}`
	client, err := tasks.NewClient(s.Client(), tasks.Options{SealKeys: seal.SandboxKey()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Enqueue(context.Background(), []byte(order)); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Wait(context.Background(), tasks.Account{Provider: providers.Pass2U}, "CANARY1"); err != nil {
		t.Fatal(err)
	}
	pages := []string{"/jobs/api/servers", "/jobs/api/queues", "/jobs/api/redis_info", "/metrics", "/", "/readyz"}
	for _, q := range []string{"ecticket-checkout", "ecticket-poll", "pass2u-checkout"} {
		for _, state := range []string{"active", "pending", "scheduled", "retry", "archived", "completed"} {
			pages = append(pages, "/jobs/api/queues/"+q+"/"+state+"_tasks")
		}
	}
	pages = append(pages, "/jobs/api/queues/pass2u-checkout/tasks/"+queue.HomeOf(tasks.Ref{Account: tasks.Account{Provider: providers.Pass2U, Merchant: "main"}, OrderID: "CANARY1"}, tasks.Queued, tasks.Checkout).ID)
	var all strings.Builder
	for _, page := range pages {
		status, body := get(t, url+page)
		if status != http.StatusOK {
			t.Errorf("%s: %d %s", page, status, body)
		}
		all.WriteString(body)
		no(t, page, body, append(customers, "Kanarie", `s1.`, "/v/", "fingerprint")...)
	}
	for _, want := range []string{"CANARY1", "pass2u:main", "ecticket:2000132"} {
		if !strings.Contains(all.String(), want) {
			t.Errorf("the UI does not show %q", want)
		}
	}
}

// The web UI is read-only unless the worker is started otherwise.
func webUIIsReadOnly(t *testing.T, url string) {
	status, _, _ := ask(t, http.MethodPost, url+"/jobs/api/queues/ecticket-checkout:pause", nil)
	if status != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", status)
	}
	if status, body := get(t, url+"/jobs/api/queues/ecticket-checkout"); status != http.StatusOK || !strings.Contains(body, `"paused":false`) {
		t.Errorf("%d %s", status, body)
	}
}

// Even a web UI that may write takes changes from its own pages alone.
func TestWebUIWritesForItsOwnPagesOnly(t *testing.T) {
	t.Parallel()
	_, url := admin(t, testredis.Mini(t), "--ui-write")
	pause, resume := url+"/jobs/api/queues/ecticket-checkout:pause", url+"/jobs/api/queues/ecticket-checkout:resume"
	paused := func() bool {
		_, body := get(t, url+"/jobs/api/queues/ecticket-checkout")
		return strings.Contains(body, `"paused":true`)
	}
	for name, change := range map[string]func(*http.Request){
		"a page elsewhere (new browser)": func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") },
		"a page elsewhere (old browser)": func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") },
		"a page on another port":         func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-site") },
		"a name that points here": func(r *http.Request) {
			r.Host = "evil.example:8080"
			r.Header.Set("Origin", "http://evil.example:8080")
			r.Header.Set("Sec-Fetch-Site", "same-origin")
		},
	} {
		if status, _, body := ask(t, http.MethodPost, pause, change); status != http.StatusForbidden || paused() {
			t.Errorf("%s: %d %s, paused: %v", name, status, body, paused())
		}
		if status, _, _ := ask(t, http.MethodDelete, url+"/jobs/api/queues/ecticket-checkout", change); status != http.StatusForbidden {
			t.Errorf("%s: DELETE %d", name, status)
		}
	}
	own := func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-origin") }
	if status, _, body := ask(t, http.MethodPost, pause, own); status != http.StatusNoContent || !paused() {
		t.Errorf("its own page: %d %s", status, body)
	}
	if status, _, body := ask(t, http.MethodPost, resume, own); status != http.StatusNoContent || paused() {
		t.Errorf("its own page: %d %s", status, body)
	}
}

// The page works under a policy that lets nothing in from elsewhere and no script but its own.
func pagesKeepThePolicy(t *testing.T, url string) {
	status, header, body := ask(t, http.MethodGet, url+"/jobs/", nil)
	policy := header.Get("Content-Security-Policy")
	if status != http.StatusOK || !strings.Contains(body, "FLAG_ROOT_PATH") {
		t.Fatalf("%d %s", status, body)
	}
	if n := strings.Count(body, "<script>"); n == 0 || strings.Count(policy, "'sha256-") != n {
		t.Errorf("%d scripts in the page, policy %s", n, policy)
	}
	if strings.Contains(policy, "script-src 'self' 'unsafe-inline'") || strings.Contains(policy, "http") {
		t.Error(policy)
	}
	for _, page := range []string{"/", "/healthz", "/jobs/", "/jobs/api/queues"} {
		_, header, _ := ask(t, http.MethodGet, url+page, nil)
		if header.Get("X-Content-Type-Options") != "nosniff" || header.Get("X-Frame-Options") != "DENY" || !strings.Contains(header.Get("Content-Security-Policy"), "frame-ancestors 'none'") {
			t.Errorf("%s: %v", page, header)
		}
	}
}

// Every page of the web UI has the script that shows notices, its files and answers are left alone,
// and an order that needs review is a notice.
func pagesShowNotices(t *testing.T, url string) {
	for _, path := range []string{"/jobs/", "/jobs/queues/ecticket-checkout"} {
		if _, body := get(t, url+path); strings.Count(body, `<script src="/jobs/notices.js"></script></body>`) != 1 {
			t.Errorf("%s has no notices: %s", path, body)
		}
	}
	status, header, body := ask(t, http.MethodGet, url+"/jobs/notices.js", nil)
	if status != http.StatusOK || !strings.HasPrefix(header.Get("Content-Type"), "text/javascript") || !strings.Contains(body, "fetch('"+noticesPath+"')") {
		t.Errorf("%d %v %s", status, header, body)
	}
	status, header, body = ask(t, http.MethodGet, url+"/jobs/manifest.json", nil)
	if status != http.StatusOK || strings.Contains(header.Get("Content-Type"), "html") || strings.Contains(body, "notices") {
		t.Errorf("a file: %d %v %s", status, header, body)
	}
	if status, body := get(t, url+noticesPath); status != http.StatusOK || !strings.HasPrefix(body, `{"health":[],"bans":[],"pauses":[],"reviews":[`) {
		t.Errorf("%d %s", status, body)
	}
}

// /readyz says which part is not ready; /healthz keeps saying that the process lives.
func TestReadiness(t *testing.T) {
	t.Parallel()
	s := testredis.StartDurable(t)
	_, url := admin(t, s, "--queues", "ecticket-checkout,ecticket-poll")
	var answer readiness
	status, body := get(t, url+"/readyz")
	if err := json.Unmarshal([]byte(body), &answer); err != nil || status != http.StatusOK || !answer.Ready || answer.Redis != "ok" ||
		len(answer.Queues) != 2 || answer.Queues["ecticket-poll"] != "ok" || answer.Accounts["ecticket:2000132"] != "ok" {
		t.Fatalf("%d %s", status, body)
	}
	if err := s.Client().ZAdd(t.Context(), keys.Reviews(tasks.Account{Provider: providers.ECTicket, Merchant: "2000132"}), redis.Z{Score: 1, Member: "ORDER"}).Err(); err != nil {
		t.Fatal(err)
	}
	if _, body := get(t, url+noticesPath); body != `{"health":[],"bans":[],"pauses":[],"reviews":[{"account":"ecticket:2000132","count":1}]}`+"\n" {
		t.Errorf("a review is no notice: %s", body)
	}
	asked := func() (int, string) {
		var out, err bytes.Buffer
		code := run(t.Context(), []string{"health", "--http-addr", strings.TrimPrefix(url, "http://")}, nil, &out, &err)
		return code, out.String() + err.String()
	}
	if code, text := asked(); code != exitFine || !strings.Contains(text, `"ready":true`) {
		t.Errorf("worker health: %d %s", code, text)
	}
	s.Kill()
	if code, text := asked(); code != exitFailed || !strings.Contains(text, `worker: not ready (HTTP 503): {"ready":false,"redis":"does not answer`) {
		t.Errorf("worker health without Redis: %d %s", code, text)
	}
	if status, _ := get(t, url+noticesPath); status != http.StatusServiceUnavailable {
		t.Errorf("notices without Redis: %d", status)
	}
	status, body = get(t, url+"/readyz")
	answer = readiness{}
	if err := json.Unmarshal([]byte(body), &answer); err != nil || status != http.StatusServiceUnavailable || answer.Ready || answer.Redis == "ok" {
		t.Errorf("without Redis: %d %s", status, body)
	}
	if status, body := get(t, url+"/healthz"); status != http.StatusOK || body != "ok\n" {
		t.Errorf("without Redis: %d %s", status, body)
	}
	s.Restart()
	// Soon, not at once: after some failures the Redis library tries anew once a second.
	for end := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		status, body := get(t, url+"/readyz")
		if status == http.StatusOK && strings.Contains(body, `"redis":"ok"`) {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("with Redis again: %d %s", status, body)
		}
	}
}

// Without a worker there is an answer as well, whatever address is given, and the address may be the
// one that the worker was told to listen on.
func TestHealthOfNobody(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	l.Close()
	for addr, want := range map[string]string{
		"0.0.0.0:" + port: "worker: no worker answers at 0.0.0.0:" + port + ": dial tcp 127.0.0.1:" + port + ": connect: connection refused\n",
		"a b":             "worker: \"a b\" is no address; write host:port, such as 127.0.0.1:8080\n",
	} {
		var out, stderr bytes.Buffer
		if code := run(t.Context(), []string{"health"}, map[string]string{"WORKER_HTTP_ADDR": addr}, &out, &stderr); code != exitFailed || out.Len() > 0 || stderr.String() != want {
			t.Errorf("%d %s%s", code, out.String(), stderr.String())
		}
	}
}

// A worker that is being stopped, or was not started, is not ready.
func TestNotReadyUnlessServing(t *testing.T) {
	t.Parallel()
	s := testredis.Mini(t)
	checked, err := check(flags{}, production(s.URL()))
	if err != nil {
		t.Fatal(err)
	}
	w, err := build(context.Background(), checked, redisconn.Production, logging.New(newOutput(), "json", 0), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer w.stop()
	for queue, err := range w.servers.Health() {
		if err == nil {
			t.Errorf("%s is said to be served", queue)
		}
	}
}

// Metrics show the queues' sizes, what is open, and what became of orders.
func metricsCount(t *testing.T, url string) {
	_, body := get(t, url+"/metrics")
	for _, want := range []string{
		`issuance_queue_tasks{queue="ecticket-checkout",state="archived"} 0`,
		`issuance_queue_paused{queue="ecticket-checkout"} 0`,
		`issuance_ledger_open{account="ecticket:2000132"} 0`,
		`issuance_account_health{account="ecticket:2000132",state="ok"} 1`,
		`issuance_account_health{account="pass2u:main",state="no_worker"} 0`,
		`issuance_answers_verified_total{account="ecticket:2000132",variant="any"} `,
		`issuance_ledger_review{account="ecticket:2000132"} 0`,
		`issuance_looks_due{account="ecticket:2000132"} 0`,
		`issuance_changes_total{account="ecticket:2000132",event="issued",record="order"} 1`,
		`issuance_changes_total{account="pass2u:main",event="issued",record="order"} 2`,
		`issuance_changes_total{account="ecticket:2000132",event="failed",record="order"} 1`,
		`issuance_changes_total{account="ecticket:2000132",event="refunded",record="refund"} 1`,
	} {
		if !strings.Contains(body, want+"\n") && !(strings.HasSuffix(want, " ") && strings.Contains(body, want)) { // how many varies
			t.Errorf("%s is not in the metrics", want)
		}
	}
	if t.Failed() {
		t.Log(body)
	}
}

// The start page leads everywhere, and nowhere else is anything.
func startPageLeads(t *testing.T, url string) {
	_, body := get(t, url+"/")
	for _, want := range []string{`href="/jobs/"`, `href="/readyz"`, `href="/metrics"`, "sandbox", "ecticket-poll", "read-only"} {
		if !strings.Contains(body, want) {
			t.Errorf("%s is not in %s", want, body)
		}
	}
	if status, _ := get(t, url+"/elsewhere"); status != http.StatusNotFound {
		t.Errorf("a page that is not there: %d", status)
	}
	if status, _, _ := ask(t, http.MethodPost, url+"/readyz", nil); status != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", status)
	}
}
