package frontdoor_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/budget"
	"issuance/internal/doortest"
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
	log    *doortest.Log

	timeout time.Duration           // of the next server; 0 for the default
	change  func(*frontdoor.Config) // of the front doors that are served from now on
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
	h := &house{t: t, rdb: srv.Client(), log: &doortest.Log{}}
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
	server := frontdoor.New(c) // a house may serve once more, with other tokens
	h.server = server
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); server.Run(ctx) }()
	web := httptest.NewServer(server)
	h.url = web.URL
	h.t.Cleanup(func() { server.Drain(); web.Close(); cancel(); rouse(h.rdb); <-ended })
}

// rouse ends a reading of the events at once, which otherwise waits for up to a second.
func rouse(rdb *redis.Client) {
	_ = rdb.XAdd(context.Background(), &redis.XAddArgs{Stream: keys.Events, Values: []string{"test", "ends"}}) // it may be gone already
}

// openUnruled opens a house whose front door has no rules of its own for documents. Workers have announced accounts.
func openUnruled(t testing.TB, accounts ...tasks.Account) *house {
	t.Helper()
	h := &house{t: t, rdb: testredis.Mini(t).Client(), log: &doortest.Log{}}
	h.change = func(c *frontdoor.Config) {
		client, err := tasks.NewClient(h.rdb, tasks.Options{SealKeys: seal.SandboxKey()})
		if err != nil {
			t.Fatal(err)
		}
		c.Client, c.Rules = client, tasks.Rules{}
	}
	announced(t, h, accounts...)
	h.serve("")
	return h
}

// announced has workers announce accounts.
func announced(t testing.TB, h *house, accounts ...tasks.Account) {
	t.Helper()
	for _, a := range accounts {
		b, err := budget.New(h.rdb, budget.Config{Account: a, PerSecond: 1})
		if err == nil {
			err = b.Announce(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
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
	doortest.End(h.t, h.ledger, r, e)
}

// bulk sends a file of lines, and sorts those of its answer.
func (h *house) bulk(query, file string) (receipts []string, wrong []frontdoor.BulkLine, done frontdoor.BulkDone) {
	h.t.Helper()
	a := h.want(http.StatusOK, nil, http.MethodPost, "/v1/bulk"+query, file, "Content-Type", "application/x-ndjson")
	for text := range strings.Lines(a.text) {
		var l frontdoor.BulkLine
		if err := json.Unmarshal([]byte(text), &l); err != nil {
			h.t.Fatal(err)
		}
		switch {
		case l.Receipt != nil:
			receipts = append(receipts, l.Receipt.OrderID)
		case l.Done != nil:
			done = *l.Done
		default:
			wrong = append(wrong, l)
		}
	}
	return receipts, wrong, done
}
