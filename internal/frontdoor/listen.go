package frontdoor

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

// Limits of a connection. A body has its own, see operation and pause; a stream's writes have theirs.
const (
	idleTimeout   = 2 * time.Minute
	mostHeader    = 32 << 10       // of a request's first line and headers
	tooLongHeader = 2 * mostHeader // which net/http refuses by itself, as it does what is no HTTP: in plain text
	answerTimeout = mostWait + 30*time.Second
)

// Certificate is a certificate and its key as files, read again when they change. Safe for concurrent use.
type Certificate struct {
	cert, key string
	log       *slog.Logger

	mu     sync.Mutex
	pair   *tls.Certificate
	read   time.Time // the newer of the files' times
	looked time.Time
}

// ReadCertificate reads both files, in PEM.
func ReadCertificate(cert, key string, log *slog.Logger) (*Certificate, error) {
	c := &Certificate{cert: cert, key: key, log: log}
	if err := c.load(); err != nil {
		return nil, err
	}
	return c, nil
}

func (c *Certificate) load() error {
	var newest time.Time
	for _, name := range []string{c.cert, c.key} {
		info, err := os.Stat(name)
		if err != nil {
			return fmt.Errorf("certificate: %w", err)
		}
		if info.ModTime().After(newest) {
			newest = info.ModTime()
		}
	}
	if c.pair != nil && newest.Equal(c.read) {
		return nil
	}
	pair, err := tls.LoadX509KeyPair(c.cert, c.key)
	if err != nil {
		return fmt.Errorf("certificate: %w", err)
	}
	c.pair, c.read = &pair, newest
	return nil
}

// get implements tls.Config.GetCertificate. Files that cannot be used change nothing.
func (c *Certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := time.Now(); now.Sub(c.looked) > 10*time.Second {
		c.looked = now
		if err := c.load(); err != nil {
			c.log.Error("alarm: the new certificate cannot be used, the one before stays in force", "error", err)
		}
	}
	return c.pair, nil
}

// TLS is how a connection is encrypted; nil without a certificate.
func (c *Certificate) TLS() *tls.Config {
	if c == nil {
		return nil
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: c.get, NextProtos: []string{"h2", "http/1.1"}}
}

// Listen serves a listener until the context ends, and ends then what is under way: requests that wait are answered,
// streams end, and others have as long as drain to end by themselves. cert is nil for plain HTTP.
func (s *Server) Listen(ctx context.Context, l net.Listener, cert *Certificate, drain time.Duration) error {
	run, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var wg sync.WaitGroup
	wg.Go(func() { s.Run(run) })
	defer func() { stop(); wg.Wait() }()
	web := &http.Server{Handler: s, ReadHeaderTimeout: s.Timeout, IdleTimeout: idleTimeout, MaxHeaderBytes: tooLongHeader,
		ErrorLog: slog.NewLogLogger(s.Log.Handler(), slog.LevelDebug)} // a caller's broken connections
	lot := newLot(s.hub, l.Addr())
	web.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		return context.WithValue(ctx, spaceKey{}, &space{lot, c})
	}
	if cert != nil {
		l = tls.NewListener(l, cert.TLS())
	}
	wg.Go(func() {
		select {
		case <-s.drained:
			lot.clear(run)
		case <-run.Done():
		}
	})
	failed := make(chan error, 2)
	for _, from := range []net.Listener{l, lot} {
		wg.Go(func() { failed <- web.Serve(from) })
	}
	select {
	case err := <-failed:
		_ = web.Close()
		return fmt.Errorf("front door: %w", err)
	case <-ctx.Done():
	}
	s.Drain()
	within, cancel := context.WithTimeout(run, drain)
	defer cancel()
	lot.clear(within)
	if err := web.Shutdown(within); err != nil {
		_ = web.Close()
		if !errors.Is(err, context.DeadlineExceeded) {
			return fmt.Errorf("front door: %w", err)
		}
		s.Log.Warn("requests that did not end in time were cut off", "after", drain.String())
	}
	return nil
}
