// Command enqueue is for those who sell tickets and for operators: it enqueues orders and refunds,
// shows what became of them, and ends reviews. Everything it does is in internal/cli.
package main

import (
	"context"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"issuance/internal/cli"
)

func main() { os.Exit(run()) }

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	return cli.Run(ctx, os.Args[1:], environment(), cli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr})
}

func environment() map[string]string {
	env := map[string]string{}
	for _, kv := range os.Environ() {
		name, value, _ := strings.Cut(kv, "=")
		env[name] = value
	}
	return env
}
