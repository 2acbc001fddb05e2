package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"issuance/internal/cli/table"
	"issuance/tasks"
)

func (a *app) eraseCommand() *cobra.Command {
	var by operatorFlags
	cmd := &cobra.Command{
		Use:   "erase " + oneOrder + " --reason TEXT",
		Short: "Remove a customer's data of one order",
		Long: `Remove the customer's data of an order and of its refunds at once: the documents, the tickets, the
provider's texts. That there was such an order, when, and how it ended stays. What was removed is
printed as a receipt; who did it and why is recorded. An order that was never sent is cancelled first.

An order in doubt or in review, or one with such a refund, is left alone (exit code 1), because the
data is needed to find out what is true. Nothing is erased at the provider.`,
		Example:           `  enqueue erase ecticket CBX20220302153064851 --reason 'request of 3 March'`,
		Args:              takesOrders(oneOrder),
		ValidArgsFunction: a.completeAccount,
		RunE: func(cmd *cobra.Command, args []string) error {
			refs, err := ordersOnly(parseRefs(args, ""))
			if err != nil {
				return err
			}
			who, why, err := a.operated(by, "say why, such as the number of the customer's request")
			if err != nil {
				return err
			}
			return a.onOne(cmd.Context(), refs, func(_ *session, c *tasks.Client, r tasks.Ref) error {
				return a.erase(cmd.Context(), c, r, who, why)
			})
		},
	}
	by.add(cmd, "why, without any customer's data")
	return cmd
}

func (a *app) erase(ctx context.Context, c *tasks.Client, r tasks.Ref, who, reason string) error {
	done, err := c.Erase(ctx, r, who, reason)
	if err != nil {
		return err
	}
	if a.json {
		return a.printJSON(done)
	}
	state := string(done.State)
	if state == "" {
		state = string(tasks.Unrecorded)
	}
	f := fields{table.Table{Indent: "  "}}
	if len(done.Removed) == 0 {
		f.row("removed", "nothing, there was nothing left")
	}
	if !done.At.IsZero() {
		f.row("erased", a.time(done.At))
	}
	f.row("by", fmt.Sprintf("%s: %s", done.By, done.Reason))
	f.row("removed", strings.Join(done.Removed, ", "))
	return a.printEntry(false, tasks.Ref{Account: done.Account, OrderID: done.OrderID}.String()+"  "+state, &f)
}
