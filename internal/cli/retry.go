package cli

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"strings"

	"github.com/spf13/cobra"

	"issuance/internal/cli/table"
	"issuance/internal/ledger"
	"issuance/providers"
	"issuance/tasks/sweep"
)

type retryFlags struct{ refund, reason, by string }

func (a *app) retryCommand() *cobra.Command {
	var f retryFlags
	cmd := &cobra.Command{
		Use:   "retry PROVIDER ORDER",
		Short: "Have the machine look up an order or refund in review once more, and go on",
		Long: `Have an order or refund that is in review worked on again, after what stood in the way has been mended
(the provider answers again, a crash is fixed). Whatever may have been sent is looked up before
anything is sent again, so a retry never issues or refunds twice. Who retried and why is recorded.

What is not in review is left alone (exit code 1): it goes on by itself.`,
		Example: `  enqueue retry ecticket CBX20220302153064851 --reason 'ECPay had an outage'
  enqueue retry pass2u P00001 --refund R1`,
		Args:              takes(2, 2, "PROVIDER ORDER"),
		ValidArgsFunction: completeProvider,
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := parseProvider(args[0])
			if err != nil {
				return err
			}
			oneLine := func(s string) string { return strings.Join(strings.Fields(table.Clean(s)), " ") }
			who := oneLine(cmp.Or(f.by, a.env["USER"], a.env["USERNAME"]))
			if who == "" {
				return usagef("--by is missing: say who retries (USER is not set)")
			}
			ref := ledger.Ref{Key: ledger.Key{Provider: p, OrderID: args[1]}, RefundID: f.refund}
			return a.retry(cmd.Context(), ref, who, oneLine(cmp.Or(f.reason, "retry")))
		},
	}
	cmd.Flags().StringVar(&f.refund, "refund", "", "retry this refund of the order instead of the order")
	cmd.Flags().StringVar(&f.reason, "reason", "", "what was mended (default retry)")
	cmd.Flags().StringVar(&f.by, "by", "", "who retries (default $USER)")
	for _, name := range []string{"refund", "reason", "by"} {
		completeFlag(cmd, name)
	}
	return cmd
}

// retriedLine is a retry with --json.
type retriedLine struct {
	Provider providers.Name `json:"provider"`
	OrderID  string         `json:"order_id"`
	RefundID string         `json:"refund_id,omitempty"`
	State    ledger.State   `json:"state"`
}

func (a *app) retry(ctx context.Context, r ledger.Ref, who, reason string) error {
	s, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	if err := s.mustExist(ctx, r); err != nil {
		return err
	}
	done, err := s.ledger.Reopen(ctx, r, who, reason)
	switch {
	case err != nil && !done.Applied:
		return fmt.Errorf("%w; see `enqueue status %s %s` before you try again", err, r.Provider, r.OrderID)
	case !done.Applied:
		return fmt.Errorf("%s is %s, not in review; only what is in review can be retried", r, done.State)
	}
	waker := sweep.New(s.rdb, sweep.Config{Ledger: s.ledger, Log: slog.New(slog.DiscardHandler)})
	if wakeErr := waker.Wake(ctx, r); err != nil || wakeErr != nil {
		a.tell("it goes on, though not at once: a worker's sweeper takes it up within a minute")
	}
	if a.json {
		return a.printJSON(retriedLine{Provider: r.Provider, OrderID: r.OrderID, RefundID: r.RefundID, State: done.State})
	}
	return a.print("%s  %s  (goes on; see `enqueue watch %s %s`)\n", r, done.State, r.Provider, r.OrderID)
}
