package cli

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"unicode"

	"github.com/spf13/cobra"

	"issuance/internal/budget"
	"issuance/internal/cli/table"
	"issuance/tasks"
)

// parseAccount reads an account from the command line; its merchant may be left out.
func parseAccount(s string) (tasks.Account, error) {
	a, err := tasks.ParseAccount(s)
	if err != nil {
		return a, usagef("%w; there are %s", err, strings.Join(providerNames(), " and "))
	}
	return a, nil
}

// oneOrder and manyOrders are what parseRefs reads.
const (
	oneOrder   = "ACCOUNT ORDER"
	manyOrders = "ACCOUNT ORDER…"
)

// takesOrders makes another number of arguments than parseRefs can read a usage error.
func takesOrders(wanted string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		least, most := 2, 2
		if len(args) > 0 && strings.Contains(args[0], "/") {
			least, most = 1, 1
		}
		if wanted == manyOrders {
			most = -1
		}
		return takes(least, most, wanted)(cmd, args)
	}
}

// parseRefs reads "ACCOUNT ORDER…" or "ACCOUNT/ORDER[/REFUND]…", as orders are printed. refund is the
// --refund that goes with a single order, or "".
func parseRefs(args []string, refund string) ([]tasks.Ref, error) {
	var refs []tasks.Ref
	if strings.Contains(args[0], "/") {
		for _, arg := range args {
			parts := strings.Split(arg, "/")
			a, err := parseAccount(parts[0])
			switch {
			case err != nil:
				return nil, err
			case len(parts) < 2 || len(parts) > 3 || slices.Contains(parts, ""):
				return nil, usagef("%q: write ACCOUNT/ORDER, or ACCOUNT/ORDER/REFUND for a refund", arg)
			}
			r := tasks.Ref{Account: a, OrderID: parts[1]}
			if len(parts) == 3 {
				r.RefundID = parts[2]
			}
			refs = append(refs, r)
		}
	} else {
		a, err := parseAccount(args[0])
		if err != nil {
			return nil, err
		}
		for _, id := range args[1:] {
			refs = append(refs, tasks.Ref{Account: a, OrderID: id})
		}
	}
	for _, id := range append(slices.Clone(args), refund) {
		if strings.ContainsFunc(id, unicode.IsControl) {
			return nil, usagef("%q has a character that no number has, such as the end of a line: write it again by hand", id)
		}
	}
	if refund == "" {
		return refs, nil
	}
	if len(refs) > 1 || refs[0].IsRefund() {
		return nil, usagef("--refund goes with one order")
	}
	refs[0].RefundID = refund
	return refs, nil
}

// ordersOnly refuses refunds where whole orders are wanted.
func ordersOnly(refs []tasks.Ref, err error) ([]tasks.Ref, error) {
	for _, r := range refs {
		if r.IsRefund() {
			return nil, usagef("%s is a refund; name its order, %s", r, r.Order())
		}
	}
	return refs, err
}

// complete names the merchants of accounts that leave them out.
func complete(ctx context.Context, c *tasks.Client, refs []tasks.Ref) error {
	for i, r := range refs {
		a, err := c.Account(ctx, r.Account)
		if err != nil {
			return concerning(r, err)
		}
		refs[i].Account = a
	}
	return nil
}

// onOne connects for a command about one order or refund, completes its account, and names it in errors.
func (a *app) onOne(ctx context.Context, refs []tasks.Ref, do func(*session, *tasks.Client, tasks.Ref) error) error {
	return a.read(ctx, func(s *session, c *tasks.Client) error {
		if err := complete(ctx, c, refs); err != nil {
			return err
		}
		return concerning(refs[0], do(s, c, refs[0]))
	})
}

// unannounced is an error of an account, which lists the known ones where this one is not.
func (s *session) unannounced(ctx context.Context, account tasks.Account, err error) error {
	if !errors.Is(err, budget.ErrNotAnnounced) {
		return err
	}
	unknown := &tasks.UnknownAccountError{Account: account}
	announced, err := budget.Announced(ctx, s.rdb)
	var all []tasks.Account
	for _, n := range announced {
		all = append(all, n.Account)
		if n.Account.Provider == account.Provider {
			unknown.Served = append(unknown.Served, n.Account)
		}
	}
	if len(unknown.Served) == 0 {
		unknown.Served = all
	}
	return cmp.Or(err, error(unknown))
}

// operator is who does something, from --by or the environment.
func (a *app) operator(by string) (string, error) {
	who := oneLine(cmp.Or(by, a.env["USER"], a.env["USERNAME"]))
	if who == "" {
		return "", usagef("--by is missing: say who you are (needed because USER is not set)")
	}
	return who, nil
}

// oneLine makes a person's text one line: histories are kept in lines.
func oneLine(s string) string { return strings.Join(strings.Fields(table.Clean(s)), " ") }

// maxReason is the longest reason, in characters.
const maxReason = 500

// given is an operator's reason; what says what the reason is for.
func given(reason, what string) (string, error) {
	reason = oneLine(reason)
	switch {
	case reason == "":
		return "", usagef("--reason is missing: %s", what)
	case len([]rune(reason)) > maxReason:
		return "", usagef("--reason is longer than %d characters", maxReason)
	}
	return reason, nil
}

// operatorFlags are --reason and --by.
type operatorFlags struct{ reason, by string }

func (f *operatorFlags) add(cmd *cobra.Command, what string) {
	cmd.Flags().StringVar(&f.reason, "reason", "", what)
	cmd.Flags().StringVar(&f.by, "by", "", "who you are (default $USER; needed where that is not set)")
	completeFlag(cmd, "reason")
	completeFlag(cmd, "by")
}

// operated is who does something, and why; what says what the reason is for.
func (a *app) operated(f operatorFlags, what string) (who, why string, err error) {
	if why, err = given(f.reason, what); err == nil {
		who, err = a.operator(f.by)
	}
	return who, why, err
}
