package main

import (
	"context"
	"encoding/json"
	"fmt"
	"html/template"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"issuance/internal/queueui"
	"issuance/internal/redisconn"
	"issuance/internal/thismachine"
)

// uiRoot is where the web UI is.
const uiRoot = "/jobs"

// adminHandler serves health checks, metrics and the web UI, which changes something only when the worker was started
// with --ui-write.
func (w *worker) adminHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = rw.Write([]byte("ok\n"))
	})
	mux.HandleFunc("GET /readyz", w.ready)
	mux.Handle("GET /metrics", w.metrics())
	// Programs ask for those above, under whatever name their network has for this machine.
	page := func(pattern string, h http.Handler) {
		mux.Handle(pattern, queueui.KnownHosts(w.hostsOf(), unknownHost, h))
	}
	page("GET /{$}", http.HandlerFunc(w.index))
	page(uiRoot+"/", queueui.New(queueui.Options{Root: uiRoot, RDB: w.pages, Write: w.uiWrite, Script: noticesScript}))
	page("GET "+noticesPath, http.HandlerFunc(w.serveNotices))
	page("GET "+noticesScript, http.HandlerFunc(serveNoticesJS))
	return secure(queueui.OwnPages(uiRoot, mux))
}

const unknownHost = "these pages are not served under this name, or a proxy passed the request on under a name of this machine; " +
	"name the host in WORKER_HTTP_HOSTS, or use 127.0.0.1"

// hostsOf are the names under which the web UI is served beside those of this machine: those that
// WORKER_HTTP_HOSTS lists, and the host of the address that it listens on.
func (s settings) hostsOf() []string {
	hosts := s.Worker.Hosts()
	if host, _, err := net.SplitHostPort(s.Worker.HTTPAddr); err == nil && host != "" && !thismachine.Named(host) {
		if ip := net.ParseIP(host); ip == nil || !ip.IsUnspecified() {
			hosts = append(hosts, strings.ToLower(host))
		}
	}
	return hosts
}

func newAdminServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
}

// secure sets the headers that every page shares.
func secure(h http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		header := rw.Header()
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("X-Frame-Options", "DENY")
		header.Set("Referrer-Policy", "no-referrer")
		header.Set("Cache-Control", "no-store")
		header.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
		h.ServeHTTP(rw, r)
	})
}

// readiness is the answer of /readyz. Every part is "ok" or says what is wrong.
type readiness struct {
	Ready  bool              `json:"ready"`
	Redis  string            `json:"redis"`
	Queues map[string]string `json:"queues"`
	// Accounts say how the accounts are; Ready does not depend on it.
	Accounts map[string]string `json:"accounts"`
}

// readyLimit bounds what /readyz waits for; orchestrators give up after a few seconds.
const readyLimit = time.Second

// ready answers 200 when Redis takes writes and every queue's server runs, else 503.
func (w *worker) ready(rw http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), readyLimit)
	defer cancel()
	answer := readiness{Ready: true, Redis: "ok", Queues: map[string]string{}}
	if err := w.redisTrouble(ctx); err != nil {
		answer.Ready, answer.Redis = false, redisconn.Plain(err)
	}
	for queue, err := range w.servers.Health() {
		answer.Queues[queue] = "ok"
		if err != nil {
			answer.Ready, answer.Queues[queue] = false, err.Error()
		}
	}
	answer.Accounts = w.conditions(ctx)
	answer.write(rw)
}

func (r readiness) write(rw http.ResponseWriter) {
	rw.Header().Set("Content-Type", "application/json")
	if !r.Ready {
		rw.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(rw).Encode(r) // the caller may have gone
}

// withoutRedis answers for a worker that has found no Redis since it was started.
func withoutRedis(why error) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Retry-After", "2")
		readiness{Redis: redisconn.Plain(why), Queues: map[string]string{}, Accounts: map[string]string{}}.write(rw)
	})
}

// redisTrouble is why Redis cannot be worked with, within the context's time limit, which is readyLimit.
func (w *worker) redisTrouble(ctx context.Context) error {
	if wrong := w.mode.wrong.Load(); wrong != nil {
		return wrong
	}
	answer := make(chan error, 1)
	go func() { answer <- redisconn.TakesWrites(ctx, w.pages) }()
	select {
	case err := <-answer:
		return err
	case <-ctx.Done(): // the library may still be waiting for a connection
		return fmt.Errorf("does not answer within %s", readyLimit)
	}
}

var indexPage = template.Must(template.New("index").Parse(`<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Issuance worker</title>
<style>body{font:16px/1.6 system-ui,sans-serif;max-width:40em;margin:3em auto;padding:0 1em}code{font-size:.95em}</style></head><body>
<h1>Issuance worker</h1>
<p>{{.Mode}} Serving {{range $i, $q := .Queues}}{{if $i}}, {{end}}<code>{{$q}}</code>{{end}}.</p>
<ul>
<li><a href="/jobs/">Jobs</a>: queues and tasks{{if .ReadOnly}} (read-only){{end}}</li>
<li><a href="/readyz">Ready?</a> Redis takes writes, and the queues' servers</li>
<li><a href="/healthz">Alive?</a></li>
<li><a href="/metrics">Metrics</a> for Prometheus</li>
</ul></body></html>
`))

func (w *worker) index(rw http.ResponseWriter, _ *http.Request) {
	mode := ""
	if w.sandbox {
		mode = "This is a sandbox: its tickets are simulated."
	}
	rw.Header().Set("Content-Type", "text/html; charset=utf-8")
	_ = indexPage.Execute(rw, struct {
		Mode     string
		Queues   []string
		ReadOnly bool
	}{mode, w.servers.Queues(), !w.uiWrite}) // the caller may have gone
}
