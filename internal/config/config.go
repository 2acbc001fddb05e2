// Package config reads the environment of the worker and of the producers, tells all mistakes
// at once, and never prints a secret. It takes the environment as a map, so that nothing but
// main touches the process's own. It imports internal/redisconn and internal/seal, whose rules
// it applies, and nothing else of ours.
//
// The struct tags below are the one list of variables: Table, the README and --help come from
// them. Every field's comment is its help tag.
package config

import "time"

// Config is everything the environment can say. Empty variables count as not set.
type Config struct {
	Redis    Redis
	Worker   Worker
	ECTicket ECTicket
	Pass2U   Pass2U
	Poll     Poll
	Seal     Seal

	// Warnings are worth a log line each: probable typos, settings that are allowed but unwise.
	Warnings []string
}

// Redis says where the queue and the ledger are; redisconn.Source documents both forms.
type Redis struct {
	URL          Secret `env:"REDIS_URL" help:"Redis of queue and ledger: redis://[user:password@]host:port/db, rediss:// for TLS, unix://PATH, or redis-sentinel://[:password@]host1,host2/db?master=NAME"`
	ClusterAddrs Secret `env:"REDIS_CLUSTER_ADDRS" help:"instead of REDIS_URL, for Redis Cluster: host:port,host:port, optionally after rediss://user:password@"`
	WaitReplicas int    `env:"REDIS_WAIT_REPLICAS" envDefault:"0" help:"how many replicas must have an intent before the provider is called; when fewer answer within a second, nothing is sent"`
}

// Worker is what belongs to the process, not to a provider.
type Worker struct {
	HTTPAddr            string        `env:"WORKER_HTTP_ADDR" envDefault:"127.0.0.1:8080" help:"address of the web UI, health checks and metrics; they show no customer data, but put a login before them when you open them to others"`
	LogFormat           LogFormat     `env:"LOG_FORMAT" envDefault:"auto" help:"text (coloured), json, or auto: text on a terminal, else json"`
	Retention           time.Duration `env:"WORKER_RETENTION" envDefault:"24h" help:"how long a finished task stays visible in the web UI; the order's record is kept in any case"`
	CheckoutConcurrency int           `env:"WORKER_CHECKOUT_CONCURRENCY" envDefault:"8" help:"checkout tasks one process runs at the same time, per provider"`
	PollConcurrency     int           `env:"WORKER_POLL_CONCURRENCY" envDefault:"4" help:"poll tasks one process runs at the same time, per provider"`
	BulkConcurrency     int           `env:"WORKER_BULK_CONCURRENCY" envDefault:"4" help:"bulk tasks one process runs at the same time, per provider"`
	TaskTimeout         time.Duration `env:"WORKER_TASK_TIMEOUT" envDefault:"60s" help:"longest run of one task, in whole seconds; longer than the providers' timeouts"`
	ShutdownTimeout     time.Duration `env:"WORKER_SHUTDOWN_TIMEOUT" envDefault:"70s" help:"how long a stopping worker waits for running tasks; longer than WORKER_TASK_TIMEOUT, shorter than the grace period of whatever stops it"`
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
	BaseURL        string        `env:"ECTICKET_BASE_URL" envDefault:"https://ecticket.ecpay.com.tw" help:"host of ECTicket; the stage is https://ecticket-stage.ecpay.com.tw"`
	MerchantID     string        `env:"ECTICKET_MERCHANT_ID" help:"merchant id; without it and its keys ECTicket is not served"`
	PlatformID     string        `env:"ECTICKET_PLATFORM_ID" help:"for platform merchants: the platform's id (keys are then the platform's, too)"`
	HashKey        Secret        `env:"ECTICKET_HASH_KEY" help:"HashKey, 16 characters"`
	HashIV         Secret        `env:"ECTICKET_HASH_IV" help:"HashIV, 16 characters"`
	Mode           Mode          `env:"ECTICKET_MODE" envDefault:"pure" help:"pure (pure issuance) or escrow (use escrow), as in the contract with ECPay"`
	CallsPerSecond float64       `env:"ECTICKET_CALLS_PER_SECOND" envDefault:"4" help:"calls per second of all workers together; above 5 ECPay may ban the account for half an hour"`
	Ban            time.Duration `env:"ECTICKET_BAN" envDefault:"30m" help:"how long no worker calls after ECPay answered 403"`
	Timeout        time.Duration `env:"ECTICKET_TIMEOUT" envDefault:"20s" help:"longest wait for one answer"`
	SettleAfter    time.Duration `env:"ECTICKET_SETTLE_AFTER" envDefault:"12m" help:"how long after a call without an answer an order unknown to ECPay may still appear there; longer than 10m, the validity of a request"`
	Precheck       Switch        `env:"ECTICKET_PRECHECK" envDefault:"off" help:"on: before the command line enqueues orders, it checks their items against the catalogue at ECTicket; enqueue bulk --dry-run does so unless this says off"`
}

// Switch is on or off.
type Switch string

const (
	On  Switch = "on"
	Off Switch = "off"
)

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
	CallsPerSecond    float64       `env:"PASS2U_CALLS_PER_SECOND" envDefault:"4" help:"calls per second of all workers together"`
	Ban               time.Duration `env:"PASS2U_BAN" envDefault:"30m" help:"how long no worker calls after Pass2U answered 403"`
	Timeout           time.Duration `env:"PASS2U_TIMEOUT" envDefault:"20s" help:"longest wait for one answer"`
	SettleAfter       time.Duration `env:"PASS2U_SETTLE_AFTER" envDefault:"15m" help:"how long after a call without an answer an order unknown to Pass2U may still appear there"`
	ProxyURL          Secret        `env:"PASS2U_PROXY_URL" help:"proxy for calls to Pass2U, which accepts one source address per account: http://user:password@host:port, https:// or socks5://"`
	RefundQuantityKey string        `env:"PASS2U_REFUND_QUANTITY_KEY" envDefault:"quantity" help:"name of the number to refund on the wire: quantity (as in Pass2U's example) or quanity (as in its table)"`
	QueryPath         string        `env:"PASS2U_QUERY_PATH" envDefault:"/query" help:"path of the query below PASS2U_BASE_URL; / for the base itself (Pass2U's document says both)"`
}

// Poll is the follow-up poller's schedule.
type Poll struct {
	Sentinel    time.Duration `env:"POLL_SENTINEL" envDefault:"5s" help:"how often the oldest unfinished order of an account is asked for"`
	Interval    time.Duration `env:"POLL_INTERVAL" envDefault:"60s" help:"first wait of every other order"`
	Expected    time.Duration `env:"POLL_EXPECTED" envDefault:"5m" help:"by when an order is usually issued; then it is asked for less often"`
	MaxInterval time.Duration `env:"POLL_MAX_INTERVAL" envDefault:"10m" help:"longest wait between two questions"`
	Deadline    time.Duration `env:"POLL_DEADLINE" envDefault:"24h" help:"when an unfinished order is handed to a person (review)"`
}

// Seal holds the keys of customers' data.
type Seal struct {
	Keys Secret `env:"ISSUANCE_SEAL_KEYS" help:"keys that seal customers' data in Redis, comma-separated base64 of 32 bytes each (make one with: openssl rand -base64 32); the first seals, all open; the same for workers and producers"`
}

// Configured reports whether the account is complete, so that ECTicket is served.
func (e ECTicket) Configured() bool {
	return e.MerchantID != "" && e.HashKey.Set() && e.HashIV.Set()
}

// Configured reports whether the account is complete, so that Pass2U is served.
func (p Pass2U) Configured() bool { return p.APIKey.Set() }
