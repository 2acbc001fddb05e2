package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strings"
	"time"

	"issuance/internal/redisconn"
	"issuance/internal/seal"
)

// ecticketWindow is how long ECPay accepts a request after its timestamp (ECTicket, Issue).
const ecticketWindow = 10 * time.Minute

// check applies every rule to what is set and could be read.
func (l *loader) check(given map[string]string, broken map[string]bool) {
	c := &l.cfg
	if c.Redis.URL.Set() || c.Redis.ClusterAddrs.Set() {
		if _, err := c.Redis.Options(); err != nil {
			l.redisMistake(err)
		}
	}
	if n := c.Redis.WaitReplicas; n < 0 || n > 10 {
		l.wrong("REDIS_WAIT_REPLICAS", "is %d; write how many replicas must have an intent, from 0 to 10", n)
	}
	l.worker(broken)
	l.ecticket(given, broken)
	l.pass2u(broken)
	l.durations(broken)
	if c.Seal.Keys.Set() {
		if _, err := seal.ParseRing(c.Seal.Keys.Reveal()); err != nil {
			l.wrong("ISSUANCE_SEAL_KEYS", "is wrong: %v; make a key with: openssl rand -base64 32", err)
		}
	}
}

// Options says where Redis is.
func (r Redis) Options() (redisconn.Options, error) {
	return redisconn.Parse(redisconn.Source{URL: r.URL.Reveal(), ClusterAddrs: r.ClusterAddrs.Reveal()})
}

// redisMistake splits "VARIABLE: text", as redisconn writes it.
func (l *loader) redisMistake(err error) {
	name, text, ok := strings.Cut(err.Error(), ": ")
	if !ok || strings.Contains(name, " ") {
		name, text = "REDIS_URL", err.Error()
	}
	l.wrong(name, "is wrong: %s", text)
}

func (l *loader) worker(broken map[string]bool) {
	w := l.cfg.Worker
	if _, port, err := net.SplitHostPort(w.HTTPAddr); err != nil || port == "" {
		l.wrong("WORKER_HTTP_ADDR", "is %q; write host:port, for example 127.0.0.1:8080, or :8080 for every interface", w.HTTPAddr)
	}
	l.oneOf("LOG_FORMAT", string(w.LogFormat), string(LogAuto), string(LogText), string(LogJSON))
	for name, n := range map[string]int{
		"WORKER_CHECKOUT_CONCURRENCY": w.CheckoutConcurrency,
		"WORKER_POLL_CONCURRENCY":     w.PollConcurrency,
		"WORKER_BULK_CONCURRENCY":     w.BulkConcurrency,
	} {
		if !broken[name] && (n < 1 || n > 1000) {
			l.wrong(name, "is %d; write a number from 1 to 1000", n)
		}
	}
}

func (l *loader) ecticket(given map[string]string, broken map[string]bool) {
	e := &l.cfg.ECTicket
	l.baseURL("ECTICKET_BASE_URL", &e.BaseURL)
	l.oneOf("ECTICKET_MODE", string(e.Mode), string(Pure), string(Escrow))
	l.oneOf("ECTICKET_PRECHECK", string(e.Precheck), string(On), string(Off))
	l.rate("ECTICKET_CALLS_PER_SECOND", e.CallsPerSecond, broken)
	if e.CallsPerSecond > 5 {
		l.warn("ECTICKET_CALLS_PER_SECOND is %g: above 5 (one call in 200 ms) ECPay may ban the account for half an hour", e.CallsPerSecond)
	}
	for name, id := range map[string]string{"ECTICKET_MERCHANT_ID": e.MerchantID, "ECTICKET_PLATFORM_ID": e.PlatformID} {
		if id != "" && !regexp.MustCompile(`^[0-9A-Za-z]{1,10}$`).MatchString(id) {
			l.wrong(name, "is %q; an id has 1 to 10 letters and digits", id)
		}
	}
	for name, key := range map[string]Secret{"ECTICKET_HASH_KEY": e.HashKey, "ECTICKET_HASH_IV": e.HashIV} {
		if n := len(key.Reveal()); key.Set() && n != 16 {
			l.wrong(name, "has %d characters; it has exactly 16, copy it again from ECPay's back office", n)
		}
	}
	parts := []string{"ECTICKET_MERCHANT_ID", "ECTICKET_HASH_KEY", "ECTICKET_HASH_IV"}
	any := e.MerchantID != "" || e.PlatformID != "" || e.HashKey.Set() || e.HashIV.Set()
	for _, name := range parts {
		if _, ok := given[name]; any && !ok && given[name+"_FILE"] == "" {
			l.wrong(name, "is missing: ECTicket needs %s (set all or none)", strings.Join(parts, ", "))
		}
	}
}

