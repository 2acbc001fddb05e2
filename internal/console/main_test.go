package console_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/console"
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
	shop  = tasks.Account{Provider: providers.ECTicket, Merchant: "2000132"}
	other = tasks.Account{Provider: providers.ECTicket, Merchant: "3000999"}
)

// customer is what may be seen only after "show".
const customer = "王小明"

// house is a front door with a console over a Redis of its own.
type house struct {
	t        *testing.T
	rdb      *redis.Client
	client   *tasks.Client
	ledger   *ledger.Ledger
	door     *frontdoor.Server
	console  *console.Console
	url      string
	log      *doortest.Log
	commands counter
	stop     func() // ends the front door
	with     func(*console.Config)
}

// counter counts Redis commands by name.
type counter struct {
	testredis.Hook
	mu    sync.Mutex
	names map[string]int
}

func (c *counter) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error { c.add(cmd); return next(ctx, cmd) }
}
func (c *counter) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error { c.add(cmds...); return next(ctx, cmds) }
}

func (c *counter) add(cmds ...redis.Cmder) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, cmd := range cmds {
		c.names[cmd.Name()]++
	}
}

func (c *counter) take() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := c.names
	c.names = map[string]int{}
	return out
}

// open opens a house with a tokens file, or without ("").
func open(t *testing.T, tokens string) *house {
	t.Helper()
	return openWith(t, tokens, func(*house, string) {})
}

// openWith is open with other settings; change also gets the URL of its Redis.
func openWith(t *testing.T, tokens string, change func(h *house, redisURL string)) *house {
	t.Helper()
	t.Parallel()
	srv := testredis.Start(t)
	h := &house{t: t, rdb: srv.Client(), log: &doortest.Log{}, commands: counter{names: map[string]int{}}}
	h.rdb.AddHook(&h.commands)
	change(h, srv.URL())
	h.serve(tokens)
	t.Cleanup(func() {
		if strings.Contains(h.log.String(), customer) || strings.Contains(h.log.String(), "iss_") {
			t.Error("the log holds a customer's data, or a secret")
		}
	})
	return h
}

// serve starts a front door over the house's Redis.
func (h *house) serve(tokens string) {
	h.t.Helper()
	log := slog.New(slog.NewTextHandler(h.log, nil))
	ring, err := seal.ParseRing(seal.SandboxKey())
	if err != nil {
		h.t.Fatal(err)
	}
	if h.client, err = tasks.NewClient(h.rdb, tasks.Options{SealKeys: seal.SandboxKey()}); err != nil {
		h.t.Fatal(err)
	}
	h.ledger = ledger.New(h.rdb, ledger.Options{})
	c := frontdoor.Config{Client: h.client, Ledger: h.ledger, RDB: h.rdb, Log: log, Version: "test"}
	if tokens != "" {
		if c.Tokens, err = frontdoor.ReadTokens(tokens, log); err != nil {
			h.t.Fatal(err)
		}
	}
	for _, a := range []tasks.Account{shop, other} {
		if err := h.rdb.HSet(h.t.Context(), keys.Accounts, a.String(), fmt.Sprintf(`{"allowance":%q,"calls_per_second":4,"at":%q}`, a, time.Now().UTC().Format(time.RFC3339))).Err(); err != nil {
			h.t.Fatal(err)
		}
	}
	h.door = frontdoor.New(c)
	pages := console.Config{Door: h.door, Client: h.client, Ledger: h.ledger, RDB: h.rdb, Log: log, Ring: ring, Tokens: c.Tokens}
	if h.with != nil {
		h.with(&pages)
	}
	h.console = console.New(pages)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { h.door.Run(ctx) })
	wg.Go(func() { h.console.Run(ctx) })
	web := httptest.NewServer(h.door)
	h.url = web.URL
	door := h.door
	h.stop = sync.OnceFunc(func() { door.Drain(); web.CloseClientConnections(); web.Close(); cancel(); wg.Wait() })
	h.t.Cleanup(h.stop)
}

// enqueue records an order of two tickets and makes its task.
func (h *house) enqueue(a tasks.Account, id string) order.Ref {
	h.t.Helper()
	return h.enqueueOf(a, id, "VQT04959")
}

