package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"issuance/providers"
	"issuance/tasks"
)

func providerNames() []string {
	var names []string
	for _, p := range providers.All() {
		names = append(names, string(p))
	}
	return names
}

// parseProvider reads a provider's name from the command line.
func parseProvider(s string) (providers.Name, error) {
	if p := providers.Name(s); p.Known() {
		return p, nil
	}
	return "", usagef("unknown provider %q; there are %s", s, strings.Join(providerNames(), " and "))
}

// completeProvider completes the first argument; order numbers cannot be guessed.
func completeProvider(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) == 0 {
		return providerNames(), cobra.ShellCompDirectiveNoFileComp
	}
	return nil, cobra.ShellCompDirectiveNoFileComp
}

func completeNothing(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveNoFileComp
}

func completeDocument(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) == 0 {
		return []string{"json", "ndjson", "jsonl"}, cobra.ShellCompDirectiveFilterFileExt
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

func laneNames() []string { return []string{string(tasks.Checkout), string(tasks.Bulk)} }

// endNames are the states a review can be resolved to.
func endNames() []string {
	all := names(orderEnds)
	for _, name := range names(refundEnds) {
		if !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	return all
}
