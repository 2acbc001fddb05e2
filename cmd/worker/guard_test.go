package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/keys"
	"issuance/internal/logging"
	"issuance/internal/queueui"
	"issuance/internal/redisconn"
	"issuance/internal/testredis"
)

// served asks a handler of its own, without a network.
func served(h http.Handler, method, target string, change func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, nil)
	r.Host = "127.0.0.1:8080"
	if change != nil {
		change(r)
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	return rec
}

// idle is a production worker that is built and not started, and its pages.
func idle(t *testing.T, redisURL string, change func(env map[string]string)) (*worker, http.Handler) {
	t.Helper()
	env := production(redisURL)
	if change != nil {
		change(env)
	}
	s, err := check(flags{}, env)
	if err != nil {
		t.Fatal(err)
	}
	w, err := build(context.Background(), s, redisconn.Production, logging.New(newOutput(), "json", 0), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.stop)
	return w, w.adminHandler()
}

// However much a request asks for, the answer of every list holds at most a hundred tasks.
func TestOneRequestNeverReadsAWholeQueue(t *testing.T) {
	t.Parallel()
	s := testredis.Start(t)
	_, h := idle(t, s.URL(), nil)
	rdb, q := s.Client(), "ecticket-checkout"
	pipe := rdb.Pipeline()
	pipe.SAdd(t.Context(), "asynq:queues", q)
	for i := range 150 {
		id := fmt.Sprint(i)
		for _, state := range []string{"pending", "active"} {
			pipe.LPush(t.Context(), keys.Queue(q)+state, id)
		}
		for _, state := range []string{"scheduled", "retry", "archived", "completed"} {
			pipe.ZAdd(t.Context(), keys.Queue(q)+state, redis.Z{Score: float64(i), Member: id})
		}
		// A task message: type (1), id (3) and queue (4), as asynq's protobuf has them.
		msg := "\x0a\x01t\x1a" + string(rune(len(id))) + id + "\x22" + string(rune(len(q))) + q
		pipe.HSet(t.Context(), keys.Task(q, id), "msg", msg, "state", "pending")
	}
	if _, err := pipe.Exec(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, state := range []string{"pending", "active", "scheduled", "retry", "archived", "completed"} {
		for _, query := range []string{"size=1000000", "size=1000000&page=1", "size=4611686018427387904&page=2", "size=100&page=92233720368547758"} {
			rec := served(h, http.MethodGet, "/jobs/api/queues/"+q+"/"+state+"_tasks?"+query, nil)
			n := strings.Count(rec.Body.String(), `"payload":`)
			if rec.Code != http.StatusOK || n > queueui.MaxPage || strings.HasSuffix(query, "000000") && n != queueui.MaxPage {
				t.Errorf("%s?%s: %d, %d tasks", state, query, rec.Code, n)
			}
		}
	}
}

// Under a name that somebody has made to point here nothing of the web UI is shown, whatever the method;
// names of this machine and configured ones work.
func TestUnknownNamesAreRefused(t *testing.T) {
	t.Parallel()
	s := testredis.Mini(t)
	_, h := idle(t, s.URL(), func(env map[string]string) {
		env["WORKER_HTTP_HOSTS"], env["WORKER_HTTP_ADDR"] = "Ops.example.com, other", "10.1.2.3:8080"
	})
	under := func(host string) func(*http.Request) { return func(r *http.Request) { r.Host = host } }
	for _, page := range []string{"/", "/jobs/", "/jobs/api/redis_info", "/jobs/api/servers", noticesPath, noticesScript} {
		for _, host := range []string{"evil.example", "evil.example:8080", "127.0.0.1.evil.example", "localhost.evil.example:80", "10.1.2.4:8080", "", "evil.example:8080:80"} {
			for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodPost, http.MethodDelete} {
				if rec := served(h, method, page, under(host)); rec.Code != http.StatusForbidden && !(page == "/" && rec.Code == http.StatusMethodNotAllowed) {
					t.Errorf("%s %s as %q: %d", method, page, host, rec.Code)
				}
			}
		}
		for _, host := range []string{"127.0.0.1:8080", "localhost", "LOCALHOST:9000", "[::1]:8080", "ops.example.com", "OPS.example.com:443", "other:8080", "10.1.2.3:8080"} {
			if rec := served(h, http.MethodGet, page, under(host)); rec.Code != http.StatusOK {
				t.Errorf("GET %s as %q: %d %s", page, host, rec.Code, rec.Body)
			}
		}
	}
	for _, page := range []string{"/healthz", "/metrics"} { // orchestrators and Prometheus come under names of their network
		if rec := served(h, http.MethodGet, page, under("worker.monitoring.svc:8080")); rec.Code != http.StatusOK {
			t.Errorf("%s: %d", page, rec.Code)
		}
	}
}

