// Command worker issues and refunds orders: it takes them from the queue, calls the providers,
// follows up until the final status is known, and records it. See `worker --help`.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"sync/atomic"
	"syscall"
)

func main() {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	ctx := untilSignal(context.Background(), signals, func() {
		fmt.Fprintln(os.Stderr, "worker: stopped at once; whatever was under way is looked up at the next start")
		os.Exit(exitNow)
	})
	// Whoever reads the log may end first (worker | head): the worker then ends in order instead of by the
	// signal, so that nothing is left half done, and a supervisor starts it again with a log.
	signal.Ignore(syscall.SIGPIPE)
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var unread atomic.Bool
	end := func() { unread.Store(true); stop() }
	code := run(ctx, os.Args[1:], environment(os.Environ()), standard{os.Stdout, end}, standard{os.Stderr, end})
	if code == exitFine && unread.Load() {
		code = exitFailed
	}
	os.Exit(code)
}

// standard is a standard output that calls gone when nobody reads it any more.
type standard struct {
	*os.File
	gone func()
}

func (o standard) Write(b []byte) (int, error) {
	n, err := o.File.Write(b)
	if errors.Is(err, syscall.EPIPE) {
		o.gone()
	}
	return n, err
}

// untilSignal ends the context at the first signal, which is its cause, and calls now at the second.
func untilSignal(ctx context.Context, signals <-chan os.Signal, now func()) context.Context {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		first := <-signals
		cancel(fmt.Errorf("%s signal received", first))
		<-signals
		now()
	}()
	return ctx
}

func environment(list []string) map[string]string {
	env := map[string]string{}
	for _, v := range list {
		if name, value, ok := strings.Cut(v, "="); ok {
			env[name] = value
		}
	}
	return env
}
