package main

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"issuance/internal/ledger"
	"issuance/internal/redisconn"
	"issuance/internal/sandboxfile"
	"issuance/internal/testredis"
	"issuance/providers"
	"issuance/tasks/order"
)

// customers are the demo's invented ones.
var customers = []string{"王小明", "0912345678", "ming@example.com"}

// With nothing installed and nothing configured, a sandbox shows orders of every kind travel to
// their final status, says where everything is, warns of nothing, and ends by itself.
func TestSandboxOnce(t *testing.T) {
	env := hasty("")
	p := start(t, env, toys("--once", "--demo", "12")...)
	p.sees(p.out, `Demo: 12 orders, 1 of them made to fail, 1 whose number is taken, for you to review, 1 refund`)
	if _, err := sandboxfile.List(); err != nil {
		t.Errorf("the command line will not find the sandbox: %v", err)
	}
	if code := p.wait(); code != exitFine {
		t.Fatalf("exit code %d\n%s\n%s", code, p.out, p.err)
	}
	text := p.out.String()
	for _, want := range []string{"/jobs/", "redis://127.0.0.1:", "ECTicket simulator", "Pass2U simulator",
		"convenience store ticket ×4", "paper ticket ×2", "electronic ticket ×2", "serial number ×3", "electronic gift voucher ×1",
		"electronic presale ticket ×1", "voucher links ×2", "order page with passcode ×3", "refund R1 of 1 ticket",
		"submitting → accepted", "accepted → issued after ", "accepted → failed after ", "submitting → refunded after ",
		"PROVIDER", "ATTEMPTS", "All as it should be"} {
		if !strings.Contains(text, want) {
			t.Errorf("the output lacks %q", want)
		}
	}
	no(t, "the output", text+p.err.String(), customers...)
	if lines := strings.Split(strings.TrimSpace(p.err.String()), "\n"); len(lines) != 1 || !strings.Contains(lines[0], "needs review") || !strings.Contains(lines[0], "number_taken") {
		t.Errorf("something beside the order whose number is taken was worth a warning:\n%s", p.err)
	}
	if _, err := sandboxfile.List(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the sandbox's file stays behind: %v", err)
	}
	if t.Failed() {
		t.Log(text)
	}
}

// A Redis of the user's own can be used again and again; it is marked, and a production worker
// then refuses it.
func TestSandboxOnAGivenRedisTwice(t *testing.T) {
	t.Parallel()
	testredis.Each(t, func(t *testing.T, s *testredis.Server) {
		for range 2 {
			p := start(t, hasty(s.URL()), toys("--once", "--demo", "2")...)
			if code := p.wait(); code != exitFine {
				t.Fatalf("exit code %d\n%s\n%s", code, p.out, p.err)
			}
		}
		p := start(t, production(s.URL()))
		if code := p.wait(); code != exitFailed || !strings.Contains(p.err.String(), "holds a sandbox's orders") {
			t.Errorf("a production worker on a sandbox's Redis: %d %s", code, p.err)
		}
	})
}

// A sandbox never touches a Redis that holds production orders.
func TestSandboxRefusesProduction(t *testing.T) {
	t.Parallel()
	s := testredis.Mini(t)
	if err := redisconn.Mark(context.Background(), s.Client(), redisconn.Production); err != nil {
		t.Fatal(err)
	}
	before := s.Embedded.Dump()
	p := start(t, hasty(s.URL()), toys("--once")...)
	if code := p.wait(); code != exitFailed || !strings.Contains(p.err.String(), "holds production orders") {
		t.Errorf("%d %s", code, p.err)
	}
	if after := s.Embedded.Dump(); after != before {
		t.Errorf("it wrote to production's Redis:\n%s", after)
	}
}

// Two sandboxes on one Redis would ask the wrong simulators: the second is refused while the first
// runs.
func TestOneSandboxPerRedis(t *testing.T) {
	t.Parallel()
	s := testredis.Start(t)
	first := start(t, hasty(s.URL()), toys("--demo", "0")...)
	first.sees(first.out, `second terminal`)
	second := start(t, hasty(s.URL()), toys("--once", "--demo", "1")...)
	if code := second.wait(); code != exitFailed || !strings.Contains(second.err.String(), "another sandbox is running on this Redis") {
		t.Errorf("%d %s", code, second.err)
	}
	if code := first.stop(); code != exitFine {
		t.Errorf("the first one ends with %d", code)
	}
	third := start(t, hasty(s.URL()), toys("--once", "--demo", "1")...)
	if code := third.wait(); code != exitFine {
		t.Errorf("%d %s %s", code, third.out, third.err)
	}
}

