package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"issuance/internal/cli/helptext"
	"issuance/internal/config"
	"issuance/internal/redisconn"
)

// Exit codes.
const (
	exitFine   = 0
	exitFailed = 1   // it could not be done, or the demo did not end as it should have
	exitWrong  = 2   // flags or environment are wrong; nothing was started
	exitNow    = 130 // a second signal
)

// flags are the command line's. Zero values mean that a flag was not given.
type flags struct {
	sandbox       bool
	queues        []string
	queuesGiven   bool
	only          []string
	accountsGiven bool
	httpAddr      string
	uiWrite       bool
	verbose       bool
	demo          int
	once          bool
	ecticketAddr  string
	pass2uAddr    string
	jobEvery      time.Duration
	noticesEvery  time.Duration

	sandboxOnly []string // given flags that mean something in a sandbox only
}

// addProduction adds the flags that a production worker takes, and a check of one.
func (f *flags) addProduction(fs *pflag.FlagSet) {
	fs.StringSliceVar(&f.queues, "queues", nil, "serve only these queues, comma-separated (default: all of the configured providers)")
	fs.StringSliceVar(&f.only, "accounts", nil, "serve only these accounts, comma-separated, such as ecticket:2000132,pass2u:main (default: all that are configured; see docs/accounts.md)")
	fs.StringVar(&f.httpAddr, "http-addr", "", "address of web UI, health and metrics (WORKER_HTTP_ADDR, default 127.0.0.1:8080)")
	fs.BoolVar(&f.uiWrite, "ui-write", false, "let the web UI run, archive and delete tasks and pause queues; only on a loopback address")
	fs.BoolVar(&f.verbose, "verbose", false, "log every call to a provider, too (in a sandbox: show the log at all)")
}

// given notes which flags were given though they may be empty.
func (f *flags) given(cmd *cobra.Command) {
	f.queuesGiven = cmd.Flags().Changed("queues")
	f.accountsGiven = cmd.Flags().Changed("accounts")
}

const about = `Issue and refund ticket orders at ECPay ECTicket and Pass2U.

The worker takes orders from its Redis queues, calls the provider, follows up until the provider
has really issued, and records every order's final status once. It stops gracefully on SIGTERM and
SIGINT: running calls end first, nothing is lost; a second signal stops it at once.

With --sandbox it needs nothing: it brings a Redis, simulators of both providers and demo orders.
Otherwise it is configured by the environment:

`

const examples = `  # see orders travel, nothing to install
  worker --sandbox

  # the same as a check: ends when the demo's orders are final, 0 if all went well
  worker --sandbox --once

  # production: ECTicket only, credentials from files
  REDIS_URL=redis://:secret@redis:6379/0 ISSUANCE_SEAL_KEYS_FILE=/run/secrets/seal \
  ECTICKET_MERCHANT_ID=… ECTICKET_HASH_KEY_FILE=… ECTICKET_HASH_IV_FILE=… worker

  # only Pass2U's orders, from the one machine whose address Pass2U knows
  worker --queues pass2u-checkout,pass2u-poll,pass2u-bulk

  # many merchants, of a file that is read again when it changes
  ISSUANCE_ACCOUNTS_FILE=/etc/issuance/accounts.yaml worker`

