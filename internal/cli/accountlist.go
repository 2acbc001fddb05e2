package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"issuance/internal/announce"
	"issuance/internal/budget"
	"issuance/internal/cli/table"
	"issuance/internal/config"
	"issuance/internal/plain"
	"issuance/providers"
	"issuance/tasks"
)

func (a *app) accountsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "accounts",
		Short: "List the accounts that workers serve, and check an accounts file",
		Long: `List the accounts that workers serve, or served lately: which is its provider's default, the allowance
that it shares with others, its calls per second, its health, the workers that serve it, and when one
announced it last. A worker that has not been heard of lately may have died; it is listed for two minutes.
"enqueue budget" shows what each uses of its calls.

Accounts are known here once a worker has served them. The providers are not asked.`,
		Example: `  enqueue accounts
  enqueue accounts --json
  enqueue accounts check accounts.yaml`,
		Args:              takes(0, 0, "no arguments"),
		ValidArgsFunction: completeNothing,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd.Context(), func(s *session) error { return a.listAccounts(cmd.Context(), s) })
		},
	}
	cmd.AddCommand(a.checkAccountsCommand())
	return cmd
}

func (a *app) checkAccountsCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "check FILE",
		Short: "Check an accounts file, as a worker would read it",
		Long: `Check an accounts file (docs/accounts.md) as a worker would read it, with the secrets in the files that it
names. Every mistake is listed with its line and the entry's name as an error, and after those what is
unwise as a warning; no secret is shown. Nobody is asked, neither Redis nor a provider ("enqueue doctor"
makes a harmless call for each account).

The exit code is 2 when the file has mistakes.`,
		Example: `  enqueue accounts check accounts.yaml`,
		Args:    takes(1, 1, "FILE"),
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			return completeFile(args, "yaml", "yml")
		},
		RunE: func(_ *cobra.Command, args []string) error { return a.checkAccounts(args[0]) },
	}
}

// accountLine is one account with --json.
type accountLine struct {
	Provider       providers.Name `json:"provider"`
	Account        tasks.Account  `json:"account"`
	Default        bool           `json:"default"`
	Allowance      string         `json:"allowance"` // accounts of the same one share it
	CallsPerSecond float64        `json:"calls_per_second"`
	Health         healthLine     `json:"health"`
	Workers        []string       `json:"workers"`           // that run and serve it
	Unheard        []unheardLine  `json:"unheard,omitempty"` // those of them that may have died
	LastSeen       time.Time      `json:"last_seen"`
}

// unheardLine is a worker that has missed an announcement, with --json.
type unheardLine struct {
	Worker string `json:"worker"`
	ForS   int    `json:"for_s"`
}

func (a *app) listAccounts(ctx context.Context, s *session) error {
	announced, err := budget.Announced(ctx, s.rdb)
	if err != nil {
		return err
	}
	states, err := budget.StatesOfAnnounced(ctx, s.rdb, announced)
	if err != nil {
		return err
	}
	workers, now, err := announce.Workers(ctx, s.rdb)
	if err != nil {
		return err
	}
	serve := map[string][]announce.Worker{}
	for _, w := range workers {
		if w.Running(now) {
			for _, name := range w.Accounts {
				serve[name] = append(serve[name], w)
			}
		}
	}
	if len(announced) == 0 {
		a.report("no worker has served an account on this Redis yet")
		return nil
	}
	t := table.Table{Right: []int{3}, Head: true}
	t.Row("ACCOUNT", "DEFAULT", "ALLOWANCE", "CALLS/S", "HEALTH", "WORKERS", "SEEN")
	for i, n := range announced {
		line := accountLine{Provider: n.Account.Provider, Account: n.Account, Default: n.Default, Allowance: n.Allowance, CallsPerSecond: n.PerSecond,
			Health: lineOfHealth(states[i]), Workers: []string{}, LastSeen: n.At.UTC()}
		var shown []string
		for _, w := range serve[n.Account.String()] {
			line.Workers = append(line.Workers, w.Name)
			shown = append(shown, workerText(w, now))
			if silence := w.Unheard(now); silence > 0 {
				line.Unheard = append(line.Unheard, unheardLine{w.Name, int(silence.Seconds())})
			}
		}
		if a.json {
			if err := a.printJSON(line); err != nil {
				return err
			}
			continue
		}
		a.accountRow(&t, line, shown)
	}
	if a.json {
		return nil
	}
	return a.printTable(&t)
}

// workerText is a worker's name, and for how long it has not been heard of where it may have died: it counts as running for some
// announcements more.
func workerText(w announce.Worker, now time.Time) string {
	if silence := w.Unheard(now); silence > 0 {
		return fmt.Sprintf("%s (not heard of for %d s)", w.Name, int(silence.Seconds()))
	}
	return w.Name
}

// accountRow adds an account; what is as usual is left out.
func (a *app) accountRow(t *table.Table, l accountLine, workers []string) {
	standard, allowance := "", l.Allowance
	if l.Default {
		standard = "default"
	}
	if allowance == l.Account.String() {
		allowance = ""
	}
	t.Row(l.Account.String(), standard, allowance, plain.Number(l.CallsPerSecond), string(l.Health.State), strings.Join(workers, ", "), a.time(l.LastSeen))
}

// checkedLine is an account of a file that has no mistakes, with --json.
type checkedLine struct {
	Account        tasks.Account `json:"account"`
	Default        bool          `json:"default"`
	Allowance      string        `json:"allowance"`
	CallsPerSecond float64       `json:"calls_per_second"`
}

func (a *app) checkAccounts(path string) error {
	list, warnings, err := config.CheckAccounts(a.env, path)
	var wrong *config.FileError
	if errors.As(err, &wrong) {
		return a.rejectAccounts(path, wrong)
	}
	if err != nil {
		return badInput("%w", err)
	}
	a.listMistakes("warning", path, warnings)
	if len(warnings) > 0 {
		a.report("%s in the accounts file", count(len(warnings), "warning"))
	}
	if !a.json {
		return a.text("%s: right, %s", path, count(len(list), "account"))
	}
	for _, c := range list {
		allowance := c.Allowance
		if allowance == "" {
			allowance = c.Name.String()
		}
		if err := a.printJSON(checkedLine{c.Name, c.Default, allowance, c.CallsPerSecond}); err != nil {
			return err
		}
	}
	return nil
}

// rejectAccounts lists every mistake of a file, and then what is unwise in it.
func (a *app) rejectAccounts(path string, wrong *config.FileError) error {
	listed := a.listMistakes("error", path, wrong.Mistakes)
	a.listMistakes("warning", path, wrong.Warnings)
	text := count(len(wrong.Mistakes), "mistake")
	if n := len(wrong.Warnings); n > 0 {
		text += " and " + count(n, "warning")
	}
	return &usageError{code: codeInvalid, err: fmt.Errorf("%s in the accounts file", text), violations: listed}
}

// listMistakes lists what is wrong with a file, or unwise, a line each.
func (a *app) listMistakes(what, path string, list []config.FileMistake) (listed []violationLine) {
	for _, m := range list {
		at := path
		if m.Line > 0 {
			at = fmt.Sprintf("%s:%d", path, m.Line)
		}
		text := m.Text
		if m.Name != "" {
			text = m.Name + ": " + text
		}
		a.errLine(what + ": " + at + ": " + text)
		listed = append(listed, violationLine{At: at, Path: m.Name, Rule: m.Text})
	}
	return listed
}
