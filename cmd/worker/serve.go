package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"syscall"

	"issuance/internal/logging"
	"issuance/internal/redisconn"
	"issuance/internal/standby"
	"issuance/internal/tracing/otlp"
)

// serve runs a worker until the context ends.
func serve(ctx context.Context, f flags, env map[string]string, stdout, stderr io.Writer) int {
	s, err := check(f, env)
	if err != nil {
		return reportMistakes(folded(env, stderr), env, err)
	}
	log := logging.New(stderr, s.Worker.LogFormat, levelOf(f))
	redisconn.LogTo(log)
	stopTracing, err := otlp.Start(ctx, env, "issuance-worker", version(), log)
	if err != nil {
		return report(stderr, err)
	}
	defer stopTracing()
	if f.sandbox {
		return serveSandbox(ctx, s, log, stdout, stderr)
	}
	for _, w := range s.Warnings {
		log.Warn("configuration: " + w)
	}
	return reportUnlessFine(stderr, serveProduction(ctx, s, log))
}

func reportUnlessFine(stderr io.Writer, err error) int {
	if err == nil {
		return exitFine
	}
	return report(stderr, err)
}

func serveProduction(ctx context.Context, s settings, log *slog.Logger) error {
	l, err := net.Listen("tcp", s.Worker.HTTPAddr)
	if err != nil {
		return fmt.Errorf("the admin pages cannot be served: %w; set WORKER_HTTP_ADDR to another address", err)
	}
	defer l.Close()
	again, ended := hangups()
	defer ended()
	var w *worker
	err = standby.Until(ctx, l.(*net.TCPListener), standby.Config{Log: log, Answer: withoutRedis,
		Try: func(ctx context.Context) (err error) {
			if w, err = entered(ctx, s, log, again); redisconn.NoWrites(err) != "" && !errors.As(err, new(*redisconn.NoAnswerError)) {
				err = fmt.Errorf("this Redis %s (%w)", redisconn.NoWrites(err), err)
			}
			return err
		},
		Waits: redisconn.Mends})
	if err != nil && ctx.Err() != nil {
		log.Info("stopped", "because", context.Cause(ctx))
		return nil
	}
	if err != nil {
		return err
	}
	defer w.stop()
	if err := w.start(l); err != nil {
		return err
	}
	if !loopback(l.Addr().String()) {
		log.Warn("the admin pages can be reached from other machines, and have no login: put one before them, or bind WORKER_HTTP_ADDR to 127.0.0.1",
			"addr", l.Addr().String())
	}
	log.Info("serving", "queues", w.servers.Queues(), "accounts", len(w.names()), "redis", w.redis.Describe(), "admin", w.url, "version", version(), "seal_key", w.ring.ID())
	<-ctx.Done()
	log.Info("stopping: running tasks end first", "because", context.Cause(ctx), "at_most", s.Worker.ShutdownTimeout.String())
	w.stop()
	log.Info("stopped")
	return nil
}

// entered builds a worker and announces it. A Redis that goes away, or takes no writes, at any moment of that is one error.
func entered(ctx context.Context, s settings, log *slog.Logger, again <-chan struct{}) (*worker, error) {
	w, err := build(ctx, s, redisconn.Production, log, nil, again)
	if err != nil {
		return nil, err
	}
	if err := w.enter(ctx); err != nil {
		w.leave() // what it has announced already
		w.close()
		return nil, err
	}
	return w, nil
}

// hangups passes SIGHUP on, which asks for the accounts file to be read again.
func hangups() (again <-chan struct{}, ended func()) {
	signals, asked := make(chan os.Signal, 1), make(chan struct{}, 1)
	done := make(chan struct{})
	signal.Notify(signals, syscall.SIGHUP)
	go func() {
		for {
			select {
			case <-done:
				return
			case <-signals:
				select {
				case asked <- struct{}{}:
				default: // it is asked for already
				}
			}
		}
	}()
	return asked, func() { signal.Stop(signals); close(done) }
}
