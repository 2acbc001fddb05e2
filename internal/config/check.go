package config

import (
	"errors"
	"net"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"issuance/internal/baseurl"
	"issuance/internal/httpcall"
	"issuance/internal/redisconn"
	"issuance/internal/seal"
	"issuance/providers/ecticket"
	"issuance/providers/ecticket/ecticketdoc"
)

// check applies every rule to what is set and could be read. Variables that are not read have their
// defaults, which break no rule; rules about several variables hold only where all of them are read.
func (l *loader) check() {
	l.redis()
	l.worker()
	for _, k := range kinds {
		k.check(l)
	}
	l.wholeAccount()
	l.proxyAlone()
	l.durations()
	l.times()
	l.ledger()
	l.gateway()
	l.oneOf("ECTICKET_PRECHECK", string(l.cfg.Producer.Precheck), string(On), string(Off), string(Auto))
	if keys := l.cfg.Seal.Keys; keys.Set() {
		if _, err := seal.ParseRing(keys.Reveal()); err != nil {
			l.wrong("ISSUANCE_SEAL_KEYS", "is wrong: %v; make a key with: openssl rand -base64 32", err)
		}
	}
}

// Private reports whether nobody else is on the network to Redis.
func (r Redis) Private() bool { return r.Network == "private" }

// Options says where Redis is.
func (r Redis) Options() (redisconn.Options, error) {
	return redisconn.Parse(redisconn.Source{URL: r.URL.Reveal(), ClusterAddrs: r.ClusterAddrs.Reveal()})
}

func (l *loader) gateway() {
	g := l.cfg.Gateway
	if _, port, err := net.SplitHostPort(g.HTTPAddr); l.usable("GATEWAY_HTTP_ADDR") && (err != nil || port == "") {
		l.wrong("GATEWAY_HTTP_ADDR", "is %q; write host:port, for example 127.0.0.1:8090, or :8090 for every interface", g.HTTPAddr)
	}
	if (g.TLSCertFile == "") != (g.TLSKeyFile == "") {
		l.wrong("GATEWAY_TLS_CERT_FILE", "and GATEWAY_TLS_KEY_FILE belong together: set both, or none")
	}
	for text := range strings.SplitSeq(g.TrustedProxies, ",") {
		if _, err := network(text); err != nil && strings.TrimSpace(g.TrustedProxies) != "" {
			l.wrong("GATEWAY_TRUSTED_PROXIES", "has %q; write addresses or networks, comma-separated, for example 10.0.0.0/8", strings.TrimSpace(text))
			break
		}
	}
	l.proxyURL("GATEWAY_WEBHOOKS_PROXY_URL", g.WebhooksProxyURL)
	if g.PublicURL != "" {
		u, _ := url.Parse(g.PublicURL)
		err := ecticketdoc.CheckNotices(g.Notices("/notify/ecticket/0000000000"))
		if err == nil && (strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "") {
			err = errors.New("must be scheme and host alone")
		}
		if err != nil {
			l.wrong("GATEWAY_PUBLIC_URL", "is wrong: it %v; write for example https://tickets.shop.example", err)
		}
	}
	if u, err := url.Parse(strings.Replace(g.TraceURL, TraceID, "0", 1)); g.TraceURL != "" &&
		(err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.User != nil || strings.Count(g.TraceURL, TraceID) != 1) {
		l.wrong("GATEWAY_TRACE_URL", "must be an http or https address without a user that holds %s once, for example https://jaeger.example/trace/%s", TraceID, TraceID)
	}
	l.oneOf("GATEWAY_NOTICE_ACK", string(g.NoticeAck), string(AckEnvelope), string(AckPlain))
	if d := g.ShutdownTimeout; l.usable("GATEWAY_SHUTDOWN_TIMEOUT") && d <= 0 {
		l.wrong("GATEWAY_SHUTDOWN_TIMEOUT", "is %s; write for example 30s", d)
	}
}

func (l *loader) redis() {
	r := l.cfg.Redis
	if r.URL.Set() || r.ClusterAddrs.Set() {
		if _, err := r.Options(); err != nil { // "VARIABLE: text", as redisconn writes it
			name, text, ok := strings.Cut(err.Error(), ": ")
			if !ok || strings.Contains(name, " ") {
				name, text = "REDIS_URL", err.Error()
			}
			l.wrong(name, "is wrong: %s", text)
		}
	}
	l.oneOf("REDIS_NETWORK", r.Network, "public", "private")
	if n := r.WaitReplicas; n < 0 || n > 10 {
		l.wrong("REDIS_WAIT_REPLICAS", "is %d; write how many replicas must have an intent, from 0 to 10", n)
	}
}

