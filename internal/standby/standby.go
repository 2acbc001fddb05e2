// Package standby answers at a program's address while what the program needs to start, its Redis, is not there yet: it is
// alive and not ready, and starts by itself as soon as it can.
//
// It imports nothing of ours.
package standby

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// Config of a wait.
type Config struct {
	// Try starts what is needed. Its error is final unless Waits reports that another try may go better.
	Try   func(context.Context) error
	Waits func(error) bool
	// Answer serves requests meanwhile; why is the error of the latest try.
	Answer func(why error) http.Handler
	// TLS is for callers that speak it. Default nil: plain HTTP.
	TLS *tls.Config
	Log *slog.Logger
	// Every is the pause between two tries. Default 1 s.
	Every time.Duration
}

// Listener is one that can stop waiting for callers without being closed, as those of package net can.
type Listener interface {
	net.Listener
	SetDeadline(time.Time) error
}

// Until tries until it goes well, and answers at the listener from the first failure on; one line says that it waits and why, and one
// that it need not any more. The listener stays open. The error is the last try's, or the context's.
func Until(ctx context.Context, l Listener, c Config) error {
	err := c.Try(ctx)
	if err == nil || !c.Waits(err) {
		return err
	}
	if ctx.Err() != nil {
		return ctx.Err() // nobody waits any more
	}
	p := &page{config: c, why: err}
	stop := p.serve(l)
	defer stop()
	c.Log.Warn("not ready, waiting", "addr", l.Addr().String(), "error", err)
	began := time.Now()
	every := c.Every
	if every <= 0 {
		every = time.Second
	}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(every):
		}
		switch err = c.Try(ctx); {
		case err == nil:
			c.Log.Info("ready, no longer waiting", "waited_s", int(time.Since(began).Seconds()))
			return nil
		case !c.Waits(err):
			return err
		}
		p.because(err)
	}
}

// page answers while there is nothing else to do so.
type page struct {
	config Config
	mu     sync.Mutex
	why    error
}

func (p *page) because(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.why = err
}

// ServeHTTP implements http.Handler.
func (p *page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	why := p.why
	p.mu.Unlock()
	w.Header().Set("Connection", "close") // what comes next is another server's
	if r.URL.Path == "/healthz" {
		fmt.Fprintln(w, "ok")
		return
	}
	p.config.Answer(why).ServeHTTP(w, r)
}

// limit bounds what a caller may take here.
const limit = 10 * time.Second

// serve answers until stop is called, which leaves the listener open for whoever serves next.
func (p *page) serve(l Listener) (stop func()) {
	web := &http.Server{Handler: p, ReadHeaderTimeout: limit, ReadTimeout: limit, WriteTimeout: limit, MaxHeaderBytes: 32 << 10,
		ErrorLog: slog.NewLogLogger(p.config.Log.Handler(), slog.LevelDebug)} // a caller's broken connections
	var from net.Listener = borrowed{l}
	if p.config.TLS != nil {
		from = tls.NewListener(from, p.config.TLS)
	}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = web.Serve(from) }() // it ends when it is stopped
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if web.Shutdown(ctx) != nil {
			_ = web.Close()
		}
		<-ended
		_ = l.SetDeadline(time.Time{}) // a closed listener says so to its next user
	}
}

// borrowed is a listener that stays open when it is closed: nobody is accepted any more.
type borrowed struct{ Listener }

func (b borrowed) Close() error { return b.SetDeadline(time.Unix(1, 0)) }
