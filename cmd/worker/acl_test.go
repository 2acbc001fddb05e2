package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/cli"
	"issuance/internal/frontdoor"
	"issuance/internal/testredis"
	"issuance/internal/thinevent"
	"issuance/providers/ecticket/ecticketsim"
	"sync"
)

// guarded is a Redis with the users of deploy/users.acl, as deploy/make-secrets.sh makes them, and one more who
// may do everything, for the test. addresses are the users' own, as REDIS_URL takes them.
func guarded(t *testing.T) (admin *redis.Client, addresses map[string]string) {
	t.Helper()
	secrets, dir := t.TempDir(), t.TempDir()
	if out, err := exec.Command("sh", "../../deploy/make-secrets.sh", secrets).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	rules, err := os.ReadFile(filepath.Join(secrets, "redis_users.acl"))
	if err != nil {
		t.Fatal(err)
	}
	acl, conf := filepath.Join(dir, "users.acl"), filepath.Join(dir, "redis.conf")
	for path, text := range map[string]string{acl: "user default on nopass ~* &* +@all\n", conf: "aclfile " + acl + "\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := testredis.StartFile(t, conf)
	if s == nil {
		t.Skip("only a real redis-server has users")
	}
	if err := os.WriteFile(acl, append(rules, "user admin on >admin ~* &* +@all\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Client().Do(t.Context(), "ACL", "LOAD").Err(); err != nil {
		t.Fatal(err)
	}
	admin = redis.NewClient(&redis.Options{Addr: s.Addr, Username: "admin", Password: "admin"})
	t.Cleanup(func() { _ = admin.Close() })
	addresses = map[string]string{}
	for _, user := range []string{"worker", "producer", "gateway", "operator", "reader"} {
		url, err := os.ReadFile(filepath.Join(secrets, "redis_url_"+user))
		if err != nil {
			t.Fatal(err)
		}
		addresses[user] = strings.Replace(strings.TrimSpace(string(url)), "redis:6379", s.Addr, 1)
	}
	return admin, addresses
}

// With the users of deploy/users.acl everything works that each of them is for, and Redis refuses nothing of it.
func TestUsersMayDoWhatTheyAreFor(t *testing.T) {
	t.Parallel()
	admin, addresses := guarded(t)
	o := newOutside(t, addresses["worker"])
	o.ecticket.SetFault(func(c ecticketsim.Call) ecticketsim.Fault {
		if c.Op == ecticketsim.OpIssue && c.OrderID == "BAN" {
			return ecticketsim.Fault{Kind: ecticketsim.Ban403}
		}
		return ecticketsim.Fault{}
	})
	o.env["ECTICKET_BAN"] = "1s"
	w := start(t, o.env, "--verbose")
	url := w.sees(w.err, `"admin":"([^"]+)"`)[1]
	dir := t.TempDir()
	file := func(name string, text []byte) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	enqueue := func(user string, args ...string) {
		t.Helper()
		env := map[string]string{"REDIS_URL": addresses[user], "ISSUANCE_SEAL_KEYS": sealKey, "ECTICKET_MERCHANT_ID": ecticketAccount.Merchant, "USER": "ann", "TZ": "UTC"}
		var out, stderr bytes.Buffer
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		if code := cli.Run(ctx, args, env, cli.Streams{In: strings.NewReader(""), Out: &out, Err: &stderr}); code != 0 {
			t.Errorf("%s: enqueue %s: %d\n%s%s", user, strings.Join(args, " "), code, &out, &stderr)
		}
	}
	refund := file("refund.json", []byte(`{"provider":"ecticket","refund_id":"R1","request":{"MerchantTradeNo":"E1","all":true}}`))
	bulk := file("bulk.ndjson", bytes.ReplaceAll(bytes.Join([][]byte{ecticketOrder("B1"), pass2uOrder("B2")}, []byte("@")), []byte("\n"), nil))
	text, _ := os.ReadFile(bulk)
	file("bulk.ndjson", append(bytes.ReplaceAll(text, []byte("@{"), []byte("\n{")), '\n'))

	enqueue("producer", "issue", file("e1.json", ecticketOrder("E1")), "--wait")
	enqueue("producer", "issue", file("p1.json", pass2uOrder("P1")), "--wait")
	enqueue("producer", "issue", file("ban.json", ecticketOrder("BAN")))
	w.sees(w.err, `queue paused.*ecticket-checkout`)
	enqueue("producer", "issue", file("e2.json", ecticketOrder("E2")), "--wait") // others pass in between
	w.sees(w.err, `"code":"draws_ban"`)
	enqueue("operator", "retry", "ecticket", "BAN")
	enqueue("producer", "issue", file("e3.json", ecticketOrder("E3")), "--wait")
	w.sees(w.err, `(?s)needs review"[^\n]*"code":"draws_ban".*needs review"[^\n]*"code":"draws_ban"`)
	enqueue("operator", "resolve", "ecticket", "BAN", "--as", "failed", "--reason", "test")
	enqueue("producer", "refund", refund, "--wait")
	enqueue("producer", "bulk", bulk)
	enqueue("producer", "status", "ecticket", "E1", "--tickets")
	throughTheDoor(t, addresses["gateway"], o)
	for _, user := range []string{"producer", "operator"} {
		enqueue(user, "tickets", "ecticket", "DOOR1", "--refresh")
	}
	enqueue("operator", "pause", "pass2u", "--reason", "test")
	enqueue("producer", "issue", file("p2.json", pass2uOrder("P2")))
	enqueue("producer", "cancel", "pass2u", "P2", "--reason", "test")
	enqueue("operator", "resume", "pass2u", "--reason", "test")
	enqueue("operator", "erase", "ecticket", "E1", "--reason", "test")
	for _, user := range []string{"producer", "operator", "reader"} {
		enqueue(user, "status", "ecticket", "E1")
		enqueue(user, "history", "ecticket", "E1")
		enqueue(user, "list", "--state", "issued")
		enqueue(user, "review")
		enqueue(user, "budget")
	}
	var waits sync.WaitGroup
	for _, user := range []string{"producer", "operator", "gateway"} { // who enqueues may wait for replicas, of which there are none
		waits.Go(func() {
			env := map[string]string{"REDIS_URL": addresses[user], "REDIS_WAIT_REPLICAS": "1", "ISSUANCE_SEAL_KEYS": sealKey, "ECTICKET_MERCHANT_ID": ecticketAccount.Merchant}
			var stderr bytes.Buffer
			code := cli.Run(t.Context(), []string{"issue", filepath.Join(dir, "e1.json")}, env, cli.Streams{In: strings.NewReader(""), Out: io.Discard, Err: &stderr})
			if code == 0 || !strings.Contains(stderr.String(), "0 of 1 replicas have the record") {
				t.Errorf("%s: %d\n%s", user, code, &stderr)
			}
		})
	}
	waits.Wait()
	for _, page := range []string{"/readyz", "/metrics", "/jobs/api/queues", "/jobs/api/queues/ecticket-checkout", "/jobs/api/redis_info", "/jobs/api/servers", noticesPath} {
		if status, body := get(t, url+page); status != 200 {
			t.Errorf("%s: %d %s", page, status, body)
		}
	}
	if code := w.stop(); code != exitFine {
		t.Errorf("the worker ends with %d", code)
	}
	if text := w.err.String(); strings.Contains(text, "NOPERM") {
		t.Errorf("the worker's log:\n%s", text)
	}
	log, err := admin.ACLLog(t.Context(), 100).Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range log {
		t.Errorf("Redis refused %s of %s: %s (%s)", e.Object, e.Username, e.Reason, e.Context)
	}
}

// What a user is not for is refused.
func TestUsersMayDoNothingElse(t *testing.T) {
	t.Parallel()
	_, addresses := guarded(t)
	type command []any
	everybody := []command{{"FLUSHALL"}, {"FLUSHDB"}, {"KEYS", "*"}, {"CONFIG", "SET", "appendonly", "no"}, {"ACL", "LIST"}, {"SHUTDOWN", "NOSAVE"}, {"MONITOR"},
		{"REPLICAOF", "NO", "ONE"}, {"SAVE"}, {"MIGRATE", "h", "1", "k", "0", "1"}, {"MODULE", "LIST"}, {"SET", "elsewhere", "1"}, {"GET", "elsewhere"}, {"SCRIPT", "FLUSH"}, {"CLIENT", "KILL", "TYPE", "normal"}}
	also := map[string][]command{
		"worker":   nil,
		"producer": {{"SET", "issuance:mode", "sandbox"}, {"HSET", "issuance:sandbox", "a", "b"}, {"HSET", "issuance:accounts", "a", "b"}, {"ZADD", "issuance:seal_keys", 1, "a"}, {"DEL", "issuance:{budget:ecticket:1}:ban"}, {"CONFIG", "GET", "dir"}},
		"operator": {{"SET", "issuance:mode", "sandbox"}, {"HSET", "issuance:sandbox", "a", "b"}, {"ZADD", "issuance:seal_keys", 1, "a"}, {"CONFIG", "GET", "dir"}},
		"reader":   {{"SET", "issuance:mode", "sandbox"}, {"DEL", "issuance:{ecticket:1:A}:order"}, {"LPUSH", "asynq:{q}:pending", "a"}, {"XADD", "issuance:events", "*", "a", "b"}, {"EVAL", "return redis.call('DEL','issuance:events')", 0}},
	}
	for user, more := range also {
		options, err := redis.ParseURL(addresses[user])
		if err != nil {
			t.Fatal(err)
		}
		c := redis.NewClient(options)
		t.Cleanup(func() { _ = c.Close() })
		for _, args := range append(everybody, more...) {
			if err := c.Do(t.Context(), args...).Err(); err == nil || !strings.Contains(fmt.Sprint(err), "NOPERM") && !strings.Contains(fmt.Sprint(err), "can't run this command") {
				t.Errorf("%s: %v: %v", user, args, err)
			}
		}
	}
}

// throughTheDoor uses every part of a front door that works as a user of Redis, beside a worker that works as another.
func throughTheDoor(t *testing.T, address string, o *outside) {
	t.Helper()
	dir := t.TempDir()
	got := make(chan string, 100)
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var e thinevent.Event
		_ = json.NewDecoder(r.Body).Decode(&e) // what is no event has no type
		got <- e.Type
	}))
	defer hook.Close()
	secret, sum := frontdoor.NewToken()
	files := map[string]string{
		"tokens.yaml":   "tokens: [{name: shop, sha256: " + sum + ", scopes: [orders, refunds, tickets, events, operate], requests_per_second: 1000}]\n",
		"webhooks.yaml": "webhooks: [{name: shop, url: " + hook.URL + ", secret: whsec_" + sealKey + ", events: [order.issued, ticket.redeemed], allow_private: true}]\n",
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	env := map[string]string{"REDIS_URL": address, "ISSUANCE_SEAL_KEYS": sealKey, "ECTICKET_MERCHANT_ID": ecticketAccount.Merchant,
		"ECTICKET_HASH_KEY": o.env["ECTICKET_HASH_KEY"], "ECTICKET_HASH_IV": o.env["ECTICKET_HASH_IV"],
		"GATEWAY_TOKENS_FILE": filepath.Join(dir, "tokens.yaml"), "GATEWAY_WEBHOOKS_FILE": filepath.Join(dir, "webhooks.yaml")}
	log := newOutput()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan int, 1)
	go func() {
		ended <- cli.Run(ctx, []string{"serve", "--http-addr", "127.0.0.1:0"}, env, cli.Streams{In: strings.NewReader(""), Out: log, Err: log})
	}()
	defer func() {
		stop()
		if code := <-ended; code != 0 || strings.Contains(log.String(), "NOPERM") {
			t.Errorf("enqueue serve: %d\n%s", code, log)
		}
	}()
	url := (&process{t: t}).sees(log, `"url":"(http://[^"]+)"`)[1]
	call := func(method, path, body string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, url+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+secret)
		req.Header.Set("Content-Type", "application/json")
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if text, _ := io.ReadAll(res.Body); res.StatusCode >= 400 {
			t.Errorf("gateway: %s %s: %d %s", method, path, res.StatusCode, text)
		}
	}
	const order = `{"IssueType":"4","Operator":"me","TicketInfo":[{"ItemName":"一日入場券","TicketPrice":500,"TicketAmount":2}]}`
	call(http.MethodPut, "/v1/orders/ecticket/DOOR1", order)
	call(http.MethodGet, "/v1/orders/ecticket/DOOR1?wait=60&tickets=true", "")
	call(http.MethodPut, "/v1/orders/ecticket/DOOR1/refunds/R1", `{"quantity":1}`)
	call(http.MethodGet, "/v1/orders/ecticket/DOOR1/history", "")
	call(http.MethodGet, "/v1/orders?state=issued", "")
	call(http.MethodGet, "/v1/events", "")
	call(http.MethodPost, "/v1/bulk", `{"provider":"ecticket","request":`+strings.Replace(order, "{", `{"MerchantTradeNo":"DOOR2",`, 1)+"}\n")
	call(http.MethodGet, "/readyz", "")
	call(http.MethodGet, "/metrics", "")
	atTheConsole(t, url, secret)
	// A notice that the front door stores is taken by the worker, and what it finds goes to the webhook.
	o.ecticket.SetNoticeTo(func(merchant, _ string) string { return url + frontdoor.NoticePath + merchant })
	sold, _ := o.ecticket.Books().Order("DOOR1")
	for _, k := range sold.Tickets {
		if k.UseStatus == ecticketsim.Unused && o.ecticket.Redeem(k.TicketNo, "") != nil {
			t.Error("a ticket cannot be redeemed")
		}
	}
	o.ecticket.SendNotices(t.Context())
	if n := o.ecticket.Books().Notices; len(n) == 0 || !n[len(n)-1].Acknowledged {
		t.Errorf("notices %+v\n%s", n, log)
	}
	for _, want := range []string{"order.issued", "ticket.redeemed"} {
		for came := ""; came != want; {
			select {
			case came = <-got:
			case <-time.After(patience):
				t.Fatalf("no webhook %s came\n%s", want, log)
			}
		}
	}
}