func (l *loader) pass2u(broken map[string]bool) {
	p := &l.cfg.Pass2U
	l.baseURL("PASS2U_BASE_URL", &p.BaseURL)
	l.rate("PASS2U_CALLS_PER_SECOND", p.CallsPerSecond, broken)
	l.oneOf("PASS2U_REFUND_QUANTITY_KEY", p.RefundQuantityKey, "quantity", "quanity")
	if !strings.HasPrefix(p.QueryPath, "/") || strings.ContainsAny(p.QueryPath, "?# ") {
		l.wrong("PASS2U_QUERY_PATH", "is %q; write a path such as /query, or / for the base itself", p.QueryPath)
	}
	if strings.ContainsFunc(p.APIKey.Reveal(), func(r rune) bool { return r <= ' ' || r > '~' }) {
		l.wrong("PASS2U_API_KEY", "holds a space, a line break or a special character; write the bare key, without Bearer and quotes")
	}
	if p.ProxyURL.Set() {
		u, err := url.Parse(p.ProxyURL.Reveal())
		if err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "socks5" {
			l.wrong("PASS2U_PROXY_URL", "is not a proxy's address; write http://user:password@host:port, https:// or socks5://, special characters percent-encoded")
		}
		if !p.APIKey.Set() {
			l.warn("PASS2U_PROXY_URL is set, but PASS2U_API_KEY is not: Pass2U is not served")
		}
	}
}

// durations checks each by itself, then the orders among them.
func (l *loader) durations(broken map[string]bool) {
	c := l.cfg
	type named struct {
		name string
		d    time.Duration
	}
	httpE, httpP := named{"ECTICKET_TIMEOUT", c.ECTicket.Timeout}, named{"PASS2U_TIMEOUT", c.Pass2U.Timeout}
	task, stop := named{"WORKER_TASK_TIMEOUT", c.Worker.TaskTimeout}, named{"WORKER_SHUTDOWN_TIMEOUT", c.Worker.ShutdownTimeout}
	settleE, settleP := named{"ECTICKET_SETTLE_AFTER", c.ECTicket.SettleAfter}, named{"PASS2U_SETTLE_AFTER", c.Pass2U.SettleAfter}
	sentinel, first := named{"POLL_SENTINEL", c.Poll.Sentinel}, named{"POLL_INTERVAL", c.Poll.Interval}
	longest, expected := named{"POLL_MAX_INTERVAL", c.Poll.MaxInterval}, named{"POLL_EXPECTED", c.Poll.Expected}
	deadline := named{"POLL_DEADLINE", c.Poll.Deadline}

	// The queue counts whole seconds and takes less than one for "no limit".
	for _, n := range []named{httpE, httpP, task, stop, settleE, settleP, sentinel, first, longest, expected, deadline,
		{"WORKER_RETENTION", c.Worker.Retention}, {"ECTICKET_BAN", c.ECTicket.Ban}, {"PASS2U_BAN", c.Pass2U.Ban}} {
		if !broken[n.name] && n.d < time.Second {
			l.wrong(n.name, "is %s; write at least 1s", n.d)
			broken[n.name] = true
		}
	}
	if !broken[task.name] && task.d%time.Second != 0 {
		l.wrong(task.name, "is %s; write whole seconds", task.d)
	}
	less := func(a, b named, why string) {
		if !broken[a.name] && !broken[b.name] && a.d >= b.d {
			l.wrong(b.name, "is %s; it must be longer than %s (%s): %s", b.d, a.name, a.d, why)
		}
	}
	slowest := httpE
	if broken[httpE.name] || !broken[httpP.name] && httpP.d > httpE.d {
		slowest = httpP
	}
	less(slowest, task, "otherwise a task ends while its call is under way")
	less(task, stop, "otherwise a stopping worker cuts calls off")
	if simulated(c.ECTicket.BaseURL) { // a simulator's window is its owner's choice
		less(httpE, settleE, "an order may appear as long as its call is under way")
	} else {
		less(named{"the validity of a request", ecticketWindow}, settleE, "until then ECPay may still accept a delayed request")
	}
	less(httpP, settleP, "an order may appear as long as its call is under way")
	less(expected, deadline, "otherwise every order goes to a person")
	for _, p := range [][2]named{{sentinel, first}, {first, longest}} {
		if a, b := p[0], p[1]; !broken[a.name] && !broken[b.name] && a.d > b.d {
			l.wrong(b.name, "is %s; it must not be shorter than %s (%s)", b.d, a.name, a.d)
		}
	}
}

