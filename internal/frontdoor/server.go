package frontdoor

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"issuance/internal/ledger"
	"issuance/tasks"
)

// Config of a Server. Everything is required unless a default is given.
type Config struct {
	Client *tasks.Client
	Ledger *ledger.Ledger
	RDB    redis.UniversalClient
	Rules  tasks.Rules // that documents are checked against
	Log    *slog.Logger
	// Tokens are who may call. Default: everybody, with all scopes; the server then answers only requests for a
	// host name of this machine, none that a browser makes for another site, and none that a proxy passes on.
	Tokens  *Tokens
	Version string
	// Trusted reports whether an address is that of a proxy, whose X-Forwarded-For is believed. Default: none is.
	Trusted func(ip string) bool
	// Ready says why nothing can be enqueued; nil when it can. Default: the client's, which asks whether Redis answers and
	// whether the client's seal keys are the workers'.
	Ready func(context.Context) error
	// Timeout is how long a caller may take to send a request's header, and its body, and to read a part of a stream. A
	// bulk's lines may take three times as long. Default 10 s.
	Timeout time.Duration
	// RedisWithin is how long a request waits for a Redis that does not answer, altogether and besides the time that its caller
	// wants to wait. It holds where RDB and what Client and Ledger use are clients of package redisconn. Default 5 s.
	RedisWithin time.Duration
	// Notices takes ECTicket's notices. Default: none are taken.
	Notices *Notices
	// Metrics are further ones that /metrics shows. Default: none.
	Metrics []prometheus.Collector
	// Now is the clock. Default time.Now.
	Now func() time.Time
}

// Server answers HTTP requests. Safe for concurrent use.
type Server struct {
	Config
	api      huma.API
	mux      *http.ServeMux
	handler  http.Handler
	hub      *hub
	limits   *limits
	metrics  *counters
	mounted  []string // paths
	accounts sync.Map // of tasks.Account: those that are known to be some
	draining atomic.Bool
	drained  chan struct{} // closed by Drain
}

// mostDocument is the largest body, in bytes. An order of the providers' limits has less than a tenth of it.
const mostDocument = 1 << 20

// New makes a server. Run has to run for requests that wait.
func New(c Config) *Server {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Timeout <= 0 {
		c.Timeout = 10 * time.Second
	}
	if c.RedisWithin <= 0 {
		c.RedisWithin = 5 * time.Second
	}
	if c.Trusted == nil {
		c.Trusted = func(string) bool { return false }
	}
	if c.Ready == nil {
		c.Ready = func(ctx context.Context) error { return c.Client.Ready(ctx) }
	}
	s := &Server{Config: c, drained: make(chan struct{})}
	s.hub = newHub(c.Ledger, c.Log)
	s.limits = newLimits(c.RDB)
	s.metrics = newCounters(s.hub, c.RDB, c.Metrics)
	mux := http.NewServeMux()
	s.mux = mux
	s.api = humago.New(mux, s.describe())
	s.orders()
	s.refunds()
	s.questions()
	s.bulk()
	s.events()
	s.health(mux)
	s.notices(mux)
	mux.HandleFunc(anything, s.unmatched)
	s.complete()
	s.docs(mux)
	s.handler = s.early(s.outer(mux))
	return s
}

// Mount serves a path, "/console/" say, and what is below it by another handler, which asks by itself who calls. It is called
// before the server serves.
func (s *Server) Mount(path string, h http.Handler) {
	s.mux.Handle(path, h)
	s.mounted = append(s.mounted, path)
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// Run reads the events that waiting requests wait for, and the tokens file when it changes, until the context ends.
func (s *Server) Run(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	if s.Tokens != nil {
		wg.Go(func() { s.Tokens.follow(ctx) })
	}
	s.hub.run(ctx)
}

// Drain has requests that wait, and streams of events, end as if their time had come; new ones do not wait. A server
// that stops calls it before http.Server.Shutdown.
func (s *Server) Drain() {
	if !s.draining.Swap(true) {
		close(s.drained)
	}
}

// OpenAPI is the description that /openapi.json serves.
func (s *Server) OpenAPI() *huma.OpenAPI { return s.api.OpenAPI() }

// ourErrors has huma make our problems. Its variables are the whole process's, and servers of tests are made side by side.
var ourErrors = sync.OnceFunc(func() {
	huma.NewError = func(status int, message string, errs ...error) huma.StatusError {
		return humaProblem(status, message, errs...)
	}
	huma.NewErrorWithContext = func(c huma.Context, status int, message string, errs ...error) huma.StatusError {
		return noted(c.Context(), humaProblem(status, message, errs...).complete(c))
	}
})

func (s *Server) describe() huma.Config {
	ourErrors()
	c := huma.DefaultConfig("Issuance front door", s.Version)
	c.OpenAPIPath, c.DocsPath, c.SchemasPath = "/openapi", "", "/schemas" // the page is our own
	c.CreateHooks = nil                                                   // no $schema in bodies
	c.Info.Description = description
	c.Components.SecuritySchemes = map[string]*huma.SecurityScheme{"token": {Type: "http", Scheme: "bearer",
		Description: "A token of GATEWAY_TOKENS_FILE; `enqueue token new` makes one."}}
	c.Servers = []*huma.Server{{URL: "http://localhost:8090", Description: "the default address of enqueue serve"}}
	c.Tags = []*huma.Tag{{Name: "orders", Description: "orders and their status"}, {Name: "refunds", Description: "refunds of orders"},
		{Name: "bulk", Description: "files of orders"}, {Name: "events", Description: "final statuses as they happen"}}
	return c
}

const description = `Enqueue ticket orders and refunds, and see what became of them.

The order's number is the idempotency key: putting the same document again changes nothing and answers what became
of the first, so whoever got no answer repeats the request. Whatever happens in between, nothing is issued or
refunded twice.`
