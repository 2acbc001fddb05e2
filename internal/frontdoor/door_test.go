package frontdoor_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"issuance/internal/announce"
	"issuance/internal/doortest"
	"issuance/internal/frontdoor"
	"issuance/internal/seal"
	"issuance/internal/testredis"
	"issuance/tasks"
)

func TestOnlyATokenOpensTheDoor(t *testing.T) {
	path, secrets := doortest.TokensFile(t, "shop orders")
	h := open(t, path)
	for _, header := range [][]string{nil, {"Authorization", "Bearer "}, {"Authorization", "Bearer iss_wrong"}, {"Authorization", "Basic " + secrets["shop"]}} {
		var p frontdoor.Problem
		a := h.want(http.StatusUnauthorized, &p, http.MethodPut, at+"A1", body, header...)
		if a.Header.Get("WWW-Authenticate") != "Bearer" || p.Code != "unauthorized" {
			t.Errorf("%v: %v %+v", header, a.Header, p)
		}
	}
	h.token = secrets["shop"]
	h.want(http.StatusCreated, nil, http.MethodPut, at+"A1", body)
	for _, path := range []string{"/healthz", "/readyz", "/metrics", "/openapi.json", "/docs"} {
		h.token = ""
		h.want(http.StatusOK, nil, http.MethodGet, path, "")
	}
}

func TestEveryScopeAndAccountIsAskedFor(t *testing.T) {
	path, secrets := doortest.TokensFile(t, "events events", "refunds refunds", "orders orders", "pass2u orders,refunds,events pass2u:main")
	h := open(t, path)
	type request struct{ method, path, body string }
	need := map[string][]request{
		"orders": {{http.MethodPut, at + "A1", body}, {http.MethodPost, "/v1/orders", `{"provider":"ecticket","request":` + strings.Replace(body, "{", `{"MerchantTradeNo":"A1",`, 1) + `}`},
			{http.MethodGet, at + "A1", ""}, {http.MethodGet, at + "A1/history", ""}, {http.MethodGet, "/v1/orders", ""}, {http.MethodPost, at + "A1/cancel", ""}, {http.MethodPost, "/v1/bulk?dry_run=true", "MerchantTradeNo\nA1\n"}},
		"refunds": {{http.MethodPut, at + "A1/refunds/R1", `{"all":true}`}, {http.MethodPost, at + "A1/refunds/R1/cancel", ""}},
		"events":  {{http.MethodGet, "/v1/events", ""}, {http.MethodGet, "/v1/events/stream?after=x", ""}},
	}
	for scope, requests := range need {
		for _, r := range requests {
			for name := range secrets {
				h.token = secrets[name]
				kind := "application/json"
				if strings.HasPrefix(r.path, "/v1/bulk") {
					kind = "text/csv"
				}
				a := h.call(r.method, r.path, r.body, "Content-Type", kind)
				allowed := name == scope
				if name == "pass2u" { // every scope, but for an ECTicket order
					allowed = !strings.HasPrefix(r.path, at) && !strings.Contains(r.body, "ecticket")
				}
				if (a.StatusCode != http.StatusForbidden) != allowed {
					t.Errorf("%s %s with token %s: %d", r.method, r.path, name, a.StatusCode)
				}
			}
		}
	}
}

