package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"issuance/internal/bulk"
	"issuance/tasks"
)

type cancelFlags struct {
	refund string
	file   fileFlags
	by     operatorFlags
}

func (a *app) cancelCommand() *cobra.Command {
	var f cancelFlags
	cmd := &cobra.Command{
		Use:   "cancel " + manyOrders + " | --file FILE",
		Short: "End orders of which nothing was sent yet",
		Long: `End orders, or a refund, of which nothing was ever sent to the provider. They become cancelled, which
is final; who did it and why is recorded. Cancelling again is fine (exit code 0).

What may have been sent is left alone, and the answer says what to do instead (exit code 1); an
unknown order is exit code 4. The others of a list are cancelled all the same, and each has a line.

With --file, the orders of a bulk's file (see "enqueue bulk") are cancelled, line by line.`,
		Example: `  enqueue cancel ecticket CBX20220302153064851 --reason 'sold twice'
  enqueue cancel pass2u P00001 --refund R1 --reason 'customer keeps them'
  enqueue cancel --file orders.csv --reason 'wrong event'`,
		Args:              f.file.orOrders,
		ValidArgsFunction: a.completeAccount,
		RunE:              func(cmd *cobra.Command, args []string) error { return a.cancel(cmd.Context(), f, args) },
	}
	cmd.Flags().StringVar(&f.refund, "refund", "", "cancel this refund of the order instead of the order")
	a.addFileFlags(cmd, &f.file, "cancel the orders of this bulk `FILE`")
	completeFlag(cmd, "refund")
	f.by.add(cmd, "why")
	return cmd
}

func (a *app) cancel(ctx context.Context, f cancelFlags, args []string) error {
	c := canceller{app: a, ctx: ctx}
	var err error
	if c.who, c.reason, err = a.operated(f.by, "say why, for those who ask later"); err != nil {
		return err
	}
	if f.file.name != "" {
		if f.refund != "" {
			return usagef("--refund goes with one order, not with --file")
		}
		return c.file(f.file)
	}
	refs, err := parseRefs(args, f.refund)
	if err != nil {
		return err
	}
	return a.read(ctx, func(s *session, client *tasks.Client) error {
		c.begin(s, client)
		if err := complete(ctx, client, refs); err != nil {
			return err
		}
		for _, r := range refs {
			c.width = max(c.width, len(r.String()))
		}
		if err := c.all(refs, nil); err != nil {
			return err
		}
		return c.end(len(refs))
	})
}

// canceller cancels orders, some side by side, and prints what became of each.
type canceller struct {
	*app
	ctx         context.Context
	session     *session
	client      *tasks.Client
	gone        *outage
	who, reason string
	width       int
	cancelled   int
	failed      failures
}

func (c *canceller) begin(s *session, client *tasks.Client) {
	c.session, c.client, c.gone = s, client, newOutage(c.ctx, s)
}

// cancelled is what became of one order.
type cancelled struct {
	tried bool
	err   error
}

// all cancels a list. at are their places in the input, if any.
func (c *canceller) all(refs []tasks.Ref, at []string) error {
	done, err := inOrder(len(refs), func(i int) cancelled {
		if c.gone.is() {
			return cancelled{}
		}
		err := c.client.Cancel(c.ctx, refs[i], c.who, c.reason)
		c.gone.look(err)
		return cancelled{true, err}
	}, func(i int, r cancelled) error {
		switch {
		case !r.tried:
			c.gone.skipped++
			return nil
		case r.err != nil:
			p := explain(r.err).about(refs[i])
			if at != nil {
				p.At = at[i]
			}
			c.failed.add(c.app, p)
			return nil
		}
		c.cancelled++
		if c.json {
			return c.printJSON(decisionOf(refs[i], tasks.Cancelled, c.who, c.reason))
		}
		return c.line(fmt.Sprintf("%-*s", c.width, refs[i]), string(tasks.Cancelled))
	}, func() bool { return !c.gone.is() })
	c.gone.skipped += len(refs) - done
	return err
}

// end says what was not done.
func (c *canceller) end(all int) error {
	if c.gone.is() {
		c.failed.count(c.gone.report(c.app, c.gone.skipped, "order", all))
	}
	return c.failed.err()
}

// file cancels the orders of a bulk's file, a few hundred at a time.
func (c *canceller) file(f fileFlags) error {
	r, err := f.reading()
	if err != nil {
		return err
	}
	file, err := c.openBulk(c.ctx, f.name, r)
	if err != nil {
		return err
	}
	defer file.close()
	return c.app.read(c.ctx, func(s *session, client *tasks.Client) error {
		c.begin(s, client)
		n, err := c.lines(file)
		if err != nil {
			return err
		}
		if n == 0 {
			return file.input.unusable(bulk.ErrEmpty)
		}
		if err := c.end(n); err != nil {
			c.report("%s of %s cancelled", thousands(int64(c.cancelled)), count(n, "order"))
			return err
		}
		c.report("%s cancelled", count(c.cancelled, "order"))
		return nil
	})
}

// lines cancels line by line and counts the lines.
func (c *canceller) lines(file *bulkFile) (n int, err error) {
	var refs []tasks.Ref
	var at []string
	flush := func() error {
		if c.gone.is() {
			c.gone.skipped += len(refs)
		} else if err := complete(c.ctx, c.client, refs); err != nil {
			return err
		} else if err := c.all(refs, at); err != nil {
			return err
		}
		refs, at = refs[:0], at[:0]
		return nil
	}
	err = file.IDs(func(line int, id bulk.ID, ok bool) error {
		n++
		where := fmt.Sprintf("line %d", line)
		if !ok {
			c.failed.add(c.app, problem{Code: codeInvalid, Message: "names no order", At: where})
			return nil
		}
		refs, at = append(refs, tasks.Ref{Account: id.Account, OrderID: id.OrderID}), append(at, where)
		if len(refs) < peekBatch {
			return nil
		}
		return flush()
	})
	if err == nil {
		err = flush()
	}
	return n, err
}
