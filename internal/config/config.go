// Package config is the only place that reads and checks settings, for the worker and the command line
// alike: a variable is read by the same rule wherever it is used. It reports all mistakes at once and
// never shows a secret. It takes the environment as a map, so that only main reads the process's own.
// It imports internal/baseurl, internal/httpcall, internal/redisconn, internal/seal and the providers'
// clients, whose rules it applies.
//
// The struct tags below are the one list of variables; --help and docs/configuration.md come from it.
// The tag "for" names the parts (see Part) that a variable belongs to.
package config

import (
	"net/netip"
	"strings"
	"time"

	"issuance/providers"
)

// Config is everything the environment can say. Empty variables count as not set.
type Config struct {
	Redis    Redis
	Worker   Worker
	ECTicket ECTicket
	Pass2U   Pass2U
	File     AccountsFile
	Poll     Poll
	Ledger   Ledger
	Seal     Seal
	Producer Producer
	Gateway  Gateway

	// Accounts are those of the environment and of the accounts file, by name. One may be incomplete where not all
	// settings are read (see Part). What else wants to know of an account asks it, not ECTicket and Pass2U, which are the
	// environment's account alone.
	Accounts []Account
	// Warnings are worth a log line each: probable typos, settings that are allowed but unwise.
	Warnings []string

	live *Live
}

// Redis says where the queue and the ledger are; redisconn.Source documents both forms.
type Redis struct {
	URL          Secret `env:"REDIS_URL" for:"connection" help:"Redis of queue and ledger: redis://[user:password@]host:port/db, rediss:// for TLS (?ca_file=PATH, and &cert_file=PATH&key_file=PATH for a certificate of your own), unix://PATH, or redis-sentinel://[:password@]host1,host2/db?master=NAME"`
	ClusterAddrs Secret `env:"REDIS_CLUSTER_ADDRS" for:"connection" help:"instead of REDIS_URL, for Redis Cluster: host:port,host:port, optionally after rediss://user:password@"`
	Network      string `env:"REDIS_NETWORK" envDefault:"public" help:"private: nobody else is on the network to Redis, so that it need not be encrypted (docker-compose.yml sets it); public: an unencrypted connection to another host is warned of"`
	WaitReplicas int    `env:"REDIS_WAIT_REPLICAS" envDefault:"0" for:"records" help:"how many replicas must have an intent before the provider is called, and a new order before it is receipted; when fewer answer within a second, nothing is sent, and whoever enqueues is asked to repeat it"`
}

// Worker is what belongs to the process, not to a provider.
type Worker struct {
	HTTPAddr            string        `env:"WORKER_HTTP_ADDR" envDefault:"127.0.0.1:8080" help:"address of the web UI, health checks and metrics; they show no customer data, but put a login before them when you open them to others"`
	HTTPHosts           string        `env:"WORKER_HTTP_HOSTS" help:"further names, comma-separated and without ports, under which a browser may open the web UI, such as that of a proxy, which has to pass its own as Host; those of this machine, without a proxy, and the host of WORKER_HTTP_ADDR always may"`
	LogFormat           LogFormat     `env:"LOG_FORMAT" envDefault:"auto" for:"gateway" help:"text (coloured), json, or auto: text on a terminal, else json"`
	Retention           time.Duration `env:"WORKER_RETENTION" envDefault:"24h" for:"tasks" help:"how long a finished task stays visible in the web UI; the order's record is kept in any case"`
	CheckoutConcurrency int           `env:"WORKER_CHECKOUT_CONCURRENCY" envDefault:"0" help:"checkout tasks of one account that one process runs at the same time; 0: twice its calls per second, at least 8 and at most 200"`
	PollConcurrency     int           `env:"WORKER_POLL_CONCURRENCY" envDefault:"0" help:"poll tasks of one account that one process runs at the same time; 0: twice its calls per second, at least 4 and at most 200"`
	BulkConcurrency     int           `env:"WORKER_BULK_CONCURRENCY" envDefault:"0" help:"bulk tasks of one account that one process runs at the same time; 0: twice its calls per second, at least 4 and at most 200"`
	TaskTimeout         time.Duration `env:"WORKER_TASK_TIMEOUT" envDefault:"60s" for:"tasks" help:"longest run of one task, in whole seconds; longer than the providers' timeouts"`
	IdleProbe           time.Duration `env:"WORKER_IDLE_PROBE" envDefault:"10s" help:"how long nobody calls an account until the worker asks, by looking up an order that does not exist, whether its provider still answers, so that an outage is known before an order meets it; one such question a second for each provider at most; at least 5s, or 0s for never"`
	ShutdownTimeout     time.Duration `env:"WORKER_SHUTDOWN_TIMEOUT" envDefault:"70s" help:"how long a stopping worker waits for running tasks; longer than WORKER_TASK_TIMEOUT, shorter than the grace period of whatever stops it"`
}