// Without tokens only programs of this machine are answered: no page of another site, and no name that leads here.
func TestWithoutTokensNoWebPageGetsIn(t *testing.T) {
	h := open(t, "")
	for _, header := range [][]string{{"Host", "evil.example"}, {"Origin", "https://evil.example"}, {"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}} {
		a := h.call(http.MethodPut, at+"A1", body, header...)
		if a.StatusCode != http.StatusForbidden {
			t.Errorf("%v: %d", header, a.StatusCode)
		}
	}
	h.want(http.StatusForbidden, nil, http.MethodGet, "/v1/orders", "", "Sec-Fetch-Site", "cross-site")
	h.want(http.StatusForbidden, nil, http.MethodGet, "/v1/orders", "", "Origin", "https://evil.example")
	h.want(http.StatusForbidden, nil, http.MethodGet, "/v1/orders", "", "Origin", "null")
	h.want(http.StatusOK, nil, http.MethodGet, "/v1/orders", "", "Origin", h.url)
	h.want(http.StatusOK, nil, http.MethodGet, "/v1/orders", "", "Origin", "null", "Sec-Fetch-Site", "same-origin") // our own page's form
	h.want(http.StatusCreated, nil, http.MethodPut, at+"A1", body, "Host", "localhost:8090")
}

// Without tokens nothing is answered that a proxy of this machine may have passed on for somebody elsewhere.
func TestWithoutTokensNothingComesThroughAProxy(t *testing.T) {
	header := [][]string{{"X-Forwarded-For", "203.0.113.9"}, {"X-Forwarded-Host", "shop.example"}, {"X-Forwarded-Proto", "https"}, {"Forwarded", "for=203.0.113.9"}, {"Via", "1.1 proxy"}, {"X-Real-IP", "203.0.113.9"}}
	h := open(t, "")
	for _, by := range header {
		var p frontdoor.Problem
		h.want(http.StatusForbidden, &p, http.MethodPut, at+"A1", body, by...)
		if p.Code != "forbidden" || !strings.Contains(p.Detail, "GATEWAY_TOKENS_FILE") || !strings.Contains(p.Detail, "proxy") {
			t.Errorf("%v: %+v", by, p)
		}
		r := httptest.NewRequest(http.MethodGet, "http://localhost/console/", nil)
		r.Header.Set(by[0], by[1])
		if frontdoor.Local(r) {
			t.Errorf("%v: mounted handlers take it for a request of this machine", by)
		}
	}
	h.want(http.StatusNotFound, nil, http.MethodGet, at+"A1", "")
	path, secrets := doortest.TokensFile(t, "shop orders")
	h.serve(path)
	h.token = secrets["shop"]
	for _, by := range header {
		h.want(http.StatusNotFound, nil, http.MethodGet, at+"A1", "", by...)
	}
}

// A front door whose keys no worker holds takes no order, so nobody is led to it.
func TestADoorWithWrongKeysIsNotReady(t *testing.T) {
	h := open(t, "")
	h.want(http.StatusOK, nil, http.MethodGet, "/readyz", "") // no worker has said anything yet
	if err := announce.SealKeys(t.Context(), h.rdb, []string{"another"}); err != nil {
		t.Fatal(err)
	}
	var p frontdoor.Problem
	h.want(http.StatusServiceUnavailable, &p, http.MethodGet, "/readyz", "")
	if p.Code != "wrong_keys" {
		t.Errorf("%+v", p)
	}
	h.want(http.StatusOK, nil, http.MethodGet, "/healthz", "")
	ring, err := seal.ParseRing(seal.SandboxKey())
	if err != nil {
		t.Fatal(err)
	}
	if err := announce.SealKeys(t.Context(), h.rdb, ring.IDs()); err != nil {
		t.Fatal(err)
	}
	h.want(http.StatusOK, nil, http.MethodGet, "/readyz", "")
}

func TestATokensRateHoldsForAllFrontDoors(t *testing.T) {
	path, secrets := doortest.TokensFile(t, "slow orders - 1", "free orders")
	h := openOver(t, testredis.Start(t), path)
	h.token = secrets["slow"]
	limited := 0
	h.want(http.StatusNotFound, nil, http.MethodGet, at+"A1", "")
	for range 30 {
		a := h.call(http.MethodGet, at+"A1", "")
		if a.StatusCode == http.StatusTooManyRequests {
			if limited++; a.Header.Get("Retry-After") == "" {
				t.Error("no Retry-After")
			}
		}
	}
	if limited < 25 { // one second's worth at once, and what a slow machine takes longer than a second for
		t.Errorf("%d of 30 were limited", limited)
	}
	h.serve(path) // another one
	h.want(http.StatusTooManyRequests, nil, http.MethodGet, at+"A1", "")
	h.token = secrets["free"]
	h.want(http.StatusNotFound, nil, http.MethodGet, at+"A1", "")
}

func TestTheTokensFileIsReadAgainAndABrokenOneChangesNothing(t *testing.T) {
	path, secrets := doortest.TokensFile(t, "old orders")
	var log bytes.Buffer
	tokens, err := frontdoor.ReadTokens(path, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	tokens.SetClock(func() time.Time { return now })
	next, more := doortest.TokensFile(t, "new orders,events ecticket")
	replace := func(content []byte) {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		now = now.Add(3 * time.Second)
	}
	replace([]byte("tokens: [{name: x, sha256: 12}]\n"))
	if tokens.Find(secrets["old"]) == nil || !strings.Contains(log.String(), "alarm") {
		t.Errorf("a broken file locks everybody out: %s", &log)
	}
	content, err := os.ReadFile(next)
	if err != nil {
		t.Fatal(err)
	}
	replace(content)
	if tokens.Find(secrets["old"]) != nil {
		t.Error("a removed token opens the door")
	}
	k := tokens.Find(more["new"])
	if k == nil || !k.May(frontdoor.Events) || k.May(frontdoor.Tickets) || !k.Sees(shop) || k.Sees(pass2u) {
		t.Errorf("%+v", k)
	}
}

func TestATokensFileIsCheckedCompletely(t *testing.T) {
	dir := t.TempDir()
	for content, wants := range map[string][]string{
		"":             {"must be YAML"},
		"tokens: []":   {"no tokens"},
		"tokens: x: y": {"must be YAML"},
		"tokens:\n  - nam: x\n    scopes: [all]\n    requests_per_second: secret\n":                                                                              {"line 2: unknown key nam", "line 4: a value of another kind", "line 3: token 1: scopes"},
		"tokens: [{name: a, sha256: " + strings.Repeat("ab", 32) + ", scopes: [orders]}, {name: b, sha256: " + strings.Repeat("ab", 32) + ", scopes: [orders]}]": {"token 2: its sha256 is another one's"},
		"tokens: [{name: 'a b'}, {name: x, sha256: zz, scopes: [all], accounts: ['nobody:1'], requests_per_second: -1}, {name: x}]":                              {"token 1: name", "token 1: sha256", "token 1: it has no scopes", "token 2: sha256", "token 2: scopes", "token 2: accounts", "token 2: requests_per_second", "token 3: its name is taken"},
	} {
		path := dir + "/tokens.yaml"
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := frontdoor.ReadTokens(path, slog.New(slog.DiscardHandler))
		for _, want := range wants {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%q: %v lacks %q", content, err, want)
			}
		}
	}
}

func TestWhatIsTooLargeOrOfAnotherKindIsRefused(t *testing.T) {
	h := open(t, "")
	var p frontdoor.Problem
	h.want(http.StatusRequestEntityTooLarge, &p, http.MethodPut, at+"A1", `{"CustomerName":"`+strings.Repeat("x", 2<<20)+`"}`)
	if p.Code != "too_large" {
		t.Errorf("%+v", p)
	}
	for _, kind := range []string{"text/xml", "application/x-www-form-urlencoded", "application/json; charset=big5"} {
		h.want(http.StatusUnsupportedMediaType, &p, http.MethodPut, at+"A1", body, "Content-Type", kind)
	}
	for _, coding := range []string{"gzip", "deflate", "br", "gzip, identity"} {
		h.want(http.StatusUnsupportedMediaType, &p, http.MethodPut, at+"A1", body, "Content-Encoding", coding)
		h.want(http.StatusUnsupportedMediaType, &p, http.MethodPut, at+"A1/refunds/R1", `{"all":true}`, "Content-Encoding", coding)
		h.want(http.StatusUnsupportedMediaType, &p, http.MethodPost, "/v1/orders", `{}`, "Content-Encoding", coding)
	}
	h.want(http.StatusCreated, nil, http.MethodPut, at+"A0", body, "Content-Encoding", "identity")
	h.want(http.StatusCreated, nil, http.MethodPut, at+"A1", body, "Content-Type", "application/json; charset=UTF-8")
	h.want(http.StatusNotFound, &p, http.MethodGet, "/v2/orders", "")
	h.want(http.StatusUnprocessableEntity, &p, http.MethodPut, "/v1/orders/kiosk/A1", body)
	if !strings.Contains(p.Detail, "ecticket") {
		t.Errorf("%+v", p)
	}
	h.want(http.StatusUnprocessableEntity, &p, http.MethodPut, at+"A1?lane=fast", body)
	h.want(http.StatusUnprocessableEntity, &p, http.MethodPut, "/v1/orders/ecticket:999/A1", body)
}

// When Redis is away, nothing is known of a request's effect, and repeating it is safe.
func TestWithoutRedisTheAnswerIsToRepeat(t *testing.T) {
	h := openOver(t, testredis.Start(t), "")
	h.want(http.StatusCreated, nil, http.MethodPut, at+"A1", body)
	if err := h.rdb.Do(t.Context(), "CONFIG", "SET", "maxmemory", "1").Err(); err != nil {
		t.Fatal(err)
	}
	var p frontdoor.Problem
	a := h.want(http.StatusServiceUnavailable, &p, http.MethodPut, at+"A2", body)
	if a.Header.Get("Retry-After") == "" || p.Code != "unreachable" {
		t.Errorf("%v %+v", a.Header, p)
	}
	if err := h.rdb.Do(t.Context(), "CONFIG", "SET", "maxmemory", "0").Err(); err != nil {
		t.Fatal(err)
	}
	h.want(http.StatusCreated, nil, http.MethodPut, at+"A2", body)
}

func TestEveryRequestIsLoggedWithoutItsContent(t *testing.T) {
	path, secrets := doortest.TokensFile(t, "shop orders")
	h := open(t, path)
	h.token = secrets["shop"]
	a := h.want(http.StatusCreated, nil, http.MethodPut, at+"A1", body, "X-Request-Id", "checkout-4711")
	if a.Header.Get("X-Request-Id") != "checkout-4711" || a.Header.Get("X-Content-Type-Options") != "nosniff" || a.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%v", a.Header)
	}
	h.want(http.StatusConflict, nil, http.MethodPut, at+"A1", otherBody, "X-Request-Id", "bad id\t")
	for _, want := range []string{"request=checkout-4711", "token=shop", "order=ecticket:2000132/A1", "outcome=recorded", "outcome=conflict", "status=409", "took_ms="} {
		if !strings.Contains(h.log.String(), want) {
			t.Errorf("the log lacks %q: %s", want, h.log)
		}
	}
}

