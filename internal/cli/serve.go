package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"issuance/internal/budget"
	"issuance/internal/config"
	"issuance/internal/console"
	"issuance/internal/frontdoor"
	"issuance/internal/logging"
	"issuance/internal/metrics"
	"issuance/internal/queueui"
	"issuance/internal/redisconn"
	"issuance/internal/seal"
	"issuance/internal/standby"
	"issuance/internal/webhooks"
	"issuance/tasks"
)

func (a *app) serveCommand() *cobra.Command {
	var addr string
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve the HTTP API: the front door for checkouts in any language",
		Long: `Serve the HTTP API: the front door for checkouts in any language. It is described by itself at
/openapi.json, readably at /docs, and in docs/http.md.

It keeps nothing of its own, so any number of them may run before the same Redis. Callers need a
token of GATEWAY_TOKENS_FILE (see "enqueue token new"); without that file only programs of this
machine are answered, and may do everything.

Operators have the console at /console/ (docs/console.md): they log in with a token that has the scope
operate, or events to see only.

With GATEWAY_WEBHOOKS_FILE it also sends final statuses to webhooks (docs/webhooks.md). With ECTICKET_MERCHANT_ID
and its keys, or ISSUANCE_ACCOUNTS_FILE, it takes ECTicket's notices (docs/notices.md).

A Redis that does not answer is waited for: /healthz says that the front door lives, everything else is
503. It ends at once where a setting is wrong or Redis refuses it, and on SIGTERM or Ctrl-C: requests that wait are answered, streams of events end, and whoever
comes again goes on where it was.`,
		Example: `  enqueue serve
  GATEWAY_TOKENS_FILE=tokens.yaml enqueue serve --http-addr :8090`,
		Args:              takes(0, 0, "no arguments"),
		ValidArgsFunction: completeNothing,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.serve(cmd.Context(), addr)
		},
	}
	cmd.Flags().StringVar(&addr, "http-addr", "", "`ADDRESS` to listen on (default GATEWAY_HTTP_ADDR)")
	completeFlag(cmd, "http-addr")
	return cmd
}

// door is what a front door has before it has found its Redis.
type door struct {
	config  config.Gateway
	alarms  metrics.Alarms
	log     *slog.Logger
	tokens  *frontdoor.Tokens
	hooks   *webhooks.File
	cert    *frontdoor.Certificate
	listens *net.TCPListener
}

// serve serves the front door until the context ends.
func (a *app) serve(ctx context.Context, addr string) error {
	d, err := a.openDoor(addr)
	if err != nil {
		return err
	}
	defer d.listens.Close()
	s, err := a.await(ctx, d)
	if err != nil && ctx.Err() != nil {
		d.log.Info("stopped", "because", context.Cause(ctx))
		return nil
	}
	if err != nil {
		return err
	}
	defer s.close()
	accounts, err := config.LoadParts(s.env, config.Documents)
	if err != nil {
		return err
	}
	documents := rulesOf(accounts, d.log, nil)
	taken, err := s.notices(d.config, d.log)
	if err != nil {
		return err
	}
	documents.Notices = d.config.Notices(frontdoor.NoticePath)
	client, err := s.tasks(documents)
	if err != nil {
		return err
	}
	c := frontdoor.Config{Client: client, Ledger: s.ledger, RDB: s.rdb, Rules: documents, Log: d.log, Version: version().String(), Trusted: d.config.Trusts, Notices: taken,
		Tokens: d.tokens, Metrics: []prometheus.Collector{d.alarms}}
	hooks, err := s.webhooks(d)
	if err != nil {
		return err
	}
	if hooks != nil {
		c.Metrics = append(c.Metrics, hooks)
	}
	if err := client.Ready(ctx); errors.Is(err, tasks.ErrWrongKeys) {
		d.log.Warn("nothing can be enqueued", "error", err)
	}
	return s.serveAt(ctx, d, c, hooks)
}

// openDoor checks all settings that need no Redis, and listens.
func (a *app) openDoor(addr string) (*door, error) {
	env := a.env
	if addr != "" {
		env = withValue(env, "GATEWAY_HTTP_ADDR", addr)
	}
	cfg, err := config.LoadParts(env, config.FrontDoor)
	if err != nil {
		return nil, err
	}
	g := cfg.Gateway
	d := &door{config: g, alarms: metrics.NewAlarms()}
	d.log = logging.LimitAlarms(logging.New(a.err, cfg.Worker.LogFormat, slog.LevelInfo), d.alarms.Raised)
	redisconn.LogTo(d.log)
	for _, w := range config.Misspelled(env) {
		d.log.Warn("configuration: " + w)
	}
	if g.TokensFile != "" {
		if d.tokens, err = frontdoor.ReadTokens(g.TokensFile, d.log); err != nil {
			return nil, coded(codeSettings, "GATEWAY_TOKENS_FILE: %w", err)
		}
	}
	if g.TLSCertFile != "" {
		if d.cert, err = frontdoor.ReadCertificate(g.TLSCertFile, g.TLSKeyFile, d.log); err != nil {
			return nil, coded(codeSettings, "GATEWAY_TLS_CERT_FILE: %w", err)
		}
	}
	if d.hooks, err = webhooksFile(g, d.log); err != nil {
		return nil, err
	}
	return d, d.listen()
}