// Hosts are the names of HTTPHosts, in lower case.
func (w Worker) Hosts() []string {
	return strings.FieldsFunc(strings.ToLower(w.HTTPHosts), func(r rune) bool { return r == ',' || r == ' ' })
}

// LogFormat is how log lines look.
type LogFormat string

const (
	LogAuto LogFormat = "auto" // text on a terminal, JSON elsewhere
	LogText LogFormat = "text"
	LogJSON LogFormat = "json"
)

// ECTicket is the account at ECPay ECTicket.
type ECTicket struct {
	BaseURL        string        `env:"ECTICKET_BASE_URL" envDefault:"https://ecticket.ecpay.com.tw" for:"lookups" help:"host of ECTicket; the stage is https://ecticket-stage.ecpay.com.tw"`
	MerchantID     string        `env:"ECTICKET_MERCHANT_ID" for:"documents lookups estimates notices" help:"merchant id; without it and its keys ECTicket is not served"`
	PlatformID     string        `env:"ECTICKET_PLATFORM_ID" for:"lookups notices" help:"for platform merchants: the platform's id (keys are then the platform's, too)"`
	HashKey        Secret        `env:"ECTICKET_HASH_KEY" for:"lookups notices" help:"HashKey, 16 characters"`
	HashIV         Secret        `env:"ECTICKET_HASH_IV" for:"lookups notices" help:"HashIV, 16 characters"`
	Mode           Mode          `env:"ECTICKET_MODE" envDefault:"pure" for:"documents lookups" help:"pure (pure issuance) or escrow (use escrow), as in the contract with ECPay"`
	CallsPerSecond float64       `env:"ECTICKET_CALLS_PER_SECOND" envDefault:"4" for:"lookups estimates" help:"calls per second of all workers together; above 5 ECPay may ban the account for half an hour"`
	Ban            time.Duration `env:"ECTICKET_BAN" envDefault:"30m" for:"lookups" help:"how long no worker calls after ECPay answered 403"`
	Timeout        time.Duration `env:"ECTICKET_TIMEOUT" envDefault:"20s" for:"lookups" help:"longest wait for one answer"`
	SettleAfter    time.Duration `env:"ECTICKET_SETTLE_AFTER" envDefault:"12m" for:"lookups" help:"how long after a call without an answer an order unknown to ECPay may still appear there; longer than 10m, the validity of a request"`
	Paths          string        `env:"ECTICKET_PATHS" for:"lookups" help:"paths of single calls that differ from ECPay's documents, as CALL=PATH, comma-separated, for example Refund=/api/issuance/Refund"`
	Codes          string        `env:"ECTICKET_CODES" for:"lookups" help:"what codes of ECTicket's answers mean, as MEANING=CODE, comma-separated, for example not_found=10200047; the meanings are rejected, not_sent, unknown, held, not_found and exists; codes that are not listed mean rejected"`
	RefundFields   string        `env:"ECTICKET_REFUND_FIELDS" for:"lookups" help:"body of Refund, whose documentation is not public in full, as FIELD=VALUE, comma-separated; {TicketNo}, {Operator} and {StoreID} stand for the refund's own, for example TicketNo={TicketNo},Action=1"`
}

// Mode is the kind of contract with ECPay; it decides paths and rules.
type Mode string

const (
	Pure   Mode = "pure"   // pure issuance
	Escrow Mode = "escrow" // use escrow
)