// Under a name of this machine a proxy's callers are not answered, who may be anywhere: it has to name the host that is
// configured for it.
func TestAProxyNamesItsHost(t *testing.T) {
	t.Parallel()
	s := testredis.Mini(t)
	_, h := idle(t, s.URL(), func(env map[string]string) { env["WORKER_HTTP_HOSTS"] = "ops.example.com" })
	for _, page := range []string{"/", "/jobs/", "/jobs/api/queues", noticesPath} {
		for _, header := range []string{"X-Forwarded-For", "Forwarded", "Via", "X-Real-Ip"} {
			for host, want := range map[string]int{"127.0.0.1:8080": http.StatusForbidden, "localhost": http.StatusForbidden, "ops.example.com": http.StatusOK} {
				rec := served(h, http.MethodGet, page, func(r *http.Request) { r.Host = host; r.Header.Set(header, "203.0.113.9") })
				if rec.Code != want {
					t.Errorf("%s as %s with %s: %d, want %d", page, host, header, rec.Code, want)
				}
			}
		}
	}
	for _, page := range []string{"/healthz", "/metrics"} {
		if rec := served(h, http.MethodGet, page, func(r *http.Request) { r.Header.Set("Via", "1.1 mesh") }); rec.Code != http.StatusOK {
			t.Errorf("%s: %d", page, rec.Code)
		}
	}
}

