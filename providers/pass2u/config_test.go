package pass2u_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"issuance/providers"
	"issuance/providers/pass2u"
	"issuance/providers/pass2u/pass2usim"
)

func TestNothingPrintedHoldsASecret(t *testing.T) {
	cfg := pass2u.Config{BaseURL: "https://www.pass2u.net/api/v1/public/product/", APIKey: "hunter2-key", ProxyURL: "http://user:hunter2-pass@proxy.example:3128"}
	c, err := pass2u.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "cfg", cfg, "client", c)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "cfg", cfg, "client", c)
	asJSON, err := json.Marshal(map[string]any{"cfg": cfg, "client": c})
	if err != nil {
		t.Fatal(err)
	}
	text := log.String() + string(asJSON) + fmt.Sprintf("%v %+v %#v %s %q %v %+v %#v %s", cfg, cfg, cfg, cfg, cfg, c, c, c, c)
	if strings.Contains(text, "hunter2") || strings.Contains(text, "user:") {
		t.Errorf("leaks: %s", text)
	}
	if !strings.Contains(cfg.String(), "proxy.example:3128") || !strings.Contains(cfg.String(), "www.pass2u.net") {
		t.Errorf("shows too little: %s", cfg)
	}
	leaky := pass2u.Config{BaseURL: "https://user:hunter2@host/"}
	if strings.Contains(leaky.String(), "hunter2") {
		t.Errorf("leaks: %s", leaky)
	}
}

func TestAWrongConfigurationIsReportedAllAtOnce(t *testing.T) {
	_, err := pass2u.New(pass2u.Config{BaseURL: "http://user:hunter2@www.pass2u.net", APIKey: "hunter2 key", RefundQuantityKey: "amount", Timeout: -1, Merchant: "a:b"})
	if err == nil {
		t.Fatal("accepted")
	}
	for _, part := range []string{"base URL", "API key", "refund quantity key", "timeouts", "merchant"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("does not name the %s: %v", part, err)
		}
	}
	if strings.Contains(err.Error(), "hunter2") {
		t.Errorf("leaks: %v", err)
	}
	for url, ok := range map[string]bool{
		"https://www.pass2u.net/api/v1/public/product":  true,
		"http://www.pass2u.net/api/v1/public/product":   false,
		"http://127.0.0.1:9/x":                          true,
		"http://[::1]:9/x":                              true,
		"http://localhost/x":                            true,
		"http://127.0.0.1.example/x":                    false,
		"ftp://127.0.0.1/x":                             false,
		"https://www.pass2u.net/api/v1/public/product?": false,
		"https://www.pass2u.net/?key=1":                 false,
		"www.pass2u.net":                                false,
		"":                                              false,
	} {
		if _, err := pass2u.New(pass2u.Config{BaseURL: url, APIKey: "k"}); (err == nil) != ok {
			t.Errorf("%q: %v", url, err)
		}
	}
	if _, err := pass2u.New(pass2u.Config{BaseURL: "https://h/", APIKey: "k", ProxyURL: "ftp://user:hunter2@h"}); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("%v", err)
	}
}

func TestDefaults(t *testing.T) {
	c, err := pass2u.New(pass2u.Config{BaseURL: "https://h/", APIKey: "k"})
	if err != nil {
		t.Fatal(err)
	}
	if c.Account() != (providers.Account{Provider: providers.Pass2U, Merchant: "main"}) || c.Host() != "h" || c.Traits() != (providers.Traits{SettleAfter: 15 * time.Minute}) || !strings.Contains(c.String(), "timeout:20s") {
		t.Errorf("%s %+v", c, c.Traits())
	}
}

// Neither an outcome nor the log may hold what a customer or the account owns, even when the
// provider quotes it.
func TestOutcomesAndLogsHoldNoSecret(t *testing.T) {
	var log bytes.Buffer
	quoting := "kan.secret@gmail.com with sandbox-key cannot use https://pass2u.net/v/1?token=hunter2 for Kan 0912345678"
	s := scripted(t, func(c *pass2u.Config) {
		c.Log = slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		c.Gate = &gate{}
	}, reply{400, refusal(quoting)}, reply{401, refusal(quoting)}, reply{200, refusal(quoting)}, reply{200, yes("P1", "notPickedup")})
	o := orderOf("P1", map[string]any{"channelOrderId": "P1", "productSaleId": pass2usim.DefaultCampaign, "quantity": 1, "pickupType": "voucher", "mailTo": "kan.secret@gmail.com"})
	var text strings.Builder
	for range 3 {
		out := s.Issue(ctx, o)
		text.WriteString(out.Error() + out.Code + "\n")
	}
	if out := s.Issue(ctx, o); out.Kind != providers.Done {
		t.Fatal(out)
	}
	closed := scripted(t, func(c *pass2u.Config) {
		c.Gate = &gate{err: errors.New("dial redis://:sandbox-key@h: refused")}
	})
	text.WriteString(closed.Issue(ctx, o).Error())
	all := text.String() + log.String()
	for _, secret := range []string{"kan.secret", "sandbox-key", "hunter2", "0912345678", "token"} {
		if strings.Contains(all, secret) {
			t.Errorf("leaks %s: %s", secret, all)
		}
	}
	if !strings.Contains(log.String(), `"op":"generate"`) || strings.Count(log.String(), "\n") != 4 {
		t.Errorf("one line per call: %s", log.String())
	}
}

// What intents record of a key tells it from another one and does not hold it.
func TestACredentialIsADigest(t *testing.T) {
	seen := map[string]bool{}
	for _, key := range []string{"hunter2-key", "hunter2-key", "hunter3-key"} {
		c, err := pass2u.New(pass2u.Config{BaseURL: "https://www.pass2u.net", APIKey: key})
		if err != nil {
			t.Fatal(err)
		}
		if site := providers.Site(c); site != "www.pass2u.net#"+c.Credential() || len(c.Credential()) != 6 || strings.Contains(site, "hunter") {
			t.Errorf("%s", site)
		}
		seen[c.Credential()] = true
	}
	if len(seen) != 2 {
		t.Errorf("%v", seen)
	}
}
