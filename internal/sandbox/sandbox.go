// Package sandbox is everything that `worker --sandbox` adds to a worker: a Redis that lives in
// the process, simulators of both providers, a demo load with its verdict, and the lines that show
// a newcomer what happens to every order. Nothing of it is ever part of a production worker.
//
// It imports the simulators, tasks, internal/baseurl, internal/config, internal/ledger, internal/embedredis,
// internal/seal and internal/cli/table; never a provider's client.
package sandbox

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"issuance/internal/embedredis"
	"issuance/providers/ecticket/ecticketsim"
	"issuance/providers/pass2u/pass2usim"
)

// Options of a sandbox.
type Options struct {
	// EmbedRedis starts a Redis inside the process. Default false: the caller has one.
	EmbedRedis bool
	// ECTicketAddr and Pass2UAddr are where the simulators listen. "" means DefaultECTicketAddr
	// and DefaultPass2UAddr or, when those are taken, the next free port.
	ECTicketAddr, Pass2UAddr string
	// JobEvery is how often the ECTicket simulator issues what it has accepted. Required.
	JobEvery time.Duration
	// Log gets the simulators' lines. Required.
	Log *slog.Logger
}

// Where the simulators listen unless told otherwise.
const (
	DefaultECTicketAddr = "127.0.0.1:9301"
	DefaultPass2UAddr   = "127.0.0.1:9302"
)

// idHeader marks the answers of one sandbox's simulators, so that another sandbox on the same
// Redis finds out that this one still runs.
const idHeader = "X-Issuance-Sandbox"

// Sandbox is a running one.
type Sandbox struct {
	// ID is unique to this run.
	ID string
	// ECTicketURL and Pass2UURL are the simulators' addresses as ECTICKET_BASE_URL and
	// PASS2U_BASE_URL take them.
	ECTicketURL, Pass2UURL string
	// Moved says in plain words what does not listen where it usually does.
	Moved []string

	ecticket *ecticketsim.Sim
	pass2u   *pass2usim.Sim
	redis    *embedredis.Server
	jobEvery time.Duration
	servers  []*http.Server
	stop     context.CancelFunc
	jobs     <-chan struct{}

	mu   sync.Mutex
	demo map[string]bool // numbers of the demo's orders
}

// Start starts the simulators and, if wished, the Redis. On an error nothing is left running.
func Start(o Options) (*Sandbox, error) {
	ctx, stop := context.WithCancel(context.Background())
	s := &Sandbox{
		ID:       rand.Text(),
		ecticket: ecticketsim.New(ecticketsim.Config{JobEvery: o.JobEvery, Log: o.Log}),
		pass2u:   pass2usim.New(pass2usim.Config{APIKey: pass2usim.DefaultAPIKey, Log: o.Log}),
		jobEvery: o.JobEvery,
		stop:     stop,
	}
	s.jobs = s.ecticket.Start(ctx)
	if err := s.start(o); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func (s *Sandbox) start(o Options) (err error) {
	if s.ECTicketURL, err = s.serve("ECTicket simulator", o.ECTicketAddr, DefaultECTicketAddr, s.ecticket, o.Log); err != nil {
		return err
	}
	if s.Pass2UURL, err = s.serve("Pass2U simulator", o.Pass2UAddr, DefaultPass2UAddr, s.pass2u, o.Log); err != nil {
		return err
	}
	s.Pass2UURL += "/api/v1/public/product"
	if !o.EmbedRedis {
		return nil
	}
	if s.redis, err = embedredis.Start(); err != nil {
		return err
	}
	if s.redis.DefaultTaken {
		s.Moved = append(s.Moved, fmt.Sprintf("port %d is taken (by another Redis, which is left alone): the sandbox's Redis is on %s",
			embedredis.DefaultPort, s.redis.Addr))
	}
	return nil
}

// serve makes a simulator listen and returns its URL.
func (s *Sandbox) serve(what, addr, usual string, h http.Handler, log *slog.Logger) (string, error) {
	listen := net.Listen
	if addr == "" {
		addr, listen = usual, ListenNear
	}
	l, err := listen("tcp", addr)
	if err != nil {
		return "", fmt.Errorf("the %s cannot listen on %s: %w; choose another address", what, addr, err)
	}
	if _, port, _ := net.SplitHostPort(addr); port != "0" && !samePort(l.Addr().String(), addr) {
		s.Moved = append(s.Moved, fmt.Sprintf("%s is taken: the %s listens on %s", addr, what, l.Addr()))
	}
	server := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set(idHeader, s.ID)
			h.ServeHTTP(w, r)
		}),
		ReadHeaderTimeout: 5 * time.Second,
		IdleTimeout:       time.Minute,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug), // faults abort connections on purpose
	}
	s.servers = append(s.servers, server)
	go func() {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			log.Error("a simulator has stopped listening", "which", what, "error", err)
		}
	}()
	return "http://" + Reachable(l.Addr().String()), nil
}

// RedisURL is the embedded Redis as REDIS_URL takes it, "" without one.
func (s *Sandbox) RedisURL() string {
	if s.redis == nil {
		return ""
	}
	return s.redis.URL()
}

// Close ends everything. Closing twice is harmless.
func (s *Sandbox) Close() {
	s.stop()
	<-s.jobs
	s.pass2u.Close()
	for _, server := range s.servers {
		_ = server.Close()
	}
	if s.redis != nil {
		s.redis.Close()
	}
}
