package sandbox

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"issuance/internal/config"
	"issuance/internal/keys"
	"issuance/internal/ledger"
	"issuance/internal/seal"
	"issuance/internal/testredis"
	"issuance/providers"
	"issuance/tasks/order"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var quiet = slog.New(slog.DiscardHandler)

// A sandbox's environment has every account replaced, keeps the rest, and says what it replaced.
func TestEnvironment(t *testing.T) {
	given := map[string]string{"ECTICKET_HASH_KEY_FILE": "/run/secret", "PASS2U_PROXY_URL": "http://proxy", "ECTICKET_TIMEOUT": "5s",
		"POLL_INTERVAL": "7s", "REDIS_URL": "redis://x/0", "ECTICKET_PLATFORM_ID": "", "ISSUANCE_SEAL_KEYS": "real"}
	env, ignored := Environment(given)
	for name, want := range map[string]string{"ECTICKET_MERCHANT_ID": "2000132", "ECTICKET_HASH_KEY": "7b53896b742849d3", "PASS2U_API_KEY": "sandbox-key",
		"ECTICKET_HASH_KEY_FILE": "", "PASS2U_PROXY_URL": "", "ISSUANCE_SEAL_KEYS": seal.SandboxKey(),
		"ECTICKET_TIMEOUT": "5s", "POLL_INTERVAL": "7s", "POLL_SENTINEL": "1s", "REDIS_URL": "redis://x/0"} {
		if env[name] != want {
			t.Errorf("%s is %q, not %q", name, env[name], want)
		}
	}
	for given, want := range map[[2]string]string{{}: "30s", {"PASS2U_TIMEOUT", "40s"}: "", {"PASS2U_SETTLE_AFTER", "2m"}: "2m"} {
		if env, _ := Environment(map[string]string{given[0]: given[1]}); env["PASS2U_SETTLE_AFTER"] != want {
			t.Errorf("with %v, PASS2U_SETTLE_AFTER is %q", given, env["PASS2U_SETTLE_AFTER"])
		}
	}
	if got := strings.Join(ignored, " "); got != "ECTICKET_HASH_KEY_FILE ISSUANCE_SEAL_KEYS PASS2U_PROXY_URL" {
		t.Error(got)
	}
	if given["ISSUANCE_SEAL_KEYS"] != "real" {
		t.Error("the caller's environment was changed")
	}
}

