package ecticket_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"issuance/providers"
	"issuance/providers/ecticket"
	"issuance/providers/ecticket/wire"
)

func TestAWrongConfigurationIsReportedCompletely(t *testing.T) {
	_, err := ecticket.New(ecticket.Config{
		BaseURL: "ecticket", PlatformID: "12345678901", Keys: wire.Keys{HashKey: "short"}, Mode: "x",
		Paths: map[ecticket.Op]string{"Nothing": "/x"}, Codes: map[string]ecticket.Meaning{"1": ecticket.MeansHeld},
		RefundFields: map[string]string{"TicketNo": "T1"}, Timeout: -1, SettleAfter: -1, Ban: -1,
	})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"BaseURL", "MerchantID", "PlatformID", "HashKey", "HashIV", "Mode", "Paths", "Codes", "RefundFields", "Timeout", "SettleAfter", "Ban"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("nothing is said about %s: %v", want, err)
		}
	}
	if strings.Contains(err.Error(), "short") {
		t.Error("a key is shown")
	}
}

func TestConfigurationsThatAreTakenAndRefused(t *testing.T) {
	for _, c := range []struct {
		what   string
		change func(*ecticket.Config)
		says   string // "" when it is taken
	}{
		{"https", func(c *ecticket.Config) { c.BaseURL = "https://ecticket.ecpay.com.tw" }, ""},
		{"http on this machine", func(c *ecticket.Config) { c.BaseURL = "http://127.0.0.1:9090/" }, ""},
		{"http to a container", func(c *ecticket.Config) { c.BaseURL = "http://simulator:9090" }, "https"},
		{"http to the world", func(c *ecticket.Config) { c.BaseURL = "http://ecticket.ecpay.com.tw" }, "https"},
		{"http to an address", func(c *ecticket.Config) { c.BaseURL = "http://10.0.0.1" }, "https"},
		{"another scheme", func(c *ecticket.Config) { c.BaseURL = "ftp://ecticket.ecpay.com.tw" }, "BaseURL"},
		{"a query", func(c *ecticket.Config) { c.BaseURL = "https://ecticket.ecpay.com.tw?a=1" }, "BaseURL"},
		{"credentials", func(c *ecticket.Config) { c.BaseURL = "https://u:p@ecticket.ecpay.com.tw" }, "BaseURL"},
		{"a long merchant", func(c *ecticket.Config) { c.MerchantID = "12345678901" }, "MerchantID"},
		{"a relative path", func(c *ecticket.Config) { c.Paths = map[ecticket.Op]string{ecticket.OpIssue: "api"} }, "Paths"},
		{"success as failure", func(c *ecticket.Config) { c.Codes = map[string]ecticket.Meaning{"1": ecticket.MeansRejected} }, "success"},
		{"failure as success", func(c *ecticket.Config) { c.Codes = map[string]ecticket.Meaning{"2": "accepted"} }, "Codes"},
		{"a code that is none", func(c *ecticket.Config) { c.Codes = map[string]ecticket.Meaning{"2x": ecticket.MeansHeld} }, "Codes"},
		{"a path with a query", func(c *ecticket.Config) { c.Paths = map[ecticket.Op]string{ecticket.OpIssue: "/api?x"} }, "Paths"},
		{"a merchant that would need quoting", func(c *ecticket.Config) { c.MerchantID = "a:b" }, "MerchantID"},
		{"a refund of no ticket", func(c *ecticket.Config) { c.RefundFields = map[string]string{"Action": "1"} }, "{TicketNo}"},
		{"a refund with a typo", func(c *ecticket.Config) {
			c.RefundFields = map[string]string{"TicketNo": "{TicketNo}", "A": "{Ticket}"}
		}, "{Ticket}"},
		{"taking refunds back", func(c *ecticket.Config) {
			c.RefundFields = map[string]string{"TicketNo": "{TicketNo}", "Action": "2"}
		}, "Action"},
	} {
		cfg := ecticket.Config{BaseURL: "https://ecticket.ecpay.com.tw", MerchantID: merchant, Keys: keys}
		c.change(&cfg)
		_, err := ecticket.New(cfg)
		if (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", c.what, err)
		}
	}
}