func (h *house) enqueueOf(a tasks.Account, id, item string) order.Ref {
	h.t.Helper()
	doc := fmt.Sprintf(`{"provider":"ecticket","account":%q,"request":{"MerchantID":%q,"MerchantTradeNo":%q,"IssueType":"2","PrintType":"1","Operator":"AngelaChan","CustomerName":%q,"CustomerPhone":"0987654321",
	"CustomerEmail":"canary@example.com","CustomerAddress":"臺北市信義區一號","TicketInfo":[{"ItemNo":%q,"TicketAmount":2}]}}`, a, a.Merchant, id, customer, item)
	if _, err := h.client.Enqueue(h.t.Context(), []byte(doc)); err != nil {
		h.t.Fatal(err)
	}
	return order.Ref{Account: a, OrderID: id}
}

// end brings a record to an end as a worker does.
func (h *house) end(r order.Ref, e ledger.Ending) {
	h.t.Helper()
	doortest.End(h.t, h.ledger, r, e)
	if err := h.ledger.Publish(h.t.Context(), r); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) review(r order.Ref) {
	h.t.Helper()
	h.end(r, ledger.Ending{State: order.Review, Reason: ledger.Reason{Code: "in_doubt", Message: "the answer was lost"}})
}

func (h *house) state(r order.Ref) order.State {
	h.t.Helper()
	states, err := h.ledger.States(h.t.Context(), []order.Ref{r})
	if err != nil {
		h.t.Fatal(err)
	}
	return states[0]
}

// decisions are those about an order, or, where there is none, about an account.
func (h *house) decisions(r order.Ref) (list []ledger.Decision) {
	h.t.Helper()
	if r.OrderID == "" {
		for _, m := range h.rdb.XRange(h.t.Context(), keys.Decisions, "-", "+").Val() {
			if text := func(name string) string { return m.Values[name].(string) }; text("account") == r.Account.String() && text("order_id") == "" {
				list = append(list, ledger.Decision{What: text("what"), Ref: r, Who: text("who"), Reason: text("reason")})
			}
		}
		return list
	}
	list, err := h.ledger.Decisions(h.t.Context(), r)
	if err != nil {
		h.t.Fatal(err)
	}
	return list
}

// browser keeps cookies and fills in forms.
type browser struct {
	*house
	http *http.Client
	lang string
}

// answer is a response and its body.
type answer struct {
	*http.Response
	text string
}

func (h *house) browser() *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		h.t.Fatal(err)
	}
	return &browser{h, &http.Client{Jar: jar, Timeout: 2 * patience}, "en"}
}

// loggedIn is a browser with a token's login.
func (h *house) loggedIn(secret string) *browser {
	h.t.Helper()
	b := h.browser()
	if a := b.submit("/console/login", "/console/login", "token", secret); a.StatusCode != http.StatusOK || strings.HasSuffix(a.Request.URL.Path, "/login") {
		h.t.Fatalf("login: %d at %s", a.StatusCode, a.Request.URL)
	}
	return b
}

func (b *browser) do(req *http.Request) answer {
	b.t.Helper()
	req.Header.Set("Accept-Language", b.lang)
	res, err := b.http.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return answer{res, string(raw)}
}

func (b *browser) get(path string) answer {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), http.MethodGet, b.url+path, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	return b.do(req)
}

// page is get, for a page that there is.
func (b *browser) page(path string) string {
	b.t.Helper()
	a := b.get(path)
	if a.StatusCode != http.StatusOK {
		b.t.Fatalf("%s: %d: %s", path, a.StatusCode, a.text)
	}
	return a.text
}

var csrfField = regexp.MustCompile(`name="csrf" value="([0-9a-f]+)"`)

// post sends a form.
func (b *browser) post(path string, form url.Values, header ...string) answer {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, b.url+path, strings.NewReader(form.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	return b.do(req)
}

// submit fills in a form of a page and sends it.
func (b *browser) submit(page, path string, fields ...string) answer {
	b.t.Helper()
	form := url.Values{"csrf": {b.csrf(page)}}
	for i := 0; i+1 < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	return b.post(path, form)
}

func (b *browser) csrf(page string) string {
	b.t.Helper()
	m := csrfField.FindStringSubmatch(b.get(page).text)
	if m == nil {
		b.t.Fatalf("%s has no form", page)
	}
	return m[1]
}

func at(r order.Ref) string { return "/console/orders/" + r.Account.String() + "/" + r.OrderID }

// seen is the field of a review's forms that says which review it is.
func (b *browser) seen(r order.Ref) string {
	b.t.Helper()
	m := regexp.MustCompile(`name="seen" value="([0-9]+)"`).FindStringSubmatch(b.page(at(r)))
	if m == nil {
		b.t.Fatalf("%s has no form of a review", r)
	}
	return m[1]
}