func (d *door) listen() error {
	l, err := net.Listen("tcp", d.config.HTTPAddr)
	if err != nil {
		return coded(codeSettings, "cannot listen: %w; set GATEWAY_HTTP_ADDR or --http-addr to another address", err)
	}
	if at, ok := l.Addr().(*net.TCPAddr); d.tokens == nil && (!ok || !at.IP.IsLoopback()) {
		_ = l.Close()
		return coded(codeSettings, "%s can be reached from other machines, so callers need tokens: set GATEWAY_TOKENS_FILE (enqueue token new makes one), or listen on 127.0.0.1", l.Addr())
	}
	d.listens = l.(*net.TCPListener) // as "tcp" is asked for
	if d.tokens == nil {
		d.log.Warn("no tokens (GATEWAY_TOKENS_FILE is not set): every program of this machine may do everything, in the console, too")
	}
	return nil
}

// await connects. A Redis that is set and does not answer is waited for, as a supervisor would have it, and the door says
// meanwhile that it is not ready; what does not mend itself ends the command.
func (a *app) await(ctx context.Context, d *door) (s *session, err error) {
	err = standby.Until(ctx, d.listens, standby.Config{TLS: d.cert.TLS(), Log: d.log, Answer: func(error) http.Handler { return frontdoor.Away() },
		Try: func(ctx context.Context) (err error) {
			s, err = a.connect(ctx)
			return err
		},
		Waits: func(err error) bool { return a.names() && explain(err).Code == codeAway }})
	return s, err
}

// serveAt serves until the context ends. hooks is nil without webhooks.
func (s *session) serveAt(ctx context.Context, d *door, c frontdoor.Config, hooks *webhooks.Dispatcher) error {
	scheme := "http"
	if d.cert != nil {
		scheme = "https"
	}
	d.log.Info("serving", "url", fmt.Sprintf("%s://%s", scheme, d.listens.Addr()), "console", console.Path, "tokens", c.Tokens != nil, "notices", c.Notices != nil, "version", c.Version)
	defer d.saysWhy(ctx)()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	sent := make(chan error, 1)
	go func() {
		if hooks == nil {
			sent <- nil
			return
		}
		defer stop()
		sent <- hooks.Run(ctx)
	}()
	front := frontdoor.New(c)
	looks := queueui.Connect(s.redis)
	defer looks.Close()
	pages, err := s.console(console.Config{Door: front, Client: c.Client, Ledger: c.Ledger, RDB: c.RDB, Log: c.Log, Tokens: c.Tokens, Hooks: hooks, Pages: looks, TraceURL: d.config.TraceURL})
	if err != nil {
		return err
	}
	var beside sync.WaitGroup
	beside.Go(func() { pages.Run(ctx) })
	beside.Go(func() { (&budget.Reporter{RDB: s.rdb, Log: d.log}).Run(ctx) })
	beside.Go(func() { redisconn.Watch(ctx, s.rdb, d.log) })
	beside.Go(func() { roomy(ctx, s.env) })
	err = front.Listen(ctx, d.listens, d.cert, d.config.ShutdownTimeout)
	stop()
	beside.Wait()
	return errors.Join(err, <-sent)
}

// saysWhy logs why the front door stops, once it has to, and that it has, when stopped is called afterwards.
func (d *door) saysWhy(ctx context.Context) (stopped func()) {
	said := make(chan struct{})
	early := context.AfterFunc(ctx, func() {
		defer close(said)
		d.log.Info("stopping: requests end first", "because", context.Cause(ctx), "at_most", d.config.ShutdownTimeout.String())
	})
	return func() {
		if !early() {
			<-said
			d.log.Info("stopped")
		}
	}
}

// notices is what takes ECTicket's notices, nil where no account's keys are set.
func (s *session) notices(g config.Gateway, log *slog.Logger) (*frontdoor.Notices, error) {
	cfg, err := config.LoadParts(s.env, config.Notices, config.Keys)
	if err != nil {
		return nil, err
	}
	verifiable := slices.ContainsFunc(cfg.Accounts, func(a config.Account) bool { _, _, ok := a.NoticeKeys(); return ok })
	switch {
	case !verifiable && g.PublicURL != "":
		return nil, coded(codeSettings, "GATEWAY_PUBLIC_URL has ECTicket send notices here, and they cannot be verified without ECTICKET_MERCHANT_ID, ECTICKET_HASH_KEY and ECTICKET_HASH_IV, or ISSUANCE_ACCOUNTS_FILE")
	case !verifiable && cfg.File.Path == "" || !cfg.Seal.Keys.Set():
		return nil, nil
	}
	ring, err := seal.ParseRing(cfg.Seal.Keys.Reveal())
	if err != nil {
		return nil, err
	}
	return &frontdoor.Notices{Merchant: frontdoor.MerchantsOf(s.rdb, cfg.Live(log).NoticeKeys), Ring: ring, Plain: g.NoticeAck == config.AckPlain}, nil
}

// console makes the operators' pages at a front door, with the seal keys of the settings.
func (s *session) console(c console.Config) (*console.Console, error) {
	cfg, err := config.LoadParts(s.env, config.Keys)
	if err != nil {
		return nil, err
	}
	if c.Ring, err = seal.ParseRing(cfg.Seal.Keys.Reveal()); err != nil {
		return nil, coded(codeSettings, "ISSUANCE_SEAL_KEYS: %w", err)
	}
	return console.New(c), nil
}

// webhooks makes what sends to the webhooks of the settings, nil when there are none.
func (s *session) webhooks(d *door) (*webhooks.Dispatcher, error) {
	if d.hooks == nil {
		return nil, nil
	}
	return webhooks.New(webhooks.Config{RDB: s.rdb, Ledger: s.ledger, File: d.hooks, Log: d.log, ProxyURL: d.config.WebhooksProxyURL.Reveal(), Version: version().String()})
}

// withValue is an environment in which one variable has another value.
func withValue(env map[string]string, name, value string) map[string]string {
	out := map[string]string{name: value}
	for n, v := range env {
		if n != name {
			out[n] = v
		}
	}
	return out
}
