package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"issuance/internal/budget"
	"issuance/internal/cli/table"
	"issuance/internal/plain"
	"issuance/providers"
	"issuance/tasks"
	"issuance/tasks/order"
)

func (a *app) budgetCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "budget [ACCOUNT]",
		Short: "Show what each account allows and uses, and whether its calls are held",
		Long: `Show the call budget of each account: how many calls a second are allowed now (less than the limit
while the rate grows after a ban), how many were made in the last minute and by which lane, how far
ahead calls are planned, and what holds calls: a ban with its reason and end, and pauses (see
"enqueue pause").

Its health is ok, or what stands against it: no_worker (none serves it), paused, banned, unreachable,
refused (credentials or address), garbage (no answers of the provider's), key_missing (a seal key). In
unreachable, refused and garbage all calls are held, and a probe now and then asks whether that is over.

Accounts are known here once a worker has served them; without ACCOUNT all of them are shown. The
providers are not asked.`,
		Example: `  enqueue budget
  enqueue budget pass2u
  enqueue budget --json`,
		Args:              takes(0, 1, "[ACCOUNT]"),
		ValidArgsFunction: a.completeAccount,
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			var of tasks.Account
			if len(args) > 0 {
				if of, err = parseAccount(args[0]); err != nil {
					return err
				}
			}
			return a.with(cmd.Context(), func(s *session) error { return a.budget(cmd.Context(), s, of) })
		},
	}
}

// budgetLine is one account with --json. Rates are calls per second.
type budgetLine struct {
	Provider   providers.Name     `json:"provider"`
	Account    tasks.Account      `json:"account"`
	Allowance  string             `json:"allowance"` // accounts of the same one share it
	Allowed    float64            `json:"allowed"`
	Limit      float64            `json:"limit"`
	UsedMinute map[order.Lane]int `json:"used_last_minute"`
	AheadMS    int64              `json:"ahead_ms"`
	Ban        *banLine           `json:"ban"`
	Paused     []holdLine         `json:"paused"`
	Health     healthLine         `json:"health"`
}

type healthLine struct {
	State     providers.Health `json:"state"`
	Why       string           `json:"why,omitempty"`
	Since     *time.Time       `json:"since,omitempty"`
	NoWrites  string           `json:"no_writes,omitempty"` // why Redis takes no writes; State may be out of date then
	Calls     int              `json:"calls,omitempty"`     // in a row without an authentic answer
	Until     *time.Time       `json:"until,omitempty"`     // until when the provider asked not to be called
	NextProbe *time.Time       `json:"next_probe,omitempty"`
}

type banLine struct {
	Reason string    `json:"reason"`
	Since  time.Time `json:"since"`
	Until  time.Time `json:"until"`
}

// budget shows the accounts that one name means, the zero Account all of them.
func (a *app) budget(ctx context.Context, s *session, of tasks.Account) error {
	accounts, err := budget.States(ctx, s.rdb)
	if err != nil {
		return err
	}
	if len(accounts) == 0 {
		a.report("no worker has served an account on this Redis yet")
		return nil
	}
	accounts = slices.DeleteFunc(accounts, func(st budget.State) bool { return !of.IsZero() && !of.Covers(st.Account) })
	if len(accounts) == 0 {
		return s.unannounced(ctx, of, budget.ErrNotAnnounced)
	}
	full := a.warnNoWrites(ctx, s)
	for i, st := range accounts {
		if a.json {
			line := lineOfBudget(st)
			line.Health.NoWrites = full
			if err := a.printJSON(line); err != nil {
				return err
			}
			continue
		}
		if err := a.printBudget(st, full, i > 0); err != nil {
			return err
		}
	}
	return nil
}

func (a *app) printBudget(st budget.State, full string, gap bool) error {
	f := fields{table.Table{Indent: "  "}}
	health := a.healthText(st)
	if state, _, _ := st.Health(); full != "" && (state == providers.HealthOK || state == providers.HealthNoWorker) {
		health = "not known: Redis " + full
	}
	f.row("health", health)
	f.row("allowed", fmt.Sprintf("%s of %s", rate(st.PerSecond), rate(st.Limit)))
	if st.Allowance != st.Account.String() {
		f.row("shared as", st.Allowance)
	}
	f.row("last minute", usedText(st))
	f.row("planned ahead", st.Ahead.Round(10*time.Millisecond).String())
	if st.Ban != nil {
		f.row("banned", fmt.Sprintf("until %s: %s", a.time(st.Ban.Until), st.Ban.Reason))
	}
	for _, h := range st.Paused {
		f.row("paused", fmt.Sprintf("%s, by %s since %s: %s", laneText(h.Lane), h.Who, a.time(h.Since), h.Reason))
	}
	return a.printEntry(gap, st.Account.String(), &f)
}

func lineOfBudget(s budget.State) budgetLine {
	line := budgetLine{Provider: s.Account.Provider, Account: s.Account, Allowance: s.Allowance, Allowed: s.PerSecond, Limit: s.Limit,
		UsedMinute: s.Used, AheadMS: s.Ahead.Milliseconds(), Paused: []holdLine{}}
	if s.Ban != nil {
		line.Ban = &banLine{Reason: s.Ban.Reason, Since: s.Ban.Since.UTC(), Until: s.Ban.Until.UTC()}
	}
	for _, h := range s.Paused {
		line.Paused = append(line.Paused, lineOfHold(h))
	}
	line.Health = lineOfHealth(s)
	return line
}

func lineOfHealth(s budget.State) (line healthLine) {
	state, since, why := s.Health()
	line = healthLine{State: state, Why: why, Since: stamp(since)}
	if t := s.Trouble; t != nil {
		line.Calls, line.Until, line.NextProbe = t.Calls, stamp(t.Until), stamp(t.NextProbe)
	}
	return line
}

// healthText is an account's health in one line.
func (a *app) healthText(s budget.State) string {
	state, since, why := s.Health()
	text := string(state)
	if !since.IsZero() {
		text += " since " + a.time(since)
	}
	if why != "" {
		text += ": " + why
	}
	if t := s.Trouble; t != nil && t.Down && state == t.Kind {
		text += ", next probe " + a.time(t.NextProbe)
	}
	return text
}

func rate(perSecond float64) string { return plain.Number(perSecond) + "/s" }

func usedText(s budget.State) string {
	total := 0
	var parts []string
	for _, l := range order.Lanes() {
		total += s.Used[l]
		parts = append(parts, fmt.Sprintf("%s %d", l, s.Used[l]))
	}
	return fmt.Sprintf("%s: %s", count(total, "call"), strings.Join(parts, ", "))
}
