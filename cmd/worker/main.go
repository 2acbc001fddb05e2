// Command worker issues and refunds orders: it takes them from the queue, calls the providers,
// follows up until the final status is known, and records it. See `worker --help`.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

func main() {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	ctx := untilSignal(context.Background(), signals, func() {
		fmt.Fprintln(os.Stderr, "worker: stopped at once; whatever was under way is looked up at the next start")
		os.Exit(exitNow)
	})
	os.Exit(run(ctx, os.Args[1:], environment(os.Environ()), os.Stdout, os.Stderr))
}

// untilSignal ends the context at the first signal and calls now at the second.
func untilSignal(ctx context.Context, signals <-chan os.Signal, now func()) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		<-signals
		cancel()
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
