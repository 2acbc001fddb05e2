package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"issuance/internal/config"
	"issuance/internal/console"
	"issuance/internal/frontdoor"
	"issuance/internal/logging"
	"issuance/internal/metrics"
	"issuance/internal/redisconn"
	"issuance/internal/seal"
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

It ends on SIGTERM or Ctrl-C: requests that wait are answered, streams of events end, and whoever
comes again goes on where it was.`,
		Example: `  enqueue serve
  GATEWAY_TOKENS_FILE=tokens.yaml enqueue serve --http-addr :8090`,
		Args:              takes(0, 0, "nothing more"),
		ValidArgsFunction: completeNothing,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd.Context(), func(s *session) error { return a.serve(cmd.Context(), s, addr) })
		},
	}
	cmd.Flags().StringVar(&addr, "http-addr", "", "`ADDRESS` to listen on (default GATEWAY_HTTP_ADDR)")
	completeFlag(cmd, "http-addr")
	return cmd
}

func (a *app) serve(ctx context.Context, s *session, addr string) error {
	env := s.env
	if addr != "" {
		env = withValue(env, "GATEWAY_HTTP_ADDR", addr)
	}
	cfg, err := config.LoadParts(env, config.FrontDoor)
	if err != nil {
		return err
	}
	g := cfg.Gateway
	alarms := metrics.NewAlarms()
	log := logging.LimitAlarms(logging.New(a.err, cfg.Worker.LogFormat, slog.LevelInfo), alarms.Raised)
	redisconn.LogTo(log)
	for _, w := range config.Misspelled(env) {
		log.Warn("configuration: " + w)
	}
	accounts, err := config.LoadParts(s.env, config.Documents)
	if err != nil {
		return err
	}
	documents := rulesOf(accounts, log, nil)
	taken, err := s.notices(g, log)
	if err != nil {
		return err
	}
	documents.Notices = g.Notices(frontdoor.NoticePath)
	client, err := s.tasks(documents)
	if err != nil {
		return err
	}
	c := frontdoor.Config{Client: client, Ledger: s.ledger, RDB: s.rdb, Rules: documents, Log: log, Version: version().String(), Trusted: g.Trusts, Notices: taken,
		Metrics: []prometheus.Collector{alarms}}
	if g.TokensFile != "" {
		if c.Tokens, err = frontdoor.ReadTokens(g.TokensFile, log); err != nil {
			return coded(codeSettings, "GATEWAY_TOKENS_FILE: %w", err)
		}
	}
	var cert *frontdoor.Certificate
	if g.TLSCertFile != "" {
		if cert, err = frontdoor.ReadCertificate(g.TLSCertFile, g.TLSKeyFile, log); err != nil {
			return coded(codeSettings, "GATEWAY_TLS_CERT_FILE: %w", err)
		}
	}
	hooks, err := s.webhooks(g, log)
	if err != nil {
		return err
	}
	if hooks != nil {
		c.Metrics = append(c.Metrics, hooks)
	}
	l, err := net.Listen("tcp", g.HTTPAddr)
	if err != nil {
		return coded(codeSettings, "cannot listen: %w; set GATEWAY_HTTP_ADDR or --http-addr to another address", err)
	}
	defer l.Close()
	if at, ok := l.Addr().(*net.TCPAddr); c.Tokens == nil && (!ok || !at.IP.IsLoopback()) {
		return coded(codeSettings, "%s can be reached from other machines, so callers need tokens: set GATEWAY_TOKENS_FILE (enqueue token new makes one), or listen on 127.0.0.1", l.Addr())
	}
	if c.Tokens == nil {
		log.Warn("no tokens (GATEWAY_TOKENS_FILE is not set): every program of this machine may do everything, in the console, too")
	}
	if err := client.Ready(ctx); errors.Is(err, tasks.ErrWrongKeys) {
		log.Warn("nothing can be enqueued", "error", err)
	}
	scheme := "http"
	if cert != nil {
		scheme = "https"
	}
	log.Info("serving", "url", fmt.Sprintf("%s://%s", scheme, l.Addr()), "console", console.Path, "tokens", c.Tokens != nil, "notices", taken != nil, "version", c.Version)
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
	door := frontdoor.New(c)
	pages, err := s.console(door, c, hooks)
	if err != nil {
		return err
	}
	worked := make(chan struct{})
	go func() { defer close(worked); pages.Run(ctx) }()
	err = door.Listen(ctx, l, cert, g.ShutdownTimeout)
	stop()
	<-worked
	if err := errors.Join(err, <-sent); err != nil {
		return err
	}
	log.Info("stopped")
	return nil
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

// console makes the operators' pages at a front door.
func (s *session) console(door *frontdoor.Server, c frontdoor.Config, hooks *webhooks.Dispatcher) (*console.Console, error) {
	cfg, err := config.LoadParts(s.env, config.Keys)
	if err != nil {
		return nil, err
	}
	ring, err := seal.ParseRing(cfg.Seal.Keys.Reveal())
	if err != nil {
		return nil, coded(codeSettings, "ISSUANCE_SEAL_KEYS: %w", err)
	}
	return console.New(console.Config{Door: door, Client: c.Client, Ledger: c.Ledger, RDB: c.RDB, Log: c.Log, Ring: ring, Tokens: c.Tokens, Hooks: hooks}), nil
}

// webhooks makes what sends to the webhooks of the settings, nil when there are none.
func (s *session) webhooks(g config.Gateway, log *slog.Logger) (*webhooks.Dispatcher, error) {
	file, err := webhooksFile(g, log)
	if file == nil || err != nil {
		return nil, err
	}
	return webhooks.New(webhooks.Config{RDB: s.rdb, Ledger: s.ledger, File: file, Log: log, ProxyURL: g.WebhooksProxyURL.Reveal(), Version: version().String()})
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
