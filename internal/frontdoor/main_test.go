package frontdoor_test

import (
	"bytes"
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

	"github.com/redis/go-redis/v9"

	"issuance/internal/frontdoor"
	"issuance/internal/keys"
	"issuance/internal/ledger"
	"issuance/internal/seal"
	"issuance/internal/testredis"
	"issuance/providers"
	_ "issuance/providers/codecs"
	"issuance/tasks"
	"issuance/tasks/order"
)

var (
	shop   = tasks.Account{Provider: providers.ECTicket, Merchant: "2000132"}
	pass2u = tasks.Account{Provider: providers.Pass2U, Merchant: "main"}
)

const at = "/v1/orders/ecticket:2000132/"

// body is an ECTicket request without its number, full of a customer's data.
const body = `{"IssueType":"2","PrintType":"1","Operator":"AngelaChan","CustomerName":"王小明","CustomerPhone":"0987654321",
	"CustomerEmail":"canary@example.com","CustomerAddress":"臺北市信義區一號","TicketInfo":[{"ItemNo":"VQT04959","TicketAmount":2}]}`

var otherBody = strings.Replace(body, `"TicketAmount":2`, `"TicketAmount":3`, 1)

// canaries must stand in no log and no problem.
var canaries = []string{"王小明", "0987654321", "canary@example.com", "臺北市", "iss_"}

// house is a front door over a Redis of its own.
type house struct {
	t      testing.TB
	rdb    *redis.Client
	ledger *ledger.Ledger
	server *frontdoor.Server
	url    string
	token  string // sent with requests
	log    *lockedBuffer

	timeout time.Duration           // of the next server; 0 for the default
	change  func(*frontdoor.Config) // of the front doors that are served from now on
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) Reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.b.Reset()
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// open opens a house, with a tokens file or without (""). Its Redis is embedded: the scripts have been proven on a real
// one by the packages that they are of.
func open(t testing.TB, tokens string) *house {
	t.Helper()
	return openOver(t, testredis.Mini(t), tokens)
}

// openOver is open over a Redis of the test's choice.
func openOver(t testing.TB, srv *testredis.Server, tokens string) *house {
	t.Helper()
	h := &house{t: t, rdb: srv.Client(), log: &lockedBuffer{}}
	h.serve(tokens)
	t.Cleanup(func() {
		for _, c := range canaries {
			if strings.Contains(h.log.String(), c) {
				t.Errorf("the log holds %q", c)
			}
		}
	})
	return h
}

// serve starts a front door over the house's Redis.
func (h *house) serve(tokens string) {
	h.t.Helper()
	log := slog.New(slog.NewTextHandler(h.log, nil))
	rules := tasks.Rules{MerchantID: shop.Merchant}
	client, err := tasks.NewClient(h.rdb, tasks.Options{SealKeys: seal.SandboxKey(), Rules: rules})
	if err != nil {
		h.t.Fatal(err)
	}
	h.ledger = ledger.New(h.rdb, ledger.Options{})
	c := frontdoor.Config{Client: client, Ledger: h.ledger, RDB: h.rdb, Rules: rules, Log: log, Version: "test", Timeout: h.timeout}
	if tokens != "" {
		if c.Tokens, err = frontdoor.ReadTokens(tokens, log); err != nil {
			h.t.Fatal(err)
		}
	}
	if h.change != nil {
		h.change(&c)
	}
	h.server = frontdoor.New(c)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); h.server.Run(ctx) }()
	web := httptest.NewServer(h.server)
	h.url = web.URL
	h.t.Cleanup(func() { h.server.Drain(); web.Close(); cancel(); rouse(h.rdb); <-ended })
}

// rouse ends a reading of the events at once, which otherwise waits for up to a second.
func rouse(rdb *redis.Client) {
	_ = rdb.XAdd(context.Background(), &redis.XAddArgs{Stream: keys.Events, Values: []string{"test", "ends"}}) // it may be gone already
}

// tokensFile writes one and returns its path; each line is "NAME SCOPES ACCOUNTS RATE".
func tokensFile(t *testing.T, lines ...string) (path string, secrets map[string]string) {
	t.Helper()
	secrets = map[string]string{}
	var b strings.Builder
	b.WriteString("tokens:\n")
	for _, l := range lines {
		f := strings.Fields(l)
		secret, sum := frontdoor.NewToken()
		secrets[f[0]] = secret
		fmt.Fprintf(&b, "  - name: %s\n    sha256: %s\n    scopes: [%s]\n", f[0], sum, f[1])
		if len(f) > 2 && f[2] != "-" {
			fmt.Fprintf(&b, "    accounts: [%q]\n", f[2])
		}
		if len(f) > 3 {
			fmt.Fprintf(&b, "    requests_per_second: %s\n", f[3])
		}
	}
	path = filepath.Join(t.TempDir(), "tokens.yaml")
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return path, secrets
}

// answer is a response and its body.
type answer struct {
	*http.Response
	text string
}

func (h *house) call(method, path, content string, header ...string) answer {
	h.t.Helper()
	req, err := http.NewRequestWithContext(h.t.Context(), method, h.url+path, strings.NewReader(content))
	if err != nil {
		h.t.Fatal(err)
	}
	if content != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if h.token != "" {
		req.Header.Set("Authorization", "Bearer "+h.token)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
		if header[i] == "Host" {
			req.Host = header[i+1]
		}
	}
	described := req.Clone(h.t.Context())
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		h.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	if strings.HasPrefix(path, "/v1/") {
		described.Body = io.NopCloser(strings.NewReader(content))
		h.described(described, res, b)
	}
	if res.StatusCode >= 400 {
		for _, c := range canaries {
			if strings.Contains(string(b), c) {
				h.t.Errorf("a problem holds %q: %s", c, b)
			}
		}
	}
	return answer{res, string(b)}
}

// want is call, for an answer of a status that is decoded into v.
func (h *house) want(status int, v any, method, path, content string, header ...string) answer {
	h.t.Helper()
	a := h.call(method, path, content, header...)
	if a.StatusCode != status {
		h.t.Fatalf("%s %s: %d, want %d: %s", method, path, a.StatusCode, status, a.text)
	}
	if status >= 400 && a.Header.Get("Content-Type") != "application/problem+json" {
		h.t.Errorf("%s %s: content type %q", method, path, a.Header.Get("Content-Type"))
	}
	if v != nil {
		if err := json.Unmarshal([]byte(a.text), v); err != nil {
			h.t.Fatalf("%s %s: %v: %s", method, path, err, a.text)
		}
	}
	return a
}

// issue brings an order to its end as a worker does.
func (h *house) issue(id string) {
	h.t.Helper()
	h.end(tasks.Ref{Account: shop, OrderID: id}, ledger.Ending{State: order.Issued, ProviderRef: "REF" + id})
}

func (h *house) end(r tasks.Ref, e ledger.Ending) {
	h.t.Helper()
	ctx := h.t.Context()
	c, err := h.ledger.Claim(ctx, r, "w", 10*time.Second)
	if err != nil || c.Verdict != ledger.MaySend {
		h.t.Fatalf("claim %s: %v, %v", r, c.Verdict, err)
	}
	if a, _, err := h.ledger.Submit(ctx, r, c.Record.Fence, ledger.Intent{Host: "h", Lease: 10 * time.Second, Ticket: -1}); err != nil || !a.Applied {
		h.t.Fatalf("submit %s: %+v, %v", r, a, err)
	}
	if a, err := h.ledger.Finish(ctx, r, c.Record.Fence, e); err != nil || !a.Applied {
		h.t.Fatalf("finish %s: %+v, %v", r, a, err)
	}
}