// Pass2U is the account at Pass2U.
type Pass2U struct {
	BaseURL           string        `env:"PASS2U_BASE_URL" envDefault:"https://www.pass2u.net/api/v1/public/product" help:"where generate, query and refund are"`
	APIKey            Secret        `env:"PASS2U_API_KEY" help:"API key; without it Pass2U is not served"`
	CallsPerSecond    float64       `env:"PASS2U_CALLS_PER_SECOND" envDefault:"4" for:"estimates" help:"calls per second of all workers together"`
	Ban               time.Duration `env:"PASS2U_BAN" envDefault:"30m" help:"how long no worker calls after Pass2U answered 403"`
	Timeout           time.Duration `env:"PASS2U_TIMEOUT" envDefault:"20s" help:"longest wait for one answer"`
	SettleAfter       time.Duration `env:"PASS2U_SETTLE_AFTER" envDefault:"15m" help:"how long after a call without an answer an order unknown to Pass2U may still appear there; the rejection of a refund is final 30s later, when no copy of its request can arrive any more"`
	ProxyURL          Secret        `env:"PASS2U_PROXY_URL" help:"proxy for calls to Pass2U, which accepts one source address per account: http://user:password@host:port, https:// or socks5://"`
	RefundQuantityKey string        `env:"PASS2U_REFUND_QUANTITY_KEY" envDefault:"quantity" help:"name of the number to refund on the wire: quantity (as in Pass2U's example) or quanity (as in its table)"`
	QueryPath         string        `env:"PASS2U_QUERY_PATH" envDefault:"/query" help:"path of the query below PASS2U_BASE_URL; / for the base itself (Pass2U's document says both)"`
}

// AccountsFile is where several accounts are described.
type AccountsFile struct {
	Path string `env:"ISSUANCE_ACCOUNTS_FILE" for:"documents lookups estimates notices" help:"YAML file of accounts, where there are several of a provider (see docs/accounts.md); read again when it, or a file with a secret that it names, changes, and on SIGHUP. A provider's accounts are in the file or in the environment, not in both"`
}

// Poll is the follow-up poller's schedule.
type Poll struct {
	Sentinel    time.Duration `env:"POLL_SENTINEL" envDefault:"5s" help:"how often the oldest unfinished order of an account is looked up"`
	Interval    time.Duration `env:"POLL_INTERVAL" envDefault:"60s" help:"first wait of every other order"`
	Expected    time.Duration `env:"POLL_EXPECTED" envDefault:"5m" help:"by when an order is usually issued; after that it is looked up less often"`
	MaxInterval time.Duration `env:"POLL_MAX_INTERVAL" envDefault:"10m" help:"longest wait between two look-ups"`
	Deadline    time.Duration `env:"POLL_DEADLINE" envDefault:"24h" help:"when an unfinished order needs review"`
}

// Ledger says how long records are kept.
type Ledger struct {
	KeepDetails time.Duration `env:"ISSUANCE_KEEP_DETAILS" envDefault:"90d" for:"records" help:"how long a finished order keeps its details (document, result, history); orders in review keep theirs until they are decided"`
	KeepRecords time.Duration `env:"ISSUANCE_KEEP_RECORDS" envDefault:"400d" for:"records" help:"how long a finished order's record is kept (number, state, times, provider's id); until then its number cannot be used for another order, and it can be refunded by its number; not shorter than ISSUANCE_KEEP_DETAILS"`
	KeepEvents  int           `env:"ISSUANCE_KEEP_EVENTS" envDefault:"1000000" for:"records" help:"about how many entries the stream of final statuses keeps, at least 1000"`
}

// Seal holds the keys of customers' data.
type Seal struct {
	Keys Secret `env:"ISSUANCE_SEAL_KEYS" for:"keys" help:"keys that seal customers' data in Redis, comma-separated base64 of 32 bytes each (make one with: openssl rand -base64 32); the first seals, all open; the same for workers and producers"`
}

// Producer is what only the command line uses.
type Producer struct {
	Precheck Precheck `env:"ECTICKET_PRECHECK" envDefault:"auto" for:"precheck" help:"on: before the command line enqueues orders, it checks their items against the catalogue at ECTicket; off: it never does; auto: only for enqueue bulk --dry-run"`
}

