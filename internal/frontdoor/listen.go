package frontdoor

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
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
		wg.Go(func() { cert.follow(run) })
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