func (l *loader) worker() {
	w := l.cfg.Worker
	if _, port, err := net.SplitHostPort(w.HTTPAddr); err != nil || port == "" {
		l.wrong("WORKER_HTTP_ADDR", "is %q; write host:port, for example 127.0.0.1:8080, or :8080 for every interface", w.HTTPAddr)
	}
	for _, host := range w.Hosts() {
		if strings.ContainsAny(host, ":/*") && net.ParseIP(host) == nil {
			l.wrong("WORKER_HTTP_HOSTS", "has %q; write names without scheme, port and wildcards, for example ops.example.com", host)
		}
	}
	l.oneOf("LOG_FORMAT", string(w.LogFormat), string(LogAuto), string(LogText), string(LogJSON))
	l.between("WORKER_CHECKOUT_CONCURRENCY", w.CheckoutConcurrency, 0, 1000)
	l.between("WORKER_POLL_CONCURRENCY", w.PollConcurrency, 0, 1000)
	l.between("WORKER_BULK_CONCURRENCY", w.BulkConcurrency, 0, 1000)
}

var merchantID = regexp.MustCompile(`^[0-9A-Za-z]{1,10}$`)

func (l *loader) ecticket() {
	e := &l.cfg.ECTicket
	l.baseURL("ECTICKET_BASE_URL", &e.BaseURL)
	l.oneOf("ECTICKET_MODE", string(e.Mode), string(Pure), string(Escrow))
	l.rate("ECTICKET_CALLS_PER_SECOND", e.CallsPerSecond)
	if e.CallsPerSecond > 5 {
		l.warn("ECTICKET_CALLS_PER_SECOND is %g: above 5 (one call in 200 ms) ECPay may ban the account for half an hour", e.CallsPerSecond)
	}
	for name, id := range map[string]string{"ECTICKET_MERCHANT_ID": e.MerchantID, "ECTICKET_PLATFORM_ID": e.PlatformID} {
		if id != "" && !merchantID.MatchString(id) {
			l.wrong(name, "is %q; an id has 1 to 10 letters and digits", id)
		}
	}
	for name, key := range map[string]Secret{"ECTICKET_HASH_KEY": e.HashKey, "ECTICKET_HASH_IV": e.HashIV} {
		if n := len(key.Reveal()); key.Set() && n != 16 {
			l.wrong(name, "has %d characters; it has exactly 16, copy it again from ECPay's back office", n)
		}
	}
	_, errPaths := ecticket.ParsePaths(e.Paths)
	l.reads("ECTICKET_PATHS", errPaths)
	_, errCodes := ecticket.ParseCodes(e.Codes)
	l.reads("ECTICKET_CODES", errCodes)
	_, errFields := ecticket.ParseRefundFields(e.RefundFields)
	l.reads("ECTICKET_REFUND_FIELDS", errFields)
	l.settle()
}

// wholeAccount wants all or none of ECTicket's credentials, where they are read.
func (l *loader) wholeAccount() {
	e := l.cfg.ECTicket
	parts := []string{"ECTICKET_MERCHANT_ID", "ECTICKET_HASH_KEY", "ECTICKET_HASH_IV"}
	_, read := l.table["ECTICKET_HASH_KEY"]
	if _, calls := l.table["ECTICKET_BASE_URL"]; !calls && !e.HashKey.Set() && !e.HashIV.Set() {
		return // a front door that takes no notices, and knows whose documents it takes
	}
	if !read || e.MerchantID == "" && e.PlatformID == "" && !e.HashKey.Set() && !e.HashIV.Set() {
		return
	}
	for _, name := range parts {
		if l.given[name] == "" && l.given[name+"_FILE"] == "" {
			l.wrong(name, "is missing: ECTicket needs %s (set all or none)", strings.Join(parts, ", "))
		}
	}
}

func (l *loader) pass2u() {
	p := &l.cfg.Pass2U
	l.baseURL("PASS2U_BASE_URL", &p.BaseURL)
	l.rate("PASS2U_CALLS_PER_SECOND", p.CallsPerSecond)
	l.oneOf("PASS2U_REFUND_QUANTITY_KEY", p.RefundQuantityKey, "quantity", "quanity")
	if !strings.HasPrefix(p.QueryPath, "/") || strings.ContainsAny(p.QueryPath, "?# ") {
		l.wrong("PASS2U_QUERY_PATH", "is %q; write a path such as /query, or / for the base itself", p.QueryPath)
	}
	if strings.ContainsFunc(p.APIKey.Reveal(), func(r rune) bool { return r <= ' ' || r > '~' }) {
		l.wrong("PASS2U_API_KEY", "holds a space, a line break or a special character; write the bare key, without Bearer and quotes")
	}
	l.proxyURL("PASS2U_PROXY_URL", p.ProxyURL)
	l.longer("PASS2U_TIMEOUT", "PASS2U_SETTLE_AFTER", "an order may appear as long as its call is under way")
}

