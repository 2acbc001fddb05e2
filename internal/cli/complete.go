package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"issuance/internal/budget"
	"issuance/internal/operate"
	"issuance/providers"
	"issuance/tasks"
	"issuance/tasks/order"
)

func providerNames() []string {
	var names []string
	for _, p := range providers.All() {
		names = append(names, string(p))
	}
	return names
}

// completeWithin bounds how long a shell waits for the accounts that workers have announced.
const completeWithin = time.Second

// accountNames are the providers, and the accounts that workers have announced, as far as Redis answers.
func (a *app) accountNames(ctx context.Context) []string {
	out := providerNames()
	ctx, cancel := context.WithTimeout(ctx, completeWithin)
	defer cancel()
	quiet := *a
	quiet.err = io.Discard
	_ = quiet.with(ctx, func(s *session) error {
		announced, err := budget.Announced(ctx, s.rdb)
		for _, n := range announced {
			out = append(out, n.Account.String())
		}
		return err
	})
	return out
}

// completeAccount completes the first argument; order numbers cannot be guessed.
func (a *app) completeAccount(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) == 0 {
		return a.accountNames(cmd.Context()), cobra.ShellCompDirectiveNoFileComp
	}
	return nil, cobra.ShellCompDirectiveNoFileComp
}

func (a *app) completeAccountAndLane(cmd *cobra.Command, args []string, text string) ([]string, cobra.ShellCompDirective) {
	if len(args) == 1 {
		return names(order.Lanes()), cobra.ShellCompDirectiveNoFileComp
	}
	return a.completeAccount(cmd, args, text)
}

// completeAccountFlag completes a flag that takes an account.
func (a *app) completeAccountFlag(cmd *cobra.Command, flag string) {
	err := cmd.RegisterFlagCompletionFunc(flag, func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		return a.accountNames(cmd.Context()), cobra.ShellCompDirectiveNoFileComp
	})
	if err != nil {
		panic(fmt.Sprintf("cli: %v", err)) // the flag does not exist
	}
}

func completeNothing(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveNoFileComp
}

func completeDocument(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	return completeFile(args, "json", "ndjson", "jsonl")
}

func completeBulk(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	return completeFile(args, "csv", "xlsx", "ndjson", "jsonl")
}

func completeFile(args []string, endings ...string) ([]string, cobra.ShellCompDirective) {
	if len(args) == 0 {
		return endings, cobra.ShellCompDirectiveFilterFileExt
	}
	return nil, cobra.ShellCompDirectiveNoFileComp
}

// completeFlag completes a flag from a fixed list.
func completeFlag(cmd *cobra.Command, flag string, values ...string) {
	err := cmd.RegisterFlagCompletionFunc(flag, func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return values, cobra.ShellCompDirectiveNoFileComp
	})
	if err != nil {
		panic(fmt.Sprintf("cli: %v", err)) // the flag does not exist
	}
}

// laneNames are the lanes that producers use.
func laneNames() []string { return names([]tasks.Lane{tasks.Checkout, tasks.Bulk}) }

// names spells a list of states or lanes.
func names[T ~string](list []T) []string {
	out := make([]string, len(list))
	for i, v := range list {
		out[i] = string(v)
	}
	return out
}

// endNames are the states a review can be resolved to.
func endNames() []string {
	all := append(names(operate.Ends(tasks.Ref{})), names(operate.Ends(tasks.Ref{RefundID: "x"}))...)
	slices.Sort(all)
	return slices.Compact(all)
}

// stateNames are all states of orders and refunds.
func stateNames() []string {
	all := names(order.OrderStates())
	for _, s := range names(order.RefundStates()) {
		if !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	return all
}
