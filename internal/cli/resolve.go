package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"issuance/internal/ledger"
	"issuance/internal/operate"
	"issuance/tasks"
)

type resolveFlags struct {
	refund, as string
	by         operatorFlags
}

func (a *app) resolveCommand() *cobra.Command {
	var f resolveFlags
	cmd := &cobra.Command{
		Use:   "resolve " + oneOrder + " --as STATE --reason TEXT",
		Short: "Decide an order or refund that is in review",
		Long: `Decide an order or refund that is in review, after having looked at the provider what is true (see
"enqueue review"). The decision, who made it and why are recorded, the new state is published like
any other, and it cannot be taken back. Refunds that wait for it go on
at once. Nothing is sent to the provider.

An order ends issued or failed; a refund refunded, partially_refunded or failed. What is not in
review is left alone (exit code 1). Put no customer's data into the reason: it is shown to everybody
who asks for the status.`,
		Example: `  enqueue resolve ecticket CBX20220302153064851 --as issued --reason 'found in the back office'
  enqueue resolve pass2u P00001 --refund R1 --as failed --reason '0 refunded at Pass2U' --by angela`,
		Args:              takesOrders(oneOrder),
		ValidArgsFunction: a.completeAccount,
		RunE: func(cmd *cobra.Command, args []string) error {
			refs, err := parseRefs(args, f.refund)
			if err != nil {
				return err
			}
			res, err := a.resolution(refs[0], f)
			if err != nil {
				return err
			}
			return a.onOne(cmd.Context(), refs, func(s *session, _ *tasks.Client, r tasks.Ref) error {
				return a.resolve(cmd.Context(), s, r, res)
			})
		},
	}
	cmd.Flags().StringVar(&f.refund, "refund", "", "decide this refund of the order instead of the order")
	cmd.Flags().StringVar(&f.as, "as", "", "what is true: "+strings.Join(endNames(), ", "))
	completeFlag(cmd, "refund")
	completeFlag(cmd, "as", endNames()...)
	f.by.add(cmd, "how you know")
	return cmd
}

// resolution checks the flags.
func (a *app) resolution(r tasks.Ref, f resolveFlags) (ledger.Resolution, error) {
	what := "an order"
	if r.IsRefund() {
		what = "a refund"
	}
	ends := operate.Ends(r)
	res := ledger.Resolution{State: tasks.State(f.as)}
	switch {
	case f.as == "":
		return res, usagef("--as is missing: what is true of it, one of %s", strings.Join(names(ends), ", "))
	case !slices.Contains(ends, res.State):
		return res, usagef("--as %s: %s ends in one of %s", f.as, what, strings.Join(names(ends), ", "))
	}
	var err error
	res.Who, res.Reason, err = a.operated(f.by, "say how you know, for those who ask later")
	return res, err
}

// decisionLine is a decision about an order or refund with --json.
type decisionLine struct {
	refLine
	State  tasks.State `json:"state"`
	By     string      `json:"by"`
	Reason string      `json:"reason"`
}

func decisionOf(r tasks.Ref, s tasks.State, who, reason string) decisionLine {
	return decisionLine{refLine: lineOf(r), State: s, By: who, Reason: reason}
}

func (a *app) resolve(ctx context.Context, s *session, r tasks.Ref, res ledger.Resolution) error {
	done, err := s.desk().Resolve(ctx, r, res)
	switch {
	case err != nil:
		return fmt.Errorf("%w; see `enqueue status %s` before you try again", err, r.Order())
	case !done.Applied:
		return notInReview(r, done.State, "resolved")
	}
	if done.Unpublished != nil {
		a.report("it is resolved; publishing the new state failed (%s), and a worker will do it", done.Unpublished)
	}
	if done.Unwoken != nil {
		a.report("refunds that wait for it go on, though not at once (%s)", done.Unwoken)
	}
	a.unlisted(done.Unlisted)
	if a.json {
		return a.printJSON(decisionOf(r, res.State, res.Who, res.Reason))
	}
	return a.line(r.String(), string(res.State), fmt.Sprintf("(resolved by %s: %s)", res.Who, res.Reason))
}

// notInReview says why a record was left alone.
func notInReview(r tasks.Ref, state tasks.State, done string) error {
	if state == "" {
		unknown := tasks.ErrUnknownOrder
		if r.IsRefund() {
			unknown = tasks.ErrUnknownRefund
		}
		return fmt.Errorf("%s: %w (`enqueue review` lists all that can be %s)", r, unknown, done)
	}
	return coded(codeNoReview, "%s is %s, not in review; only what is in review can be %s", r, state.Words(), done)
}

// record writes a decision that has taken effect to the stream of decisions. The record itself holds it, too.
func (a *app) record(ctx context.Context, s *session, d ledger.Decision) {
	a.unlisted(s.ledger.Decided(ctx, d))
}

func (a *app) unlisted(err error) {
	if err != nil {
		a.report("it is done, but missing in the list of decisions: %s", err)
	}
}
