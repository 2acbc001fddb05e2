package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"issuance/internal/cli/table"
	"issuance/internal/ledger"
	"issuance/providers"
)

// How a review can end.
var (
	orderEnds  = ends(ledger.OrderStates())
	refundEnds = ends(ledger.RefundStates())
)

func ends(states []ledger.State) (out []ledger.State) {
	for _, s := range states {
		if s.Final() && s != ledger.Review {
			out = append(out, s)
		}
	}
	return out
}

func names(states []ledger.State) []string {
	out := make([]string, len(states))
	for i, s := range states {
		out[i] = string(s)
	}
	return out
}

// maxReason is the longest reason, in characters.
const maxReason = 500

type resolveFlags struct{ refund, as, reason, by string }

func (a *app) resolveCommand() *cobra.Command {
	var f resolveFlags
	cmd := &cobra.Command{
		Use:   "resolve PROVIDER ORDER --as STATE --reason TEXT",
		Short: "Decide an order or refund that is in review",
		Long: `Decide an order or refund that is in review, after having looked at the provider what is true (see
"enqueue review"). The decision, who made it and why are recorded, the new state is published like
any other, and it cannot be taken back. Nothing is sent to the provider.

An order ends issued or failed; a refund refunded, partially_refunded or failed. What is not in
review is left alone (exit code 1). Put no customer's data into the reason: it is shown to everybody
who asks for the status.`,
		Example: `  enqueue resolve ecticket CBX20220302153064851 --as issued --reason 'found in the back office'
  enqueue resolve pass2u P00001 --refund R1 --as failed --reason '0 refunded at Pass2U' --by angela`,
		Args:              takes(2, 2, "PROVIDER ORDER"),
		ValidArgsFunction: completeProvider,
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := parseProvider(args[0])
			if err != nil {
				return err
			}
			ref := ledger.Ref{Key: ledger.Key{Provider: p, OrderID: args[1]}, RefundID: f.refund}
			res, err := a.resolution(f)
			if err != nil {
				return err
			}
			return a.resolve(cmd.Context(), ref, res)
		},
	}
	cmd.Flags().StringVar(&f.refund, "refund", "", "decide this refund of the order instead of the order")
	cmd.Flags().StringVar(&f.as, "as", "", "what is true: "+strings.Join(endNames(), ", "))
	cmd.Flags().StringVar(&f.reason, "reason", "", "how you know")
	cmd.Flags().StringVar(&f.by, "by", "", "who decides (default $USER)")
	completeFlag(cmd, "as", endNames()...)
	for _, name := range []string{"refund", "reason", "by"} {
		completeFlag(cmd, name)
	}
	return cmd
}

// resolution checks the flags.
func (a *app) resolution(f resolveFlags) (ledger.Resolution, error) {
	ends, what := orderEnds, "an order"
	if f.refund != "" {
		ends, what = refundEnds, "a refund"
	}
	// One line each: the history is kept in lines.
	oneLine := func(s string) string { return strings.Join(strings.Fields(table.Clean(s)), " ") }
	res := ledger.Resolution{State: ledger.State(f.as), Who: oneLine(cmp.Or(f.by, a.env["USER"], a.env["USERNAME"])), Reason: oneLine(f.reason)}
	switch {
	case f.as == "":
		return res, usagef("--as is missing: what is true of it, one of %s", strings.Join(names(ends), ", "))
	case !slices.Contains(ends, res.State):
		return res, usagef("--as %s: %s ends in one of %s", f.as, what, strings.Join(names(ends), ", "))
	case res.Reason == "":
		return res, usagef("--reason is missing: say how you know, for those who ask later")
	case utf8.RuneCountInString(res.Reason) > maxReason:
		return res, usagef("--reason is longer than %d characters", maxReason)
	case res.Who == "":
		return res, usagef("--by is missing: say who decides (USER is not set)")
	}
	return res, nil
}

// resolvedLine is a decision with --json.
type resolvedLine struct {
	Provider providers.Name `json:"provider"`
	OrderID  string         `json:"order_id"`
	RefundID string         `json:"refund_id,omitempty"`
	State    ledger.State   `json:"state"`
	By       string         `json:"resolved_by"`
	Reason   string         `json:"resolved_reason"`
}

func (a *app) resolve(ctx context.Context, r ledger.Ref, res ledger.Resolution) error {
	s, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	if err := s.mustExist(ctx, r); err != nil {
		return err
	}
	done, err := s.ledger.Resolve(ctx, r, res)
	switch {
	case done.Applied && err != nil:
		a.tell("it is resolved; telling others failed (%s) and will be done by a worker", err)
	case err != nil:
		return fmt.Errorf("%w; see `enqueue status %s %s` before you try again", err, r.Provider, r.OrderID)
	case !done.Applied:
		return fmt.Errorf("%s is %s, not in review; only what is in review can be resolved", r, done.State)
	}
	if a.json {
		return a.printJSON(resolvedLine{Provider: r.Provider, OrderID: r.OrderID, RefundID: r.RefundID, State: res.State, By: res.Who, Reason: res.Reason})
	}
	return a.print("%s  %s  (resolved by %s: %s)\n", r, res.State, res.Who, res.Reason)
}

// mustExist tells a record that does not exist from one that is not in review.
func (s *session) mustExist(ctx context.Context, r ledger.Ref) error {
	var err error
	if r.RefundID != "" {
		_, err = s.ledger.LoadRefund(ctx, ledger.RefundKey(r))
	} else {
		_, err = s.ledger.Load(ctx, r.Key)
	}
	if errors.Is(err, ledger.ErrNotFound) {
		return fmt.Errorf("%s is unknown here: check the ids (`enqueue review` lists all that can be resolved) and that REDIS_URL is your workers' Redis", table.Clean(r.String()))
	}
	return err
}
