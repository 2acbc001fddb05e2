// Package cli is the command line of those who enqueue orders and watch over them: cmd/enqueue is
// a thin main over it. It talks to Redis alone, through package tasks and the ledger, and to
// ECTicket for the two look-ups that need it (items, ticket), always within the call budget.
//
// What it prints to standard output is the answer and nothing else; everything for people who
// wonder goes to standard error. It never prints customers' data, and tickets' secrets only with
// --tickets.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// Exit codes.
const (
	Fine     = 0
	CouldNot = 1 // the input is right, but it could not be done
	Wrong    = 2 // the input or the command line is wrong; nothing was done, but for the right lines of a bulk
)

// Streams are what a command reads and writes.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
}

// Run runs the command line args (without the program's name) in the environment env and returns
// the exit code. It touches neither the process's environment nor its streams, but for files
// named in args or env.
func Run(ctx context.Context, args []string, env map[string]string, s Streams) int {
	a := &app{env: env, in: s.In, out: s.Out, err: s.Err, now: time.Now, zone: time.Local}
	root := a.root()
	root.SetArgs(args)
	root.SetIn(s.In)
	root.SetOut(s.Out)
	root.SetErr(s.Err)
	cmd, err := root.ExecuteContextC(ctx)
	return a.exit(ctx, cmd, err)
}

// app is what all commands share.
type app struct {
	env      map[string]string
	in       io.Reader
	out, err io.Writer
	now      func() time.Time
	zone     *time.Location
	json     bool
}

// usageError is a wrong command line or input.
type usageError struct {
	err  error
	help bool // the command's help would answer it
}

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error {
	return &usageError{err: fmt.Errorf(format, args...), help: true}
}

// badInput is a usageError about what was read, not about how the command was called.
func badInput(format string, args ...any) error {
	return &usageError{err: fmt.Errorf(format, args...)}
}

// errTold says that the reason has been printed already.
var errTold = errors.New("told")

func (a *app) exit(ctx context.Context, cmd *cobra.Command, err error) int {
	if err == nil {
		return Fine
	}
	if errors.Is(err, errTold) {
		return CouldNot
	}
	var usage *usageError
	switch {
	case errors.As(err, &usage):
		a.tell("%s", usage)
		if usage.help {
			fmt.Fprintf(a.err, "See: %s --help\n", cmd.CommandPath())
		}
		return Wrong
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		a.tell("interrupted")
	default:
		a.tell("%s", err)
	}
	return CouldNot
}

// tell prints a line for people, on standard error.
func (a *app) tell(format string, args ...any) {
	fmt.Fprintf(a.err, "enqueue: "+format+"\n", args...)
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "enqueue",
		Short: "Enqueue ticket orders and refunds, and see what became of them",
		Long: `Enqueue ticket orders and refunds for the issuing worker, and see what became of them.

Redis is taken from REDIS_URL (or REDIS_CLUSTER_ADDRS). Without them, the sandbox that runs on
this machine is used, and nothing else needs to be set. Against production, ISSUANCE_SEAL_KEYS
must hold the workers' keys to enqueue anything or to see tickets.

Exit codes: 0 fine; 1 it could not be done; 2 the input is wrong, and nothing was done (but for
bulk, which enqueues the lines that are right).`,
		Example: `  go run ./cmd/worker --sandbox        # in another terminal
  enqueue issue order.json
  enqueue status ecticket CBX20220302153064851`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("which command? %s", commandNames(cmd))
			}
			if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
				return usagef("unknown command %q; did you mean %s?", args[0], strings.Join(near, " or "))
			}
			return usagef("unknown command %q; there are %s", args[0], commandNames(cmd))
		},
	}
	root.SuggestionsMinimumDistance = 2
	root.Version = version().String()
	root.SetVersionTemplate("enqueue {{.Version}}\n")
	root.PersistentFlags().BoolVar(&a.json, "json", false, "print one JSON object a line")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usagef("%w", err) })
	root.AddCommand(a.issueCommand(), a.refundCommand(), a.bulkCommand(), a.statusCommand(), a.watchCommand(), a.historyCommand(),
		a.itemsCommand(), a.ticketCommand(), a.reviewCommand(), a.resolveCommand(), a.retryCommand(), a.budgetCommand(), a.versionCommand())
	return root
}

func commandNames(cmd *cobra.Command) string {
	var names []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	return strings.Join(names, ", ")
}

// takes makes a wrong number of arguments a usage error that says what is wanted.
func takes(atLeast, atMost int, wanted string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		switch {
		case len(args) < atLeast:
			return usagef("missing: %s", wanted)
		case atMost >= 0 && len(args) > atMost:
			return usagef("%q is too much; wanted: %s", args[atMost], wanted)
		}
		return nil
	}
}
