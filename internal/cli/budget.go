package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"issuance/internal/budget"
	"issuance/internal/cli/table"
)

func (a *app) budgetCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "budget",
		Short: "Show what each provider account allows, uses, and whether it is banned",
		Long: `Show the call budget of each provider account: how many calls a second are allowed now (less than the
limit while the rate grows after a ban), how many were made in the last minute and by which lane,
how far ahead calls are planned, and a ban with its reason and end.

Accounts are known here once a worker has served them. Nothing is asked of a provider.`,
		Example: `  enqueue budget
  enqueue budget --json`,
		Args: takes(0, 0, "nothing"),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.budget(cmd.Context()) },
	}
}

// budgetLine is one account with --json. Rates are calls per second.
type budgetLine struct {
	Account    string              `json:"account"`
	Allowed    float64             `json:"allowed"`
	Limit      float64             `json:"limit"`
	UsedMinute map[budget.Lane]int `json:"used_last_minute"`
	AheadMS    int64               `json:"ahead_ms"`
	Ban        *banLine            `json:"ban"`
}

type banLine struct {
	Reason string    `json:"reason"`
	Since  time.Time `json:"since"`
	Until  time.Time `json:"until"`
}

func (a *app) budget(ctx context.Context) error {
	s, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	accounts, err := budget.States(ctx, s.rdb)
	if err != nil {
		return err
	}
	if len(accounts) == 0 {
		a.tell("no worker has served an account on this Redis yet")
		return nil
	}
	var t table.Table
	t.Row("ACCOUNT", "ALLOWED", "LIMIT", "LAST MINUTE", "AHEAD", "BAN")
	for _, st := range accounts {
		if a.json {
			if err := a.printJSON(lineOfBudget(st)); err != nil {
				return err
			}
			continue
		}
		t.Row(st.Account, rate(st.PerSecond), rate(st.Limit), usedText(st), st.Ahead.Round(10*time.Millisecond).String(), a.banText(st.Ban))
	}
	if a.json {
		return nil
	}
	return a.printTable(&t)
}

func lineOfBudget(s budget.State) budgetLine {
	line := budgetLine{Account: s.Account, Allowed: s.PerSecond, Limit: s.Limit, UsedMinute: s.Used, AheadMS: s.Ahead.Milliseconds()}
	if s.Ban != nil {
		line.Ban = &banLine{Reason: s.Ban.Reason, Since: s.Ban.Since.UTC(), Until: s.Ban.Until.UTC()}
	}
	return line
}

func rate(perSecond float64) string { return fmt.Sprintf("%.3g/s", perSecond) }

func usedText(s budget.State) string {
	total := 0
	var parts []string
	for _, l := range budget.Lanes {
		total += s.Used[l]
		parts = append(parts, fmt.Sprintf("%s %d", l, s.Used[l]))
	}
	return fmt.Sprintf("%d (%s)", total, strings.Join(parts, ", "))
}

func (a *app) banText(b *budget.Ban) string {
	if b == nil {
		return "none"
	}
	return fmt.Sprintf("until %s: %s", b.Until.In(a.zone).Format("15:04:05"), table.Clean(b.Reason))
}