// An order that the simulator of an ended sandbox had accepted can never be issued: the next
// sandbox leaves it to review instead of asking for it for ever.
func TestOrdersOfAnEndedSandbox(t *testing.T) {
	t.Parallel()
	s := testredis.Start(t)
	first := start(t, hasty(s.URL()), toys("--demo", "1", "--sandbox-job-every", "1h")...)
	number := first.sees(first.out, `ecticket  (DEMO\w+) .*→ accepted`)[1]
	first.stop()
	second := start(t, hasty(s.URL()), toys("--demo", "0")...)
	second.sees(second.out, `Note: an earlier sandbox on this Redis ended before its simulator had issued 1 of its orders`)
	l := ledger.New(s.Client(), ledger.Options{})
	rec, err := l.Load(context.Background(), order.Ref{Account: providers.Account{Provider: providers.ECTicket, Merchant: "2000132"}, OrderID: number})
	if err != nil || rec.State != order.Review || rec.Reason.Code != "sandbox_ended" {
		t.Errorf("%+v %v", rec, err)
	}
}

// A sandbox serves only the queues it is given, and its demo keeps to them.
func TestSandboxQueues(t *testing.T) {
	t.Parallel()
	s := testredis.Mini(t)
	p := start(t, hasty(s.URL()), toys("--once", "--demo", "4", "--queues", "pass2u-checkout,pass2u-poll")...)
	if code := p.wait(); code != exitFine {
		t.Fatalf("%d %s %s", code, p.out, p.err)
	}
	if text := p.out.String(); strings.Contains(text, "ecticket  DEMO") || !strings.Contains(text, "pass2u    DEMO") || !strings.Contains(text, "made to fail") {
		t.Error(text)
	}
}

// Whoever has real credentials in the environment and tries the sandbox calls simulators only, and
// is shown so by name, never by value.
func TestSandboxIgnoresRealAccounts(t *testing.T) {
	t.Parallel()
	s := testredis.Mini(t)
	env := production(s.URL())
	p := start(t, env, toys("--once", "--demo", "2")...)
	if code := p.wait(); code != exitFine {
		t.Fatalf("%d %s %s", code, p.out, p.err)
	}
	p.sees(p.out, `these settings are not used: ECTICKET_HASH_IV, ECTICKET_HASH_KEY, ECTICKET_MERCHANT_ID, ISSUANCE_SEAL_KEYS, PASS2U_API_KEY`)
	no(t, "the output", p.out.String()+p.err.String(), canaries...)
}

// A sandbox's HTTP API is its own: settings of a real front door are named and not used, and an address that other machines
// reach is warned of.
func TestTheSandboxSaysWhoReachesItsAPI(t *testing.T) {
	t.Parallel()
	env := hasty("")
	env["GATEWAY_TOKENS_FILE"], env["GATEWAY_WEBHOOKS_FILE"] = "/nonexistent/tokens", "/nonexistent/webhooks"
	p := start(t, env, toys("--demo", "0")...)
	p.sees(p.out, `these settings are not used: GATEWAY_TOKENS_FILE, GATEWAY_WEBHOOKS_FILE`)
	p.sees(p.out, `(?m)^Send an order`)
	if code := p.stop(); code != exitFine || p.err.String() != "" || strings.Contains(p.out.String(), "other machines") {
		t.Errorf("%d %s\n%s", code, p.err, p.out)
	}
	env["GATEWAY_HTTP_ADDR"] = "0.0.0.0:0"
	p = start(t, env, toys("--demo", "0")...)
	p.sees(p.out, `can be reached from other machines, and its HTTP API has no tokens`)
	if code := p.stop(); code != exitFine {
		t.Errorf("%d %s", code, p.err)
	}
}