// A taken port is passed over for the next free one; a port that was asked for is not.
func TestTakenPorts(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	near, err := ListenNear("tcp", taken.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer near.Close()
	if near.Addr().(*net.TCPAddr).Port <= taken.Addr().(*net.TCPAddr).Port {
		t.Errorf("%s instead of %s", near.Addr(), taken.Addr())
	}
	_, err = Start(Options{ECTicketAddr: taken.Addr().String(), Pass2UAddr: "127.0.0.1:0", JobEvery: time.Second, Log: quiet})
	if err == nil || !strings.Contains(err.Error(), taken.Addr().String()) {
		t.Errorf("a simulator listens elsewhere than it was asked to: %v", err)
	}
}

// An address on every interface is called by way of this machine.
func TestReachable(t *testing.T) {
	for addr, want := range map[string]string{":80": "127.0.0.1:80", "0.0.0.0:80": "127.0.0.1:80", "[::]:80": "127.0.0.1:80", "127.0.0.1:8": "127.0.0.1:8", "localhost:1": "localhost:1"} {
		if got := Reachable(addr); got != want {
			t.Errorf("%s: %s", addr, got)
		}
	}
}

// A sandbox leaves what the command line needs, and its simulators answer where it says.
func TestAnnounce(t *testing.T) {
	s, err := Start(Options{ECTicketAddr: "127.0.0.1:0", Pass2UAddr: "127.0.0.1:0", JobEvery: time.Second, Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	redis := testredis.Mini(t)
	env, _ := Environment(nil)
	env["ECTICKET_BASE_URL"], env["PASS2U_BASE_URL"], env["ECTICKET_CALLS_PER_SECOND"] = s.ECTicketURL, s.Pass2UURL, "4"
	if err := s.Announce(t.Context(), redis.Client(), env); err != nil {
		t.Fatal(err)
	}
	left, err := redis.Client().HGetAll(t.Context(), keys.Sandbox).Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range config.LeftBySandbox {
		if left[name] == "" || left[name] != env[name] {
			t.Errorf("%s is %q, not %q", name, left[name], env[name])
		}
	}
	transport := &http.Transport{DisableKeepAlives: true}
	for _, url := range []string{s.ECTicketURL, strings.TrimSuffix(s.Pass2UURL, "/api/v1/public/product")} {
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		resp, err := transport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.Header.Get(idHeader) != s.ID {
			t.Errorf("%s is not this sandbox's", url)
		}
	}
	if err := s.Announce(t.Context(), redis.Client(), env); err != nil {
		t.Errorf("a sandbox refuses itself: %v", err)
	}
}

// Every line has time, provider, order, kind and the change; waiting is left out, and a reason is given.
func TestStory(t *testing.T) {
	redis := testredis.Mini(t)
	var out bytes.Buffer
	story := NewStory(&out)
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	l := ledger.New(redis.Client(), ledger.Options{Observer: story.Observe, Now: func() time.Time { return at }})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); story.Run(ctx, l) }()

	k := order.Ref{Account: accounts[providers.Pass2U], OrderID: "A1"}
	if _, err := l.Record(ctx, ledger.Intake{Ref: k, Fingerprint: "fp", Shape: []byte(`{"pickupType":"voucher","quantity":2}`), Document: "s1.x.y"}); err != nil {
		t.Fatal(err)
	}
	step := func(a ledger.Answer, err error) {
		t.Helper()
		if err != nil || !a.Applied {
			t.Fatal(a, err)
		}
		story.Drain(ctx)
	}
	begin := func() string {
		t.Helper()
		c, err := l.Claim(ctx, k, "w", time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		story.Drain(ctx)
		return c.Record.Fence
	}
	submit := func(f string) {
		t.Helper()
		a, _, err := l.Submit(ctx, k, f, ledger.Intent{Host: "h", Lease: time.Minute, Ticket: -1})
		step(a, err)
	}
	f := begin()
	submit(f)
	step(l.GiveBack(ctx, k, f, ledger.NotSent, ledger.Reason{Code: "dial", Message: "no route\x1b[2J"}))
	f = begin()
	submit(f)
	step(l.GiveBack(ctx, k, f, ledger.Unknown, ledger.Reason{Code: "timeout"}))
	f = begin()
	step(l.GiveBack(ctx, k, f, ledger.Idle, ledger.Reason{}))
	f = begin()
	step(l.Finish(ctx, k, f, ledger.Ending{State: order.Failed, Reason: ledger.Reason{Code: "no", Message: "sold out"}}))
	cancel()
	<-done

	want := []string{
		"queued", "queued → submitting", "submitting → queued: not sent (dial: no route[2J), tried again soon",
		"queued → submitting (attempt 2)", "submitting: no clear answer (timeout), looked up before anything is sent again",
		"submitting → failed after 2 attempts, 0.0 s: no: sold out",
	}
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	if len(lines) != len(want) {
		t.Fatalf("%d lines, not %d:\n%s", len(lines), len(want), out.String())
	}
	for i, line := range lines {
		fields := strings.Fields(line)
		if _, err := time.Parse(time.TimeOnly, fields[0]); err != nil || fields[1] != "pass2u" || fields[2] != "A1" ||
			!strings.Contains(line, "  voucher links ×2  ") || !strings.HasSuffix(line, "  "+want[i]) {
			t.Errorf("line %d is %q, not … %q", i, line, want[i])
		}
	}
}

// A terminal that hangs holds no order up.
func TestStoryNeverBlocks(t *testing.T) {
	story := NewStory(io.Discard)
	for range 3 * backlog { // nobody prints it
		story.Observe(ledger.Change{})
	}
}

// The verdict believes the ledger only where the simulators' books say the same.
func TestVerdictComparesTheBooks(t *testing.T) {
	s, err := Start(Options{ECTicketAddr: "127.0.0.1:0", Pass2UAddr: "127.0.0.1:0", JobEvery: time.Second, Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	redis := testredis.Mini(t)
	l := ledger.New(redis.Client(), ledger.Options{})
	d := s.NewDemo(2, time.Now(), accounts, everything, l, nil)
	first, second := d.orders[0], d.orders[1]
	first.refund = nil
	d.orders = []demoOrder{first, second}
	// The first is "issued" though no simulator ever heard of it; the second has no record at all.
	if _, err := l.Record(t.Context(), ledger.Intake{Ref: first.ref, Fingerprint: "fp", Shape: []byte("{}"), Document: "s1.x.y"}); err != nil {
		t.Fatal(err)
	}
	c, err := l.Claim(t.Context(), first.ref, "w", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Finish(t.Context(), first.ref, c.Record.Fence, ledger.Ending{State: order.Issued}); err != nil {
		t.Fatal(err)
	}
	var table bytes.Buffer
	wrong, err := d.Verdict(t.Context(), &table)
	if err != nil || len(wrong) != 2 || !strings.Contains(wrong[0], "the simulator issued it 0 times") || !strings.HasSuffix(wrong[1], " is - and should be issued") {
		t.Errorf("%q %v\n%s", wrong, err, table.String())
	}
}

// Redis says where an earlier sandbox's simulator was. What it says leads to this machine only: no other host
// is called, neither directly nor by a redirect.
func TestNothingElsewhereIsCalledBecauseRedisSaysSo(t *testing.T) {
	called := make(chan string, 10)
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { called <- r.URL.Path }))
	defer elsewhere.Close()
	detour := httptest.NewServer(http.RedirectHandler(elsewhere.URL+"/redirected", http.StatusFound))
	defer detour.Close()
	// A name is not this machine, even where it leads here.
	if got := answers(t.Context(), strings.Replace(elsewhere.URL, "127.0.0.1", "localhost.localdomain", 1)+"/named"); got != "" {
		t.Error(got)
	}
	answers(t.Context(), "http://127.0.0.1@"+strings.TrimPrefix(elsewhere.URL, "http://127.0.0.1"))
	answers(t.Context(), detour.URL)
	t.Setenv("HTTP_PROXY", elsewhere.URL)
	answers(t.Context(), "http://127.0.0.1:1/proxied")
	select {
	case path := <-called:
		t.Errorf("%s was called", path)
	default:
	}
}
