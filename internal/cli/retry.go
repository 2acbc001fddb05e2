package cli

import (
	"cmp"
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"issuance/tasks"
)

func (a *app) retryCommand() *cobra.Command {
	var refund string
	var by operatorFlags
	cmd := &cobra.Command{
		Use:   "retry " + oneOrder,
		Short: "Have an order or refund in review worked on again",
		Long: `Have an order or refund that is in review worked on again, after what stood in the way has been mended
(the provider answers again, a crash is fixed). Whatever may have been sent is looked up before
anything is sent again, so a retry never issues or refunds twice. Who retried and why is recorded.

What is not in review is left alone (exit code 1): it goes on by itself.`,
		Example: `  enqueue retry ecticket CBX20220302153064851 --reason 'ECPay had an outage'
  enqueue retry pass2u P00001 --refund R1`,
		Args:              takesOrders(oneOrder),
		ValidArgsFunction: a.completeAccount,
		RunE: func(cmd *cobra.Command, args []string) error {
			refs, err := parseRefs(args, refund)
			if err != nil {
				return err
			}
			by.reason = cmp.Or(by.reason, "retry")
			who, why, err := a.operated(by, "")
			if err != nil {
				return err
			}
			return a.onOne(cmd.Context(), refs, func(s *session, _ *tasks.Client, r tasks.Ref) error {
				return a.retry(cmd.Context(), s, r, who, why)
			})
		},
	}
	cmd.Flags().StringVar(&refund, "refund", "", "retry this refund of the order instead of the order")
	completeFlag(cmd, "refund")
	by.add(cmd, "what was mended (default retry)")
	return cmd
}

func (a *app) retry(ctx context.Context, s *session, r tasks.Ref, who, reason string) error {
	done, err := s.desk().Retry(ctx, r, who, reason)
	switch {
	case err != nil:
		return fmt.Errorf("%w; see `enqueue status %s` before you try again", err, r.Order())
	case !done.Applied:
		return notInReview(r, done.State, "retried")
	}
	if done.Unwoken != nil {
		a.report("it goes on, though not at once: a worker's sweeper takes it up within a minute")
	}
	a.unlisted(done.Unlisted)
	if a.json {
		return a.printJSON(decisionOf(r, done.State, who, reason))
	}
	return a.line(r.String(), string(done.State), fmt.Sprintf("(goes on; see `enqueue watch %s`)", r.Order()))
}