// run is the whole program. It ends with the context, gracefully.
func run(ctx context.Context, args []string, env map[string]string, stdout, stderr io.Writer) int {
	var f flags
	code := exitFine
	cmd := &cobra.Command{
		Use:           "worker",
		Short:         "Issue and refund ticket orders at ECPay ECTicket and Pass2U",
		Long:          about + variables(),
		Example:       examples,
		Args:          cobra.NoArgs,
		Version:       version(),
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			for _, name := range []string{"demo", "once", "sandbox-ecticket-addr", "sandbox-pass2u-addr", "sandbox-job-every", "sandbox-notices-every"} {
				if cmd.Flags().Changed(name) {
					f.sandboxOnly = append(f.sandboxOnly, "--"+name)
				}
			}
			f.given(cmd)
			code = serve(ctx, f, env, stdout, stderr)
			return nil
		},
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.BoolVar(&f.sandbox, "sandbox", false, "run without any setup: own Redis (unless REDIS_URL is set), simulated providers, demo orders")
	f.addProduction(fs)
	fs.IntVar(&f.demo, "demo", 12, "sandbox: number of demo orders, 0 for none")
	fs.BoolVar(&f.once, "once", false, "sandbox: end when the demo's orders are final; 0 if they ended as they should, else 1")
	fs.StringVar(&f.ecticketAddr, "sandbox-ecticket-addr", "", "sandbox: where the ECTicket simulator listens (default 127.0.0.1:9301 or the next free port)")
	fs.StringVar(&f.pass2uAddr, "sandbox-pass2u-addr", "", "sandbox: where the Pass2U simulator listens (default 127.0.0.1:9302 or the next free port)")
	fs.DurationVar(&f.jobEvery, "sandbox-job-every", 10*time.Second, "sandbox: how often the ECTicket simulator issues what it has accepted")
	fs.DurationVar(&f.noticesEvery, "sandbox-notices-every", 0, "sandbox: how often the ECTicket simulator has a ticket of your own orders redeemed or refunded, and sends notices (default: never)")
	cmd.AddCommand(healthCommand(env, &code, stdout, stderr), checkCommand(&f, env, &code, stdout, stderr))
	cmd.CompletionOptions.DisableDefaultCmd = true
	cmd.Annotations = map[string]string{helptext.Alone: "yes"}
	cmd.SetHelpFunc(func(cmd *cobra.Command, _ []string) {
		_, _ = io.WriteString(stdout, helptext.Of(cmd, helptext.Width(env, stdout))) // nobody is left to report it to
	})
	cmd.SetHelpCommand(helpCommand(stderr, &code))
	cmd.SetArgs(args)
	cmd.SetOut(stdout)
	cmd.SetErr(stderr)
	cmd.SetVersionTemplate("worker {{.Version}}\n")
	if err := cmd.ExecuteContext(ctx); err != nil {
		fmt.Fprintf(stderr, "worker: %v\nSee worker --help.\n", err)
		return exitWrong
	}
	return code
}

// helpCommand is --help as a command of its own.
func helpCommand(stderr io.Writer, code *int) *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Describe the worker or a command",
		Run: func(cmd *cobra.Command, args []string) {
			about, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				fmt.Fprintf(stderr, "worker: unknown command %q\nSee worker --help.\n", strings.Join(args, " "))
				*code = exitWrong
				return
			}
			_ = about.Help()
		},
	}
}

// variables is the table of the environment for --help.
func variables() string {
	var b bytes.Buffer
	_ = config.WriteHelp(&b) // a buffer takes everything
	return strings.TrimRight(b.String(), "\n")
}

// version is the module's version and the commit it was built from, as far as the build knows.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "(unknown build)"
	}
	text := strings.Trim(info.Main.Version, "()")
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && !strings.Contains(text, s.Value[:min(12, len(s.Value))]) {
			text += " " + s.Value[:min(12, len(s.Value))]
		}
	}
	return text + " " + info.GoVersion
}

// reportMistakes is report of settings that were rejected, with names that may be misspelled: what is missing may be there under one.
func reportMistakes(stderr io.Writer, env map[string]string, err error) int {
	code := report(stderr, err)
	for _, w := range config.Misspelled(env) {
		fmt.Fprintf(stderr, "warning: %s\n", w)
	}
	return code
}

// report prints what is wrong with flags or environment.
func report(stderr io.Writer, err error) int {
	var wrong *config.Error
	if errors.As(err, &wrong) {
		fmt.Fprintf(stderr, "worker: %v\n\nSee worker --help.\n", wrong)
		return exitWrong
	}
	text := redisconn.Plain(err)
	if redisconn.RefusalOf(err) == redisconn.NotPermitted {
		text += "; give the worker the user worker of deploy/users.acl"
	}
	fmt.Fprintf(stderr, "worker: %s\n", text)
	return exitFailed
}