func TestTraits(t *testing.T) {
	c := client(t, "http://localhost")
	if got := c.Traits(); got != (providers.Traits{SettleAfter: 12 * time.Minute, RejectionMayHideDuplicate: true}) {
		t.Errorf("%+v", got)
	}
	if a := c.Account(); a != (providers.Account{Provider: providers.ECTicket, Merchant: merchant}) {
		t.Errorf("account %s", a)
	}
	c = client(t, "http://localhost", func(cfg *ecticket.Config) { cfg.SettleAfter = time.Minute })
	if got := c.Traits().SettleAfter; got != time.Minute {
		t.Errorf("SettleAfter %s", got)
	}
}

// clock is a clock that stands still until it is set.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func TestAWrongClockIsNoticedAndWarnedOfNowAndThen(t *testing.T) {
	ours := &clock{now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	var ahead time.Duration
	var code any = 1
	s := listen(t, func(w http.ResponseWriter, r *http.Request, _ int, _ asked) {
		authentic(w, yes(), set("TransCode", code), set("RpHeader", data{"Timestamp": ours.Now().Add(ahead).Unix()}))
	})
	var logged bytes.Buffer
	c := client(t, s.URL, func(cfg *ecticket.Config) {
		cfg.Now, cfg.Log = ours.Now, slog.New(slog.NewTextHandler(&logged, nil))
	})
	if c.Skew().Answers != 0 {
		t.Error("a skew is known before the first answer")
	}
	ask := func() { // until a new time is believed: one answer may be an old one
		for range 5 {
			ours.add(time.Second)
			c.LookUp(t.Context(), order)
		}
	}
	for _, step := range []struct {
		ahead time.Duration
		pass  time.Duration
		warns int
	}{
		{time.Minute, 0, 0},      // a minute is tolerated
		{61 * time.Second, 0, 1}, // more is reported
		{-5 * time.Minute, 0, 1}, // once
		{-5 * time.Minute, 9 * time.Minute, 1},
		{-5 * time.Minute, time.Minute, 2}, // and again after ten minutes
		{0, 0, 2},
		{0, time.Hour, 2},
	} {
		ours.add(step.pass)
		ahead = step.ahead
		ask()
		if got := c.Skew().Ahead; got != step.ahead {
			t.Errorf("the skew is %s, want %s", got, step.ahead)
		}
		if got := strings.Count(logged.String(), "level=WARN"); got != step.warns {
			t.Errorf("%s ahead: %d warnings, want %d", step.ahead, got, step.warns)
		}
	}
	// A refused envelope is most often a wrong clock, so the alarm says it.
	ahead, code = 15*time.Minute, 10001
	ask()
	if out := c.LookUp(t.Context(), order).Outcome; !strings.Contains(out.Message, "15m0s") || !out.Alarm {
		t.Errorf("%+v", out)
	}
}

func TestATimestampThatIsNoTimeSaysNothing(t *testing.T) {
	for _, stamp := range []any{0, -1, 1, 1 << 60, int64(1700000000000), nil, ""} {
		s := listen(t, func(w http.ResponseWriter, r *http.Request, _ int, _ asked) {
			authentic(w, yes(), set("RpHeader", data{"Timestamp": stamp}))
		})
		c := client(t, s.URL)
		if f := c.LookUp(t.Context(), order); f.State != providers.FoundIssued {
			t.Errorf("Timestamp %v: %+v", stamp, f)
		}
		if skew := c.Skew(); skew.Answers != 0 {
			t.Errorf("Timestamp %v: skew %+v", stamp, skew)
		}
	}
}