// An order that does not end as it should makes --once fail and say which.
func TestSandboxOnceFails(t *testing.T) {
	t.Parallel()
	s := testredis.Mini(t)
	p := start(t, hasty(s.URL()), toys("--once", "--demo", "1", "--sandbox-job-every", "1h")...)
	order := p.sees(p.out, `ecticket  (DEMO\w+) .*→ accepted`)[1]
	if code := p.stop(); code != exitFailed || !strings.Contains(p.out.String(), order+" is accepted and should be issued") {
		t.Errorf("%d\n%s", code, p.out)
	}
}

// The printed commands fit the way the worker was started.
func TestEnqueueCommand(t *testing.T) {
	dir := t.TempDir()
	self := filepath.Join(dir, "worker")
	if got := enqueueCommand(self, nil); got != "enqueue" {
		t.Error(got)
	}
	if err := os.WriteFile(filepath.Join(dir, "enqueue"), nil, 0o700); err != nil {
		t.Fatal(err)
	}
	if got := enqueueCommand(self, nil); got != filepath.Join(dir, "enqueue") {
		t.Error(got)
	}
	if got := enqueueCommand("/tmp/go-build123/b001/exe/worker", nil); got != "go run ./cmd/enqueue" {
		t.Error(got)
	}
}

// What the sandbox prints of its HTTP API works as printed.
func TestTheSandboxServesTheAPI(t *testing.T) {
	t.Parallel()
	p := start(t, hasty(""), toys("--demo", "0")...)
	url := p.sees(p.out, `HTTP API +(http://localhost:\d+) `)[1]
	put := p.sees(p.out, `(?m)^curl -sX PUT (\S+) -H 'Content-Type: application/json' -d '(.*)'$`)
	wait := p.sees(p.out, `(?m)^curl -s '(\S+wait=60)'$`)[1]
	if !strings.HasPrefix(put[1], url) {
		t.Errorf("%s is not at %s", put[1], url)
	}
	putPrinted(t, put)
	if status, body := get(t, local.Replace(wait)); status != http.StatusOK || !strings.Contains(body, `"state":"issued"`) {
		t.Errorf("%d %s", status, body)
	}
	p.sees(p.out, `webhook   order\.issued of ecticket:2000132/\w+, signature verified`)
	if code := p.stop(); code != exitFine || p.err.String() != "" {
		t.Errorf("%d %s", code, p.err)
	}
}

// With --sandbox-notices-every, a ticket of the reader's own order is redeemed, its notice comes, and the event of it
// goes to the webhook; the line that shows it works as printed.
func TestTheSandboxShowsNotices(t *testing.T) {
	t.Parallel()
	p := start(t, hasty(""), toys("--demo", "3", "--sandbox-notices-every", "1s")...)
	p.sees(p.out, `Every 1s a ticket of your latest order is redeemed or refunded`)
	put := p.sees(p.out, `(?m)^curl -sX PUT (\S+) -H 'Content-Type: application/json' -d '(.*)'$`)
	putPrinted(t, put)
	used := p.sees(p.out, `simulator a ticket of (\w+) is (redeemed by a visitor|refunded in the back office); ECTicket sends a notice`)
	if !strings.HasSuffix(put[1], "/"+used[1]) {
		t.Errorf("a ticket of %s was used up, and the order is %s", used[1], put[1])
	}
	came := p.sees(p.out, `webhook   ticket\.(redeemed|refunded) of ecticket:2000132/`+used[1]+` \(ticket \d\), signature verified`)[1]
	if !strings.HasPrefix(used[2], came) {
		t.Errorf("it was %s, and the event says %s", used[2], came)
	}
	show := p.sees(p.out, `(?m)^curl -s '(\S+tickets=true)'$`)[1]
	if status, body := get(t, local.Replace(show)); status != http.StatusOK || !strings.Contains(body, `"use_status":"`+came+`"`) {
		t.Errorf("%d %s", status, body)
	}
	if code := p.stop(); code != exitFine || p.err.String() != "" {
		t.Errorf("%d %s", code, p.err)
	}
}

// local is for URLs as they are printed: looking localhost up is nothing that tests in bubbles of their own time may share.
var local = strings.NewReplacer("localhost", "127.0.0.1")

// putPrinted puts an order as a printed line of curl does, whose URL and body are the groups of put.
func putPrinted(t *testing.T, put []string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, local.Replace(put[1]), strings.NewReader(put[2]))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusCreated {
		t.Errorf("PUT: %d", res.StatusCode)
	}
}