// A caller that hangs up is no failure of the front door or of Redis: what counts failures must not count it.
func TestACallerThatIsGoneIsNoFailure(t *testing.T) {
	path, secrets := doortest.TokensFile(t, "shop orders")
	h := open(t, path)
	h.token = secrets["shop"]
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	r := httptest.NewRequestWithContext(gone, http.MethodPut, at+"A1", strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+h.token)
	h.server.ServeHTTP(httptest.NewRecorder(), r)
	for _, want := range []string{"status=499", "outcome=caller_gone"} {
		if !strings.Contains(h.log.String(), want) {
			t.Errorf("the log lacks %q: %s", want, h.log)
		}
	}
	if text := h.log.String(); strings.Contains(text, "level=WARN") || strings.Contains(text, "unreachable") {
		t.Errorf("logged as a failure: %s", text)
	}
	res, err := http.Get(h.url + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if text, err := io.ReadAll(res.Body); err != nil || bytes.Contains(text, []byte(`status="5`)) {
		t.Errorf("counted as a failure: %v", err)
	}
	h.want(http.StatusCreated, nil, http.MethodPut, at+"A1", body) // and nothing has been done
}

// A body that breaks off is the caller's trouble, and logged with an outcome as every request.
func TestABodyThatBreaksOffIsNoFailure(t *testing.T) {
	h := open(t, "")
	c, err := net.Dial("tcp", strings.TrimPrefix(h.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "PUT %sA1 HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{", at)
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var p frontdoor.Problem
	if err := json.NewDecoder(res.Body).Decode(&p); err != nil || res.StatusCode != http.StatusBadRequest || p.Code != "invalid" || p.RequestID == "" {
		t.Errorf("%d %+v %v", res.StatusCode, p, err)
	}
	if !strings.Contains(h.log.String(), "outcome=invalid") {
		t.Errorf("the log has no outcome: %s", h.log)
	}
}

// A file that breaks off is named as that, and not as trouble of the queue; what has a receipt is recorded.
func TestAFileThatBreaksOffIsNamedAsThat(t *testing.T) {
	h := open(t, "")
	document := strings.ReplaceAll(`{"provider":"ecticket","request":`+strings.Replace(body, "{", `{"MerchantTradeNo":"A1",`, 1)+"}", "\n", "") + "\n"
	for sent, want := range map[string]string{document: `"code":"invalid","detail":"the file broke off`, "": "HTTP/1.1 400"} {
		h.log.Reset()
		c, err := net.Dial("tcp", strings.TrimPrefix(h.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(c, "POST /v1/bulk HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/x-ndjson\r\nContent-Length: 5000\r\n\r\n%s", sent)
		if err := c.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		answer, err := io.ReadAll(c)
		c.Close()
		if text := string(answer); err != nil || !strings.Contains(text, want) || strings.Contains(text, `"complete":true`) {
			t.Errorf("%v %s", err, text)
		}
		if text := h.log.String(); !strings.Contains(text, "outcome=invalid") {
			t.Errorf("%s", text)
		}
	}
}

func TestAStoppingServerAnswersThoseWhoWait(t *testing.T) {
	h := open(t, "")
	h.want(http.StatusCreated, nil, http.MethodPut, at+"A1", body)
	done := make(chan frontdoor.Status)
	go func() {
		var st frontdoor.Status
		h.want(http.StatusOK, &st, http.MethodGet, at+"A1?wait=60", "")
		done <- st
	}()
	for metric(h, "issuance_http_waiting_requests") != "1" {
	}
	h.server.Drain()
	if st := <-done; st.State != tasks.Queued {
		t.Errorf("%+v", st)
	}
	h.want(http.StatusServiceUnavailable, nil, http.MethodGet, "/readyz", "")
}
