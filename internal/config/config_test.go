package config

import (
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"issuance/internal/redisconn"
	"issuance/internal/seal"
)

var key32 = base64.StdEncoding.EncodeToString([]byte("0123456789abcdef0123456789abcdef"))

// production is a complete and correct environment.
func production() map[string]string {
	return map[string]string{
		"REDIS_URL":            "redis://:Kanarie-redis@localhost:6379/2",
		"ECTICKET_MERCHANT_ID": "2000132",
		"ECTICKET_HASH_KEY":    "Kanarie-hash-key",
		"ECTICKET_HASH_IV":     "Kanarie--hash-iv",
		"PASS2U_API_KEY":       "Kanarie-api",
		"PASS2U_PROXY_URL":     "http://ann:Kanarie-proxy@proxy:3128",
		"ISSUANCE_SEAL_KEYS":   key32,
	}
}

var all = []Need{NeedRedis, NeedSealKeys, NeedProvider}

func load(t *testing.T, env map[string]string, needs ...Need) Config {
	t.Helper()
	c, err := Load(env, needs...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Asking accounts that nobody calls can be turned off.
func TestIdleAccountsNeedNotBeAsked(t *testing.T) {
	env := production()
	env["WORKER_IDLE_PROBE"] = "0s"
	if c := load(t, env, all...); c.Worker.IdleProbe != 0 {
		t.Errorf("asked every %s", c.Worker.IdleProbe)
	}
}

// With nothing set, every default of the documentation is in force, and no provider is served.
func TestDefaults(t *testing.T) {
	c := load(t, nil)
	want := Config{
		Redis:  Redis{Network: "public"},
		Worker: Worker{"127.0.0.1:8080", "", LogAuto, 24 * time.Hour, 0, 0, 0, time.Minute, 10 * time.Second, 70 * time.Second},
		ECTicket: ECTicket{BaseURL: "https://ecticket.ecpay.com.tw", Mode: Pure, CallsPerSecond: 4,
			Ban: 30 * time.Minute, Timeout: 20 * time.Second, SettleAfter: 12 * time.Minute},
		Pass2U: Pass2U{BaseURL: "https://www.pass2u.net/api/v1/public/product", CallsPerSecond: 4, Ban: 30 * time.Minute,
			Timeout: 20 * time.Second, SettleAfter: 15 * time.Minute, RefundQuantityKey: "quantity", QueryPath: "/query"},
		Poll:     Poll{5 * time.Second, time.Minute, 5 * time.Minute, 10 * time.Minute, 24 * time.Hour},
		Ledger:   Ledger{KeepDetails: 90 * 24 * time.Hour, KeepRecords: 400 * 24 * time.Hour, KeepEvents: 1_000_000},
		Producer: Producer{Auto},
		Gateway:  Gateway{HTTPAddr: "127.0.0.1:8090", NoticeAck: AckEnvelope, ShutdownTimeout: 30 * time.Second},
	}
	if c.String() != want.String() || c.Warnings != nil {
		t.Fatalf("got\n%vwant\n%v%v", c, want, c.Warnings)
	}
	if c.ECTicket.Configured() || c.Pass2U.Configured() {
		t.Fatal("a provider without credentials would be served")
	}
}

// A complete environment is read as it stands, without warnings.
func TestProduction(t *testing.T) {
	env := production()
	maps.Copy(env, map[string]string{
		"ECTICKET_BASE_URL": "https://ecticket-stage.ecpay.com.tw/", "ECTICKET_MODE": "escrow", "ECTICKET_PLATFORM_ID": "3085676",
		"ECTICKET_PATHS": "Refund=/api/issuance/Refund, Issue=/api/issuance/issue", "ECTICKET_CODES": "not_found=10200047",
		"ECTICKET_REFUND_FIELDS": "TicketNo={TicketNo},Action=1", "ECTICKET_PRECHECK": "on",
		"ISSUANCE_KEEP_DETAILS": "30d", "ISSUANCE_KEEP_RECORDS": "9600h", "ISSUANCE_KEEP_EVENTS": "5000",
		"ECTICKET_CALLS_PER_SECOND": "0.5", "LOG_FORMAT": "json", "WORKER_BULK_CONCURRENCY": "2", "POLL_SENTINEL": "3s", "POLL_DEADLINE": "",
	})
	c := load(t, env, all...)
	if !c.ECTicket.Configured() || !c.Pass2U.Configured() || len(c.Warnings) != 0 {
		t.Fatalf("%v %v", c, c.Warnings)
	}
	if c.ECTicket.BaseURL != "https://ecticket-stage.ecpay.com.tw" || c.ECTicket.Mode != Escrow || c.ECTicket.CallsPerSecond != 0.5 ||
		c.ECTicket.HashKey.Reveal() != "Kanarie-hash-key" || c.Worker.LogFormat != LogJSON || c.Worker.BulkConcurrency != 2 ||
		c.Poll.Sentinel != 3*time.Second || c.Poll.Deadline != 24*time.Hour || c.Producer.Precheck != On ||
		c.ECTicket.Paths != env["ECTICKET_PATHS"] || c.ECTicket.Codes != "not_found=10200047" || c.ECTicket.RefundFields != env["ECTICKET_REFUND_FIELDS"] ||
		c.Ledger != (Ledger{30 * 24 * time.Hour, 400 * 24 * time.Hour, 5000}) {
		t.Fatal(c)
	}
	o, err := c.Redis.Options()
	if err != nil || o.Kind() != redisconn.Single || !strings.Contains(o.Describe(), "database 2") {
		t.Fatal(o, err)
	}
}

// Each mistake is reported under its variable's name, with what to write instead.
func TestMistakes(t *testing.T) {
	for _, c := range []struct{ name, value, says string }{
		{"REDIS_URL", "localhost:6379", "redis://"},
		{"REDIS_URL", "redis-sentinel://a,b/0", "master=NAME"},
		{"WORKER_HTTP_ADDR", "8080", "127.0.0.1:8080"},
		{"LOG_FORMAT", "xml", "auto or text or json"},
		{"WORKER_RETENTION", "1", "duration"},
		{"WORKER_CHECKOUT_CONCURRENCY", "1001", "0 to 1000"},
		{"WORKER_POLL_CONCURRENCY", "many", "whole number"},
		{"WORKER_BULK_CONCURRENCY", "-1", "0 to 1000"},
		{"WORKER_TASK_TIMEOUT", "20s", "longer than ECTICKET_TIMEOUT"},
		{"WORKER_TASK_TIMEOUT", "60.5s", "whole seconds"},
		{"WORKER_SHUTDOWN_TIMEOUT", "60s", "longer than WORKER_TASK_TIMEOUT"},
		{"ECTICKET_BASE_URL", "http://ecticket.ecpay.com.tw", "https://"},
		{"ECTICKET_BASE_URL", "ecticket.ecpay.com.tw", "https://"},
		{"ECTICKET_BASE_URL", "https://a:b@ecticket.ecpay.com.tw", "no credentials"},
		{"PASS2U_BASE_URL", "http://www.pass2u.net", "https"},
		{"ECTICKET_MERCHANT_ID", "2000132-1", "letters and digits"},
		{"ECTICKET_MERCHANT_ID", "", "is missing"},
		{"ECTICKET_HASH_KEY", "Kanarie", "exactly 16"},
		{"ECTICKET_HASH_KEY", "", "is missing"},
		{"ECTICKET_HASH_IV", "Kanarie", "exactly 16"},
		{"ECTICKET_MODE", "both", "pure or escrow"},
		{"ECTICKET_PRECHECK", "maybe", "on or off or auto"},
		{"ECTICKET_CALLS_PER_SECOND", "0", "above 0"},
		{"ECTICKET_CALLS_PER_SECOND", "NaN", "above 0"},
		{"ECTICKET_CALLS_PER_SECOND", "four", "is not a number"},
		{"ECTICKET_BAN", "0s", "at least 1s"},
		{"ECTICKET_TIMEOUT", "500ms", "at least 1s"},
		{"WORKER_IDLE_PROBE", "4s", "write at least 5s, or 0s for never"},
		{"WORKER_IDLE_PROBE", "-1s", "write at least 5s, or 0s for never"},
		{"ECTICKET_SETTLE_AFTER", "10m", "longer than the validity of a request (10m0s)"},
		{"ECTICKET_PATHS", "/api/Refund", "CALL=PATH"},
		{"ECTICKET_PATHS", "Refund=/a,Sell=b", "must be one of"},
		{"ECTICKET_CODES", "10200047=unknown,", "MEANING=RTNCODE"},
		{"ECTICKET_REFUND_FIELDS", "Action=1", "{TicketNo}"},
		{"PASS2U_API_KEY", "Bearer Kanarie", "without Bearer"},
		{"PASS2U_SETTLE_AFTER", "20s", "longer than PASS2U_TIMEOUT"},
		{"PASS2U_PROXY_URL", "Kanarie:3128", "http://user:password@host:port"},
		{"PASS2U_REFUND_QUANTITY_KEY", "qty", "quantity or quanity"},
		{"PASS2U_QUERY_PATH", "query", "/query"},
		{"POLL_INTERVAL", "1s", "not be shorter than POLL_SENTINEL"},
		{"POLL_MAX_INTERVAL", "30s", "not be shorter than POLL_INTERVAL"},
		{"POLL_DEADLINE", "5m", "longer than POLL_EXPECTED"},
		{"ISSUANCE_KEEP_DETAILS", "three months", "is not a duration"},
		{"ISSUANCE_KEEP_DETAILS", "500ms", "at least 1s"},
		{"ISSUANCE_KEEP_DETAILS", "200000d", "is not a duration"},
		{"ISSUANCE_KEEP_RECORDS", "89d", "not be shorter than ISSUANCE_KEEP_DETAILS (2160h0m0s)"},
		{"ISSUANCE_KEEP_RECORDS", "d", "is not a duration"},
		{"ISSUANCE_KEEP_EVENTS", "999", "1000 to 1000000000"},
		{"ISSUANCE_KEEP_EVENTS", "1e6", "whole number"},
		{"ISSUANCE_SEAL_KEYS", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "key 1 is trivial"},
		{"ISSUANCE_SEAL_KEYS", "S2FuYXJpZQ==", "openssl rand -base64 32"},
		{"ISSUANCE_SEAL_KEYS", seal.SandboxKey(), "which is public"},
		{"ISSUANCE_SEAL_KEYS", "", "is missing"},
		{"REDIS_URL", "", "worker --sandbox"},
	} {
		env := production()
		env[c.name] = c.value
		_, err := Load(env, all...)
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("%s=%s was accepted (%v)", c.name, c.value, err)
			continue
		}
		if len(e.Mistakes) != 1 || e.Mistakes[0].Variable != c.name || !strings.Contains(e.Mistakes[0].Text, c.says) {
			t.Errorf("%s=%s: %v; should say %q once", c.name, c.value, err, c.says)
		}
		if strings.Contains(err.Error(), "Kanarie") {
			t.Errorf("%s: the error repeats a secret: %v", c.name, err)
		}
	}
}

// A simulator on this machine may have a shorter window than ECPay's ten minutes; the time after
// which nothing can arrive any more must still be longer than a call.
func TestSettleAfterOfASimulator(t *testing.T) {
	env := production()
	env["ECTICKET_BASE_URL"], env["ECTICKET_TIMEOUT"], env["ECTICKET_SETTLE_AFTER"] = "http://127.0.0.1:9301", "2s", "5s"
	if c := load(t, env, all...); c.ECTicket.SettleAfter != 5*time.Second {
		t.Error(c.ECTicket.SettleAfter)
	}
	env["ECTICKET_SETTLE_AFTER"] = "2s"
	if _, err := Load(env, all...); err == nil || !strings.Contains(err.Error(), "ECTICKET_SETTLE_AFTER is 2s; it must be longer than ECTICKET_TIMEOUT (2s)") {
		t.Error(err)
	}
}

// All mistakes are reported together, in the order of the documentation.
func TestAllMistakesTogether(t *testing.T) {
	_, err := Load(map[string]string{
		"POLL_EXPECTED": "x", "ECTICKET_HASH_KEY": "short", "ECTICKET_TIMEOUT": "x", "PASS2U_TIMEOUT": "x", "LOG_FORMAT": "x",
	}, all...)
	var e *Error
	if !errors.As(err, &e) {
		t.Fatal(err)
	}
	var names []string
	for _, m := range e.Mistakes {
		names = append(names, m.Variable)
	}
	want := "REDIS_URL LOG_FORMAT ECTICKET_MERCHANT_ID ECTICKET_HASH_KEY ECTICKET_HASH_IV ECTICKET_TIMEOUT PASS2U_TIMEOUT POLL_EXPECTED ISSUANCE_SEAL_KEYS"
	if got := strings.Join(names, " "); got != want {
		t.Fatalf("got  %s\nwant %s\n%v", got, want, err)
	}
}

// With no provider at all the mistake is that there is nothing to serve.
func TestNoProvider(t *testing.T) {
	env := production()
	maps.DeleteFunc(env, func(k, _ string) bool { return strings.HasPrefix(k, "ECTICKET_") || strings.HasPrefix(k, "PASS2U_") })
	if _, err := Load(env, all...); err == nil || !strings.Contains(err.Error(), "nothing to serve") {
		t.Fatal(err)
	}
	load(t, env, NeedRedis, NeedSealKeys) // a producer needs none
}

// A secret may come from a file, whose last line end does not count.
func TestFiles(t *testing.T) {
	dir := t.TempDir()
	env := production()
	for name, value := range production() {
		if name == "ECTICKET_MERCHANT_ID" {
			continue
		}
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(value+"\r\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		delete(env, name)
		env[name+"_FILE"] = path
	}
	c := load(t, env, all...)
	for got, want := range map[string]string{
		c.Redis.URL.Reveal():        "REDIS_URL",
		c.ECTicket.HashKey.Reveal(): "ECTICKET_HASH_KEY",
		c.ECTicket.HashIV.Reveal():  "ECTICKET_HASH_IV",
		c.Pass2U.APIKey.Reveal():    "PASS2U_API_KEY",
		c.Pass2U.ProxyURL.Reveal():  "PASS2U_PROXY_URL",
		c.Seal.Keys.Reveal():        "ISSUANCE_SEAL_KEYS",
	} {
		if got != production()[want] {
			t.Errorf("%s was not read from its file", want)
		}
	}
	if len(c.Warnings) != 0 {
		t.Error(c.Warnings)
	}
}

// A file that is missing, empty, or a second source is a mistake of its own.
func TestFileMistakes(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		path, says string
		keep       bool
	}{
		{filepath.Join(t.TempDir(), "none"), "cannot be read", false},
		{empty, "empty file", false},
		{empty, "both set", true},
	} {
		for _, name := range []string{"ECTICKET_HASH_KEY", "ISSUANCE_SEAL_KEYS", "REDIS_URL"} {
			env := production()
			if !c.keep {
				delete(env, name)
			}
			env[name+"_FILE"] = c.path
			_, err := Load(env, all...)
			var e *Error
			if !errors.As(err, &e) || len(e.Mistakes) != 1 || e.Mistakes[0].Variable != name+"_FILE" || !strings.Contains(e.Mistakes[0].Text, c.says) {
				t.Errorf("%s_FILE: %v; should say %q once", name, err, c.says)
			}
		}
	}
}

// What is allowed but unwise, and what is probably a typo, is warned about.
func TestWarnings(t *testing.T) {
	for _, c := range []struct{ name, value, says string }{
		{"ECTICKET_CALLS_PER_SECOND", "6", "ban"},
		{"ECTICKET_MERCHANTID", "Kanarie", "did you mean ECTICKET_MERCHANT_ID?"},
		{"PASS2U_APIKEY", "Kanarie", "did you mean PASS2U_API_KEY?"},
		{"PASS2U_API_KEY_FIL", "Kanarie", "did you mean PASS2U_API_KEY_FILE?"},
		{"POLL_SENTINAL", "5s", "did you mean POLL_SENTINEL?"},
		{"WORKER_COLOUR_OF_THE_DOOR", "red", "--help"},
		{"ECTICKET_MERCHANT_ID_FILE", "/x", "only secrets"},
		{"REDIS_ULR", "redis://:Kanarie@h", "REDIS_ULR is not a variable of this program; did you mean REDIS_URL?"},
		{"RDIS_URL", "redis://:Kanarie@h", "did you mean REDIS_URL?"},
		{"redis_url", "redis://:Kanarie@h", "did you mean REDIS_URL?"},
		{"REDIS_PASSWORD", "Kanarie", "REDIS_PASSWORD is not a variable of this program; --help lists them"},
		{"ECTIKET_HASH_KEY", "Kanarie", "did you mean ECTICKET_HASH_KEY?"},
		{"LOG_FROMAT", "Kanarie", "did you mean LOG_FORMAT?"},
		{"LOG_LEVEL", "debug", ""},
		{"LANG", "C", ""},
		{"LC_NUMERIC", "C", ""},
		{"HTTPS_PROXY", "http://p", ""},
		{"REDIS_PORT", "tcp://10.0.0.1:6379", ""},
		{"REDIS_SERVICE_HOST", "10.0.0.1", ""},
		{"WORKER_PORT_8080_TCP_ADDR", "10.0.0.1", ""},
		{"WORKER_SERVICE_HOST", "10.0.0.1", ""},
		{"ISSUANCE_TEST_REDIS", "required", ""},
		{"HOME", "/root", ""},
	} {
		env := production()
		env[c.name] = c.value
		got := strings.Join(load(t, env, all...).Warnings, "\n")
		if n := strings.Count(got, c.name+" "); n > 1 {
			t.Errorf("%s: %d warnings", c.name, n)
		}
		if c.says == "" && got != "" || !strings.Contains(got, c.says) || strings.Contains(got, "Kanarie") {
			t.Errorf("%s=%s: %q; should say %q", c.name, c.value, got, c.says)
		}
	}
}

// Records that are kept for less than a month let an order number be used twice, which is warned about.
func TestShortRetentionIsWarnedAbout(t *testing.T) {
	for keep, warned := range map[string]bool{"29d": true, "30d": false} {
		env := production()
		env["ISSUANCE_KEEP_DETAILS"], env["ISSUANCE_KEEP_RECORDS"] = "24h", keep
		got := strings.Join(load(t, env, all...).Warnings, "\n")
		if warned != strings.Contains(got, "ISSUANCE_KEEP_RECORDS") {
			t.Errorf("%s: %q", keep, got)
		}
	}
}

// Calls over http are for this machine only.
func TestPlainHTTPOnLoopbackOnly(t *testing.T) {
	for url, ok := range map[string]bool{"http://127.0.0.1:9": true, "http://localhost:9": true, "http://[::1]:9": true, "http://10.0.0.1": false} {
		if _, err := Load(map[string]string{"ECTICKET_BASE_URL": url}); (err == nil) != ok {
			t.Errorf("%s: %v", url, err)
		}
	}
}

// Load never looks at the process's own environment.
func TestOnlyTheGivenEnvironment(t *testing.T) {
	t.Setenv("PASS2U_API_KEY", "from-outside")
	if load(t, map[string]string{"LOG_FORMAT": "json"}).Pass2U.Configured() || load(t, nil).Pass2U.Configured() {
		t.Fatal("read from the process's environment")
	}
}

func ExampleLoad() {
	_, err := Load(map[string]string{"ECTICKET_MERCHANT_ID": "2000132", "ECTICKET_TIMEOUT": "20"})
	fmt.Println(err)
	// Output:
	// the configuration has mistakes:
	//   ECTICKET_HASH_KEY is missing: ECTicket needs ECTICKET_MERCHANT_ID, ECTICKET_HASH_KEY, ECTICKET_HASH_IV (set all or none)
	//   ECTICKET_HASH_IV is missing: ECTicket needs ECTICKET_MERCHANT_ID, ECTICKET_HASH_KEY, ECTICKET_HASH_IV (set all or none)
	//   ECTICKET_TIMEOUT is "20", which is not a duration (a number with a unit: s, m, h or d); write for example 20s
}