// Gateway is the front door, enqueue serve.
type Gateway struct {
	HTTPAddr         string        `env:"GATEWAY_HTTP_ADDR" envDefault:"127.0.0.1:8090" for:"gateway" help:"address of the front door; one that other machines reach needs GATEWAY_TOKENS_FILE"`
	TokensFile       string        `env:"GATEWAY_TOKENS_FILE" for:"gateway" help:"YAML file of the tokens that may call, read again when it changes (see docs/http.md); without it only programs of this machine are answered, and may do everything"`
	TLSCertFile      string        `env:"GATEWAY_TLS_CERT_FILE" for:"gateway" help:"certificate chain of the front door (PEM), read again when it changes; without it the front door speaks plain HTTP, for a proxy before it"`
	TLSKeyFile       string        `env:"GATEWAY_TLS_KEY_FILE" for:"gateway" help:"key of the certificate (PEM)"`
	TrustedProxies   string        `env:"GATEWAY_TRUSTED_PROXIES" for:"gateway" help:"addresses or networks of proxies whose X-Forwarded-For (access log, lockout of the console) and X-Forwarded-Proto are believed, comma-separated, for example 10.0.0.0/8"`
	WebhooksFile     string        `env:"GATEWAY_WEBHOOKS_FILE" for:"gateway" help:"YAML file of the webhooks that are sent final statuses, read again when it changes (see docs/webhooks.md); the same for every front door"`
	WebhooksProxyURL Secret        `env:"GATEWAY_WEBHOOKS_PROXY_URL" for:"gateway" help:"proxy for webhooks outside of private networks: http://user:password@host:port, https:// or socks5://; it has to keep private networks out of reach by itself"`
	PublicURL        string        `env:"GATEWAY_PUBLIC_URL" for:"gateway" help:"scheme and host under which ECPay reaches the front door, on port 80 or 443, for example https://tickets.shop.example; with it, ECTicket orders that name no addresses for notices get the front door's (see docs/notices.md)"`
	NoticeAck        NoticeAck     `env:"GATEWAY_NOTICE_ACK" envDefault:"envelope" for:"gateway" help:"how notices of ECTicket are acknowledged: envelope (encrypted, as ECPay's guide says) or plain (1|OK)"`
	TraceURL         string        `env:"GATEWAY_TRACE_URL" for:"gateway" help:"where traces are looked at, {trace_id} in place of the trace's id, for example https://jaeger.example/trace/{trace_id}; the console's order pages link there"`
	ShutdownTimeout  time.Duration `env:"GATEWAY_SHUTDOWN_TIMEOUT" envDefault:"30s" for:"gateway" help:"how long a stopping front door lets requests end"`
}

// TraceID stands for a trace's id in Gateway.TraceURL.
const TraceID = "{trace_id}"

// NoticeAck is how notices are acknowledged.
type NoticeAck string

const (
	AckEnvelope NoticeAck = "envelope"
	AckPlain    NoticeAck = "plain"
)

// Notices is where ECTicket is to send notices to, without the merchant's id at its end; "" without PublicURL. path is the
// front door's.
func (g Gateway) Notices(path string) string {
	if g.PublicURL == "" {
		return ""
	}
	return strings.TrimRight(g.PublicURL, "/") + path
}

// Trusts reports whether an address is a trusted proxy's.
func (g Gateway) Trusts(ip string) bool {
	a, err := netip.ParseAddr(ip)
	if err != nil {
		return false
	}
	for _, p := range g.proxies() {
		if p.Contains(a.Unmap()) {
			return true
		}
	}
	return false
}

// proxies are the networks of TrustedProxies; those that cannot be read are mistakes.
func (g Gateway) proxies() (out []netip.Prefix) {
	for text := range strings.SplitSeq(g.TrustedProxies, ",") {
		if p, err := network(text); err == nil {
			out = append(out, p)
		}
	}
	return out
}

// network reads a network, or an address as a network of its own.
func network(text string) (netip.Prefix, error) {
	text = strings.TrimSpace(text)
	if a, err := netip.ParseAddr(text); err == nil {
		return netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	return p.Masked(), err
}

// Precheck is when items are checked against the catalogue.
type Precheck string

const (
	On   Precheck = "on"
	Off  Precheck = "off"
	Auto Precheck = "auto" // in a dry run, if ECTicket is configured
)

// Configured reports whether the account is complete, so that ECTicket is served.
func (e ECTicket) Configured() bool { return e.configured() }

// Configured reports whether the account is complete, so that Pass2U is served.
func (p Pass2U) Configured() bool { return p.configured() }

// Pace is whose calls an account means, and how many a second are allowed. An account that is not among Accounts is
// returned as it is, with what the environment allows its provider.
func (c Config) Pace(a providers.Account) (named providers.Account, perSecond float64) {
	if known, ok := Find(c.Accounts, a); ok {
		return known.Name, known.CallsPerSecond
	}
	if k, ok := kindOf(a.Provider); ok {
		perSecond, _, _ = k.of(&c).pace()
	}
	return a, perSecond
}

// OwnMerchant is the ECTicket merchant that the environment names, "" for none, and whether orders there are under escrow.
func (c Config) OwnMerchant() (id string, escrow bool) {
	return c.ECTicket.MerchantID, c.ECTicket.Mode == Escrow
}
