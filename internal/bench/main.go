package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"

	"issuance/internal/bench/door"
	"issuance/internal/bench/fairness"
	"issuance/internal/bench/faults"
	"issuance/internal/bench/lab"
	"issuance/internal/bench/overhead"
)

// options are common to all benchmarks.
type options struct {
	json   bool
	quick  bool      // smaller numbers, for a machine that has little time
	redis  string    // see startRedis
	stderr io.Writer // progress
}

// progress shows a line on a terminal, in place of the one before.
func (o options) progress(line string) {
	if f, ok := o.stderr.(*os.File); ok && isatty.IsTerminal(f.Fd()) {
		fmt.Fprintf(f, "\r\033[K%s", line)
	}
}

// bench is one benchmark.
type bench struct {
	name, about string
	run         func(ctx context.Context, o options) (*report, error)
	flags       func(*cobra.Command)
}

func benches() []bench {
	return []bench{pollingBench(), checkoutBench(), bulkBench(), overheadBench(), growthBench(), httpBench(), webhooksBench(), consoleBench(), faultsBench(), fairnessBench(), accountsBench()}
}

// children are what child processes of this program can be; see package lab.
var children = map[string]func(args []string, in io.Reader, out io.Writer) error{overhead.Name: overhead.Child, faults.Name: faults.Child, fairness.Name: fairness.Child, door.Name: door.Child}

// errMissed says that a target was missed; the report says which.
var errMissed = errors.New("a target was missed")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) > 1 && args[0] == lab.ChildCommand && children[args[1]] != nil {
		return children[args[1]](args[2:], os.Stdin, stdout)
	}
	o := options{stderr: stderr}
	root := &cobra.Command{
		Use:           "bench",
		Short:         "Measure what the product costs, and compare it with its targets",
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.PersistentFlags().BoolVar(&o.json, "json", false, "print JSON instead of a table")
	root.PersistentFlags().BoolVar(&o.quick, "quick", false, "smaller numbers: seconds instead of minutes")
	root.PersistentFlags().StringVar(&o.redis, "redis", redisAuto, "server: a private redis-server, embedded: miniredis, auto: the first if it is installed")
	for _, b := range benches() {
		cmd := &cobra.Command{Use: b.name, Short: b.about, Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
			r, err := b.run(cmd.Context(), o)
			if err != nil {
				return err
			}
			r.Name = b.name
			if err := r.print(stdout, o.json); err != nil {
				return err
			}
			if !r.met() {
				return errMissed
			}
			return nil
		}}
		if b.flags != nil {
			b.flags(cmd)
		}
		root.AddCommand(cmd)
	}
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	return root.ExecuteContext(ctx)
}