func (l *loader) require(needs []Need) {
	c := l.cfg
	missing := func(name string) bool { // a mistake about it was told already
		for _, m := range l.mistakes {
			if m.Variable == name || m.Variable == name+"_FILE" {
				return false
			}
		}
		return true
	}
	for _, n := range needs {
		switch {
		case n == NeedRedis && !c.Redis.URL.Set() && !c.Redis.ClusterAddrs.Set() && missing("REDIS_URL") && missing("REDIS_CLUSTER_ADDRS"):
			l.wrong("REDIS_URL", "is missing: write redis://[user:password@]host:port/db, or try everything without a Redis by: worker --sandbox")
		case n == NeedSealKeys && !c.Seal.Keys.Set() && missing("ISSUANCE_SEAL_KEYS"):
			l.wrong("ISSUANCE_SEAL_KEYS", "is missing: it seals customers' data in Redis; make a key with: openssl rand -base64 32")
		case n == NeedSealKeys && c.Seal.Keys.Set():
			if ring, err := seal.ParseRing(c.Seal.Keys.Reveal()); err == nil && ring.HoldsSandboxKey() {
				l.wrong("ISSUANCE_SEAL_KEYS", "holds the sandbox's key, which everybody knows; make a key with: openssl rand -base64 32")
			}
		case n == NeedProvider && !c.ECTicket.Configured() && !c.Pass2U.Configured() && l.noCredentialMistake():
			l.wrong("ECTICKET_MERCHANT_ID", "is missing, and so is PASS2U_API_KEY: there is nothing to serve; set ECTICKET_MERCHANT_ID, "+
				"ECTICKET_HASH_KEY and ECTICKET_HASH_IV, or PASS2U_API_KEY, or both")
		}
	}
}

// noCredentialMistake reports that nothing about credentials was told yet.
func (l *loader) noCredentialMistake() bool {
	for _, m := range l.mistakes {
		for _, p := range []string{"ECTICKET_MERCHANT_ID", "ECTICKET_HASH_", "PASS2U_API_KEY"} {
			if strings.HasPrefix(m.Variable, p) {
				return false
			}
		}
	}
	return true
}

func (l *loader) oneOf(name, value string, allowed ...string) {
	for _, a := range allowed {
		if value == a {
			return
		}
	}
	l.wrong(name, "is %q; write %s", value, strings.Join(allowed, " or "))
}

func (l *loader) rate(name string, r float64, broken map[string]bool) {
	if !broken[name] && !(r > 0 && r <= 1000) { // NaN included
		l.wrong(name, "is %g; write a number above 0 and up to 1000, for example 4 (0.5 is one call in two seconds)", r)
	}
}

// baseURL checks a provider's address and takes trailing slashes off. Credentials and customers'
// data travel there, so only this machine may be reached without TLS.
func (l *loader) baseURL(name string, value *string) {
	*value = strings.TrimRight(*value, "/")
	if err := checkBaseURL(*value); err != nil {
		l.wrong(name, "%v", err)
	}
}

func checkBaseURL(value string) error {
	u, err := url.Parse(value)
	switch {
	case err != nil || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http":
		return errors.New("is not an address; write https://host")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return errors.New("holds more than an address; write https://host/path, without credentials, ? and #")
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return fmt.Errorf("is %q, which is not encrypted; write https:// (http:// is for this machine only)", value)
	}
	return nil
}

// simulated reports whether a provider is on this very machine, which is where simulators are.
func simulated(base string) bool {
	u, err := url.Parse(base)
	return err == nil && loopback(u.Hostname())
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
