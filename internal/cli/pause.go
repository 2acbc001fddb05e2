package cli

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"issuance/internal/budget"
	"issuance/internal/ledger"
	"issuance/providers"
	"issuance/tasks"
	"issuance/tasks/order"
)

const accountAndLane = "ACCOUNT [LANE]"

func (a *app) pauseCommand() *cobra.Command {
	return a.laneCommand(&cobra.Command{
		Use:   "pause " + accountAndLane + " --reason TEXT",
		Short: "Hold an account's calls until they are resumed",
		Long: `Hold the calls of an account, or of one of its lanes (checkout, poll, bulk), until "enqueue resume".
Orders can still be enqueued and wait; requests that have left are not taken back. With poll, or
all lanes, accepted orders are not looked up either. A pause survives restarts of workers and is
shown by "enqueue status" and "enqueue budget", with who made it and why.

Pausing what is paused changes nothing: the first pause stays as it is.`,
		Example: `  enqueue pause ecticket --reason 'ECPay maintenance until 6:00'
  enqueue pause ecticket:2000132 bulk --reason 'sale opens at noon' --by angela`,
	}, "why, for those who wonder why nothing happens", func(by operatorFlags) (who, why string, err error) {
		return a.operated(by, "say why, for those who wonder why nothing happens")
	}, a.pause)
}

func (a *app) resumeCommand() *cobra.Command {
	return a.laneCommand(&cobra.Command{
		Use:   "resume " + accountAndLane,
		Short: "Let an account's calls leave again",
		Long: `End the pause of one lane of an account, or without a lane every pause of the account, those of single
lanes included. A lane stays held while its
whole account is paused. A ban of the provider's is no pause and ends by itself.`,
		Example: `  enqueue resume ecticket
  enqueue resume ecticket:2000132 bulk --reason 'the sale is over'`,
	}, "why (default none)", func(by operatorFlags) (who, why string, err error) {
		who, err = a.operator(by.by)
		return who, oneLine(by.reason), err
	}, a.resume)
}

// laneCommand completes a command about an account's lanes: what is --reason's help, operated reads who does it and
// why, and do does it.
func (a *app) laneCommand(cmd *cobra.Command, what string, operated func(operatorFlags) (who, why string, err error),
	do func(ctx context.Context, s *session, account tasks.Account, lane order.Lane, who, why string) error) *cobra.Command {
	var by operatorFlags
	cmd.Args, cmd.ValidArgsFunction = takes(1, 2, accountAndLane), a.completeAccountAndLane
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		account, lane, err := parseLaneOf(args)
		if err != nil {
			return err
		}
		who, why, err := operated(by)
		if err != nil {
			return err
		}
		return a.read(cmd.Context(), func(s *session, c *tasks.Client) error {
			if account, err = c.Account(cmd.Context(), account); err != nil {
				return err
			}
			return do(cmd.Context(), s, account, lane, who, why)
		})
	}
	by.add(cmd, what)
	return cmd
}

// parseLaneOf reads ACCOUNT [LANE]; no lane means all of them.
func parseLaneOf(args []string) (tasks.Account, order.Lane, error) {
	account, err := parseAccount(args[0])
	if err != nil || len(args) == 1 {
		return account, "", err
	}
	lane := order.Lane(args[1])
	if !slices.Contains(order.Lanes(), lane) {
		return account, "", usagef("unknown lane %q; there are %s", args[1], strings.Join(names(order.Lanes()), ", "))
	}
	return account, lane, nil
}

// holdLine is a pause with --json.
type holdLine struct {
	Lane   string    `json:"lane"` // "all" for the whole account
	By     string    `json:"by"`
	Reason string    `json:"reason"`
	Since  time.Time `json:"since"`
}

func lineOfHold(h budget.Hold) holdLine {
	line := holdLine{Lane: string(h.Lane), By: h.Who, Reason: h.Reason, Since: h.Since.UTC()}
	if h.Lane == "" {
		line.Lane = "all"
	}
	return line
}

// pauseLine is what pause and resume print with --json.
type pauseLine struct {
	Provider providers.Name `json:"provider"`
	Account  tasks.Account  `json:"account"`
	Paused   []holdLine     `json:"paused"`           // what holds calls now
	Ended    []holdLine     `json:"ended,omitempty"`  // pauses that were ended
	Before   bool           `json:"before,omitempty"` // it was paused already
}

func laneText(l order.Lane) string {
	if l == "" {
		return "all lanes"
	}
	return string(l)
}

func (a *app) pause(ctx context.Context, s *session, account tasks.Account, lane order.Lane, who, reason string) error {
	h, added, err := budget.Pause(ctx, s.rdb, account, lane, who, reason)
	if err != nil {
		return s.unannounced(ctx, account, err)
	}
	if added {
		a.record(ctx, s, ledger.Decision{What: strings.TrimSpace("pause " + string(lane)), Ref: tasks.Ref{Account: account}, Who: who, Reason: reason})
	}
	if a.json {
		return a.printJSON(pauseLine{Provider: account.Provider, Account: account, Paused: []holdLine{lineOfHold(h)}, Before: !added})
	}
	verb := "paused"
	if !added {
		verb = "paused already"
	}
	return a.line(account.String(), laneText(h.Lane)+" "+verb+" by "+h.Who+" at "+a.time(h.Since)+": "+h.Reason)
}

func (a *app) resume(ctx context.Context, s *session, account tasks.Account, lane order.Lane, who, reason string) error {
	ended, err := budget.Resume(ctx, s.rdb, account, lane)
	if err != nil {
		return s.unannounced(ctx, account, err)
	}
	if len(ended) > 0 {
		a.record(ctx, s, ledger.Decision{What: strings.TrimSpace("resume " + string(lane)), Ref: tasks.Ref{Account: account}, Who: who, Reason: reason})
	}
	left, err := holdsOf(ctx, s, account)
	if err != nil {
		return err
	}
	line := pauseLine{Provider: account.Provider, Account: account, Paused: []holdLine{}}
	for _, h := range left {
		line.Paused = append(line.Paused, lineOfHold(h))
	}
	for _, h := range ended {
		line.Ended = append(line.Ended, lineOfHold(h))
		if !a.json {
			if err := a.line(account.String(), laneText(h.Lane)+" resumed; "+h.String()+" at "+a.time(h.Since)); err != nil {
				return err
			}
		}
	}
	if lanes := lanesOf(ended); lane == "" && len(lanes) > 0 {
		a.report("%s: pauses of single lanes are ended, too: %s; hold one again with: enqueue pause %s LANE", account, strings.Join(lanes, ", "), account)
	}
	if len(ended) == 0 {
		a.report("%s: %s had no pause of its own", account, laneText(lane))
	}
	for _, h := range left {
		if h.Lane == "" || h.Lane == lane {
			a.report("%s: %s still held, %s; end that with: enqueue resume %s", account, laneText(h.Lane), h, account)
		}
	}
	if a.json {
		return a.printJSON(line)
	}
	return nil
}

// lanesOf are the lanes that have pauses of their own.
func lanesOf(holds []budget.Hold) (lanes []string) {
	for _, h := range holds {
		if h.Lane != "" {
			lanes = append(lanes, string(h.Lane))
		}
	}
	return lanes
}

// holdsOf are an account's pauses.
func holdsOf(ctx context.Context, s *session, account tasks.Account) ([]budget.Hold, error) {
	states, err := budget.States(ctx, s.rdb)
	if err != nil {
		return nil, err
	}
	if st := accountOf(states, account); st != nil {
		return st.Paused, nil
	}
	return nil, nil
}