// A page of another site reads nothing, by no means that a browser offers; a link to a page may be followed.
func TestOtherSitesReadNothing(t *testing.T) {
	t.Parallel()
	s := testredis.Mini(t)
	_, h := idle(t, s.URL(), nil)
	set := func(header ...string) func(*http.Request) {
		return func(r *http.Request) {
			for i := 0; i < len(header); i += 2 {
				r.Header.Set(header[i], header[i+1])
			}
		}
	}
	refused := []func(*http.Request){
		set("Sec-Fetch-Site", "cross-site"), set("Sec-Fetch-Site", "same-site"),
		set("Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe"),
		set("Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "script"),
		set("Origin", "https://evil.example"), set("Origin", "null"), set("Origin", "http://127.0.0.1:9999"),
	}
	fine := []func(*http.Request){nil, set("Sec-Fetch-Site", "same-origin"), set("Sec-Fetch-Site", "none"), set("Origin", "http://127.0.0.1:8080")}
	link := set("Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document")
	for _, page := range []string{"/", "/jobs/", "/jobs/api/redis_info", noticesPath, "/metrics", "/readyz"} {
		for i, change := range refused {
			if rec := served(h, http.MethodGet, page, change); rec.Code != http.StatusForbidden {
				t.Errorf("%s, %d: %d", page, i, rec.Code)
			}
		}
		for i, change := range fine {
			if rec := served(h, http.MethodGet, page, change); rec.Code == http.StatusForbidden {
				t.Errorf("%s, fine %d: %d", page, i, rec.Code)
			}
		}
		if rec := served(h, http.MethodGet, page, link); (rec.Code == http.StatusForbidden) != strings.Contains(page, "/api/") {
			t.Errorf("a link to %s: %d", page, rec.Code)
		}
	}
}

// A task whose hash is gone breaks no page and no metric of its queue, in whatever list it still stands.
func TestALostTaskBreaksNoPage(t *testing.T) {
	t.Parallel()
	s := testredis.Start(t)
	_, h := idle(t, s.URL(), nil)
	rdb, q := s.Client(), "ecticket-checkout"
	if err := rdb.SAdd(t.Context(), "asynq:queues", q).Err(); err != nil {
		t.Fatal(err)
	}
	for _, state := range []string{"pending", "active", "scheduled", "retry", "archived", "completed"} {
		key := keys.Queue(q) + state
		var err error
		if slices.Contains([]string{"pending", "active"}, state) {
			err = rdb.LPush(t.Context(), key, "gone").Err()
		} else {
			err = rdb.ZAdd(t.Context(), key, redis.Z{Score: float64(time.Now().Unix()), Member: "gone"}).Err()
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, page := range []string{"/jobs/api/queues", "/jobs/api/queues/" + q, "/jobs/api/queue_stats", "/jobs/api/queues/" + q + "/" + state + "_tasks"} {
			for range 2 { // the first run of a script sends its text, later ones its hash
				if rec := served(h, http.MethodGet, page, nil); rec.Code != http.StatusOK || strings.Contains(page, "/queues") && !strings.Contains(rec.Body.String(), `"`+state+`":1`) {
					t.Errorf("%s: %s: %d %s", state, page, rec.Code, rec.Body)
				}
			}
		}
		want := fmt.Sprintf(`issuance_queue_tasks{queue=%q,state=%q} 1`, q, state)
		if rec := served(h, http.MethodGet, "/metrics", nil); !strings.Contains(rec.Body.String(), want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
}

// However many pages are asked for, the workers' own connections stay free: pages have four of their own.
func TestPagesHaveConnectionsOfTheirOwn(t *testing.T) {
	t.Parallel()
	s := testredis.Start(t)
	w, h := idle(t, s.URL(), nil)
	before := w.rdb.PoolStats().TotalConns
	done := make(chan struct{})
	for range 40 {
		go func() {
			served(h, http.MethodGet, "/jobs/api/queues", nil)
			served(h, http.MethodGet, "/metrics", nil)
			done <- struct{}{}
		}()
	}
	for range 40 {
		<-done
	}
	if after, own := w.rdb.PoolStats().TotalConns, w.pages.PoolStats().TotalConns; own == 0 || own > queueui.Pool || after > before+1 {
		t.Errorf("pages have %d connections, the workers %d after %d", own, after, before)
	}
}

// Every page of the web UI answers about queues that were never used, also after Redis was emptied; about one
// that does not exist, and charts of no Prometheus, the answer is that there is none.
func TestPagesAnswerAboutUnusedQueues(t *testing.T) {
	t.Parallel()
	s := testredis.Start(t)
	w, h := idle(t, s.URL(), nil)
	for range 2 {
		if err := w.announce(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, q := range w.servers.Queues() {
			for _, part := range []string{"", "/active_tasks", "/pending_tasks", "/scheduled_tasks", "/retry_tasks", "/archived_tasks", "/completed_tasks", "/groups"} {
				if rec := served(h, http.MethodGet, "/jobs/api/queues/"+q+part, nil); rec.Code != http.StatusOK {
					t.Errorf("%s%s: %d %s", q, part, rec.Code, rec.Body)
				}
			}
		}
		if err := s.Client().FlushDB(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
	}
	for _, page := range []string{"/jobs/api/queues/nosuch", "/jobs/api/queues/nosuch/pending_tasks", "/jobs/api/metrics?duration=60"} {
		if rec := served(h, http.MethodGet, page, nil); rec.Code != http.StatusNotFound {
			t.Errorf("%s: %d %s", page, rec.Code, rec.Body)
		}
	}
	s.Kill()
	if rec := served(h, http.MethodGet, "/jobs/api/queues", nil); rec.Code != http.StatusInternalServerError {
		t.Errorf("without Redis: %d %s", rec.Code, rec.Body)
	}
}