// atTheConsole logs in to a front door's console, looks at its pages, and makes and starts a job.
func atTheConsole(t *testing.T, base, token string) {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: jar}
	text := func(res *http.Response, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode >= 400 {
			t.Errorf("gateway: %s: %d %s %v", res.Request.URL, res.StatusCode, body, err)
		}
		return string(body)
	}
	get := func(path string) string { t.Helper(); return text(browser.Get(base + path)) }
	submit := func(page, path string, form url.Values) string {
		t.Helper()
		m := regexp.MustCompile(`name="csrf" value="([0-9a-f]+)"`).FindStringSubmatch(get(page))
		if m == nil {
			t.Fatalf("gateway: %s has no form", page)
		}
		form.Set("csrf", m[1])
		return text(browser.PostForm(base+path, form))
	}
	const order = "/console/orders/ecticket:2000132/DOOR1"
	submit("/console/login", "/console/login", url.Values{"token": {token}})
	for _, path := range []string{"/console/", "/console/?state=ended", "/console/?q=DOOR1", "/console/reviews", "/console/jobs", "/console/accounts", "/console/bulk", "/console/webhooks", "/console/queues/",
		"/console/queues/ui/api/queues", "/console/queues/ui/api/queues/ecticket-checkout", "/console/queues/ui/api/redis_info", "/console/queues/ui/api/servers", order} {
		get(path)
	}
	if shown := submit(order, order+"/show", url.Values{"reason": {"test"}}); !strings.Contains(shown, "一日入場券") {
		t.Errorf("gateway: the document is not shown: %s", shown)
	}
	submit(order, "/console/jobs", url.Values{"kind": {"cancel"}, "state": {"queued"}})
	const account = "/console/accounts/ecticket:2000132/"
	submit("/console/accounts", account+"pause", url.Values{"lane": {"bulk"}, "reason": {"test"}})
	submit("/console/accounts", account+"resume", url.Values{"lane": {"bulk"}, "reason": {"test"}})
	submit("/console/queues/", "/console/queues/changes", url.Values{"reason": {"test"}})
	for _, act := range []string{"pause", "resume"} {
		text(browser.Post(base+"/console/queues/ui/api/queues/pass2u-bulk:"+act, "", nil))
	}
	submit("/console/", "/console/logout", url.Values{})
}
