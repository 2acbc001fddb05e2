package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"issuance/internal/cli/table"
	"issuance/internal/ledger"
	"issuance/tasks"
)

func (a *app) historyCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "history " + oneOrder,
		Short: "Print everything that happened to an order and its refunds",
		Long: `Print everything that happened to an order and its refunds, oldest first, each with its time:
when it was sent by which worker, what was unknown, what the provider answered, and what looks at its
tickets have shown since it was issued. Decisions of operators follow, with the user and the machine they were made by.`,
		Example: `  enqueue history ecticket CBX20220302153064851
  enqueue history pass2u P00001 --json`,
		Args:              takesOrders(oneOrder),
		ValidArgsFunction: a.completeAccount,
		RunE: func(cmd *cobra.Command, args []string) error {
			refs, err := ordersOnly(parseRefs(args, ""))
			if err != nil {
				return err
			}
			return a.onOne(cmd.Context(), refs, func(s *session, _ *tasks.Client, r tasks.Ref) error { return a.history(cmd.Context(), s, r) })
		},
	}
}

// historyLine is one line of history with --json.
type historyLine struct {
	refLine
	At     *time.Time `json:"at"` // null where the middle of a long history was dropped
	Event  string     `json:"event"`
	Detail string     `json:"detail,omitempty"`
	// Of a decision: where it was made, as the program knows it.
	UID   string `json:"uid,omitempty"`
	Login string `json:"login,omitempty"`
	Host  string `json:"host,omitempty"`
}

func (a *app) history(ctx context.Context, s *session, r tasks.Ref) error {
	records, err := s.ledger.Story(ctx, r)
	if err != nil {
		return err
	}
	if len(records) == 0 {
		return fmt.Errorf("%s: %w", table.Clean(r.String()), tasks.ErrUnknownOrder)
	}
	decisions, err := s.desk().Decisions(ctx, records[0].Ref)
	if err != nil {
		return err
	}
	for _, rec := range records {
		if err := a.printHistory(rec, decisions[rec.Ref]); err != nil {
			return err
		}
	}
	return nil
}

// decisionText is a decision in a few words.
func decisionText(d ledger.Decision) string {
	text := fmt.Sprintf("%s by %s, %s", d.What, d.Who, d.From)
	if d.Reason == "" { // erased
		return text
	}
	return text + ": " + d.Reason
}

func (a *app) printHistory(rec *ledger.Record, decisions []ledger.Decision) error {
	if a.json {
		for _, step := range rec.History {
			err := a.printJSON(historyLine{refLine: lineOf(rec.Ref), At: stamp(step.At), Event: step.Event, Detail: step.Detail})
			if err != nil {
				return err
			}
		}
		for _, d := range decisions {
			err := a.printJSON(historyLine{refLine: lineOf(rec.Ref),
				At: stamp(d.At), Event: "decision", Detail: decisionText(d), UID: d.From.UID, Login: d.From.Login, Host: d.From.Host})
			if err != nil {
				return err
			}
		}
		return nil
	}
	if err := a.text("%s  %s", table.Clean(rec.Ref.String()), rec.State); err != nil {
		return err
	}
	t := table.Table{Indent: "  "}
	for _, step := range rec.History {
		t.Row(a.time(step.At), step.Event, step.Detail)
	}
	for _, d := range decisions {
		t.Row(a.time(d.At), "decision", decisionText(d))
	}
	return a.printTable(&t)
}