func (l *loader) proxyAlone() {
	p := l.cfg.Pass2U
	if p.ProxyURL.Set() && !p.APIKey.Set() {
		l.warn("PASS2U_PROXY_URL is set, but PASS2U_API_KEY is not: Pass2U is not served")
	}
}

func (l *loader) proxyURL(name string, value Secret) {
	if !value.Set() {
		return
	}
	if _, err := httpcall.CheckProxyURL(value.Reveal()); err != nil {
		l.wrong(name, "%v; percent-encode special characters", err)
	}
}

func (l *loader) ledger() {
	k := l.cfg.Ledger
	l.notShorter("ISSUANCE_KEEP_DETAILS", "ISSUANCE_KEEP_RECORDS")
	l.between("ISSUANCE_KEEP_EVENTS", k.KeepEvents, 1000, 1_000_000_000)
	if l.usable("ISSUANCE_KEEP_RECORDS") && k.KeepRecords < 30*24*time.Hour {
		l.warn("ISSUANCE_KEEP_RECORDS is %s: an order number that is used again after that is another order", k.KeepRecords)
	}
}

// require reports what has to be set and is not, unless there is another mistake about it.
func (l *loader) require(needs []Need) {
	c := l.cfg
	fine := func(prefixes ...string) bool {
		return !slices.ContainsFunc(l.mistakes, func(m Mistake) bool {
			return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(m.Variable, p) })
		})
	}
	for _, n := range needs {
		switch {
		case n == NeedRedis && !c.Redis.URL.Set() && !c.Redis.ClusterAddrs.Set() && fine("REDIS_URL", "REDIS_CLUSTER_ADDRS"):
			l.wrong("REDIS_URL", "is missing: write redis://[user:password@]host:port/db, or try everything without a Redis by: worker --sandbox")
		case n == NeedSealKeys && !c.Seal.Keys.Set() && fine("ISSUANCE_SEAL_KEYS"):
			l.wrong("ISSUANCE_SEAL_KEYS", "is missing: it seals customers' data in Redis; make a key with: openssl rand -base64 32")
		case n == NeedSealKeys && c.Seal.Keys.Set():
			if ring, err := seal.ParseRing(c.Seal.Keys.Reveal()); err == nil && ring.HoldsSandboxKey() {
				l.wrong("ISSUANCE_SEAL_KEYS", "holds the sandbox's key, which is public; make a key with: openssl rand -base64 32")
			}
		case n == NeedProvider && len(c.Callable()) == 0 && fine("ECTICKET_MERCHANT_ID", "ECTICKET_HASH_", "PASS2U_API_KEY", "ISSUANCE_ACCOUNTS_FILE"):
			l.wrong("ECTICKET_MERCHANT_ID", "is missing, and so is PASS2U_API_KEY: there is nothing to serve; set ECTICKET_MERCHANT_ID, "+
				"ECTICKET_HASH_KEY and ECTICKET_HASH_IV, or PASS2U_API_KEY, or both, or ISSUANCE_ACCOUNTS_FILE")
		}
	}
}

func (l *loader) oneOf(name, value string, allowed ...string) {
	if !slices.Contains(allowed, value) {
		l.wrong(name, "is %q; write %s", value, strings.Join(allowed, " or "))
	}
}

func (l *loader) between(name string, n, least, most int) {
	if l.usable(name) && (n < least || n > most) {
		l.wrong(name, "is %d; write a number from %d to %d", n, least, most)
	}
}

func (l *loader) rate(name string, r float64) {
	if l.usable(name) && !(r > 0 && r <= 1000) { // NaN included
		l.wrong(name, "is %g; write a number above 0 and up to 1000, for example 4 (0.5 is one call in two seconds)", r)
	}
}

// baseURL checks a provider's address and takes trailing slashes off.
func (l *loader) baseURL(name string, value *string) {
	*value = strings.TrimRight(*value, "/")
	if err := baseurl.Check(*value); err != nil {
		l.wrong(name, "%v; write for example %s", err, l.table[name].Default)
	}
}

// reads reports what a parser of the provider's package has found wrong.
func (l *loader) reads(name string, err error) {
	if err != nil {
		l.wrong(name, "is wrong: %s", strings.ReplaceAll(err.Error(), "\n", "; "))
	}
}

// duration is a setting by its variable's name.
func (l *loader) duration(name string) time.Duration {
	v := l.table[name]
	return reflect.ValueOf(l.cfg).Field(v.group).Field(v.field).Interface().(time.Duration)
}
