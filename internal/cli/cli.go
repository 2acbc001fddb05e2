// Package cli is the command line for enqueueing orders and for operators; cmd/enqueue is a thin main over
// it. It talks to Redis alone, through package tasks and the ledger, and to ECTicket for the two look-ups
// that need it (items, ticket), always within the call budget.
//
// Standard output holds the answer and nothing else; notes and errors go to standard error, and with --json
// errors are on standard output as well (see problem). It never prints customers' data, and tickets' secrets
// only with --tickets. What a provider's documents are like is the codec's (package providers).
package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"issuance/internal/cli/helptext"
	"issuance/internal/cli/table"
	"issuance/internal/plain"
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
	a := &app{env: env, in: s.In, out: s.Out, err: s.Err, now: time.Now, zone: time.Local, width: helptext.Width(env, s.Out), errWidth: helptext.Width(env, s.Err)}
	root := a.root()
	a.json = slices.Contains(args, "--json") // a wrong command line is reported as JSON, too
	root.SetArgs(args)
	root.SetIn(s.In)
	root.SetOut(s.Out)
	root.SetErr(s.Err)
	ctx, end, err := a.trace(ctx, args)
	if err != nil {
		return a.exit(ctx, root, coded(codeSettings, "%w", err))
	}
	cmd, err := root.ExecuteContextC(ctx)
	end(err)
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
	// width is the terminal's in cells, and errWidth that of errors; 0 where they go to no terminal: then no line
	// is broken.
	width, errWidth int
}

// report prints a line for people, on standard error.
func (a *app) report(format string, args ...any) {
	a.errLine("enqueue: " + plain.Text(fmt.Sprintf(format, args...)))
}

// errLine prints lines on standard error, as wide as its terminal.
func (a *app) errLine(text string) {
	for _, line := range strings.Split(text, "\n") {
		for _, l := range table.Fold(table.Clean(line), a.errWidth) {
			fmt.Fprintln(a.err, l)
		}
	}
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "enqueue",
		Short: "Enqueue ticket orders and refunds, and see what became of them",
		Long: `Enqueue ticket orders and refunds for the issuing worker, and see what became of them.

Redis is taken from REDIS_URL (or REDIS_CLUSTER_ADDRS). Without them, the sandbox that runs on
this machine is used, and nothing else needs to be set. Against production, ISSUANCE_SEAL_KEYS
must hold the workers' keys to enqueue anything or to see tickets.

ACCOUNT is whose sale an order is: PROVIDER:MERCHANT, such as ecticket:2000132, or PROVIDER alone
where it has one account. Wherever ACCOUNT ORDER is wanted, ACCOUNT/ORDER is fine, too.

` + exitHelp(),
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
	root.PersistentFlags().BoolVar(&a.json, "json", false, "print one JSON object a line, errors included")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return flagError(err) })
	root.SetHelpFunc(a.help)
	root.SetHelpCommand(helpCommand())
	root.SetUsageFunc(func(cmd *cobra.Command) error { return a.print("%s", helptext.Usage(cmd, a.width)) })
	root.AddCommand(a.issueCommand(), a.refundCommand(), a.bulkCommand(), a.statusCommand(), a.listCommand(), a.watchCommand(),
		a.historyCommand(), a.cancelCommand(), a.itemsCommand(), a.ticketCommand(), a.ticketsCommand(), a.reviewCommand(), a.resolveCommand(), a.retryCommand(),
		a.eraseCommand(), a.accountsCommand(), a.budgetCommand(), a.pauseCommand(), a.resumeCommand(), a.serveCommand(), a.tokenCommand(), a.webhooksCommand(), a.doctorCommand(), a.versionCommand())
	root.InitDefaultCompletionCmd()
	if completion, _, err := root.Find([]string{"completion"}); err == nil {
		completion.Args, completion.RunE = cobra.ArbitraryArgs, func(cmd *cobra.Command, _ []string) error {
			return usagef("which shell? %s", commandNames(cmd))
		}
	}
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
			return usagef("unexpected argument %q; wanted: %s", args[atMost], wanted)
		}
		return nil
	}
}
