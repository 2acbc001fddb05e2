package cli

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"issuance/internal/cli/table"
	"issuance/internal/ledger"
	"issuance/providers"
)

func (a *app) historyCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "history PROVIDER ORDER",
		Short: "Print everything that happened to an order and its refunds",
		Long: `Print everything that happened to an order and its refunds, oldest first, each with its time:
when it was sent by which worker, what was unknown, what the provider said.`,
		Example: `  enqueue history ecticket CBX20220302153064851
  enqueue history pass2u P00001 --json`,
		Args:              takes(2, 2, "PROVIDER ORDER"),
		ValidArgsFunction: completeProvider,
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := parseProvider(args[0])
			if err != nil {
				return err
			}
			return a.history(cmd.Context(), ledger.Key{Provider: p, OrderID: args[1]})
		},
	}
}

// historyLine is one line of history with --json.
type historyLine struct {
	Provider providers.Name `json:"provider"`
	OrderID  string         `json:"order_id"`
	RefundID string         `json:"refund_id,omitempty"`
	At       *time.Time     `json:"at"` // null where the middle of a long history was dropped
	Event    string         `json:"event"`
	Detail   string         `json:"detail,omitempty"`
}

func (a *app) history(ctx context.Context, k ledger.Key) error {
	s, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	refunds, err := s.ledger.LoadRefunds(ctx, k)
	if err != nil {
		return err
	}
	rec, err := s.ledger.Load(ctx, k)
	switch {
	case err == nil:
		if err := a.printHistory(ledger.Ref{Key: k}, rec.State, rec.History); err != nil {
			return err
		}
	case !errors.Is(err, ledger.ErrNotFound):
		return err
	case len(refunds) == 0:
		if err := a.historyFromQueue(ctx, s, k); err != nil {
			return err
		}
	}
	for _, r := range refunds {
		if err := a.printHistory(ledger.Ref(r.RefundKey), r.State, r.History); err != nil {
			return err
		}
	}
	return nil
}

// historyFromQueue is the short history of an order that no worker has taken up yet.
func (a *app) historyFromQueue(ctx context.Context, s *session, k ledger.Key) error {
	client, err := s.reader()
	if err != nil {
		return err
	}
	st, err := client.Status(ctx, k.Provider, k.OrderID)
	if err != nil {
		return unknownOrder(err, k.Provider, k.OrderID)
	}
	step := ledger.Step{Event: string(st.State), Detail: st.Lane}
	if st.CreatedAt != nil {
		step.At = *st.CreatedAt
	}
	return a.printHistory(ledger.Ref{Key: k}, st.State, []ledger.Step{step})
}

func (a *app) printHistory(r ledger.Ref, state ledger.State, steps []ledger.Step) error {
	if a.json {
		for _, step := range steps {
			line := historyLine{Provider: r.Provider, OrderID: r.OrderID, RefundID: r.RefundID, Event: step.Event, Detail: step.Detail}
			if !step.At.IsZero() {
				line.At = &step.At
			}
			if err := a.printJSON(line); err != nil {
				return err
			}
		}
		return nil
	}
	if err := a.print("%s  %s\n", table.Clean(r.String()), state); err != nil {
		return err
	}
	t := table.Table{Indent: "  "}
	for _, step := range steps {
		t.Row(a.time(step.At), step.Event, step.Detail)
	}
	return a.printTable(&t)
}
