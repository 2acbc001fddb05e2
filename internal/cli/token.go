package cli

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"issuance/internal/frontdoor"
	"issuance/tasks"
)

func (a *app) tokenCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Make tokens for callers of the HTTP API",
		Args:  takes(0, 0, "a command, such as new"),
		RunE:  func(*cobra.Command, []string) error { return usagef("which command? new") },
	}
	var scopes, accounts []string
	fresh := &cobra.Command{
		Use:   "new NAME",
		Short: "Make a token and print its entry of GATEWAY_TOKENS_FILE",
		Long: `Make a token and print it once, with the entry of GATEWAY_TOKENS_FILE that lets it in. The file
holds only the token's SHA-256; nothing can bring the token back.

Scopes: orders (enqueue, cancel, ask for and search orders), refunds, tickets (see ticket numbers,
redemption codes, links and passcodes), events (read final statuses), operate (what operators do).`,
		Example: `  enqueue token new checkout --scope orders,refunds
  enqueue token new box-office --scope orders,tickets --account ecticket:2000132`,
		Args:              takes(1, 1, "NAME, which the log shows for the caller"),
		ValidArgsFunction: completeNothing,
		RunE: func(_ *cobra.Command, args []string) error {
			return a.newToken(args[0], scopes, accounts)
		},
	}
	fresh.Flags().StringSliceVar(&scopes, "scope", []string{"orders"}, "what it may do: one or more `SCOPES`, comma-separated")
	fresh.Flags().StringSliceVar(&accounts, "account", nil, "only for these `ACCOUNTS`, comma-separated (default: all)")
	completeFlag(fresh, "scope", names(frontdoor.Scopes())...)
	completeFlag(fresh, "account", providerNames()...)
	cmd.AddCommand(fresh)
	return cmd
}

var callerName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// tokenLine is a new token with --json.
type tokenLine struct {
	Name     string   `json:"name"`
	Token    string   `json:"token"`
	SHA256   string   `json:"sha256"`
	Scopes   []string `json:"scopes"`
	Accounts []string `json:"accounts,omitempty"`
}

func (a *app) newToken(name string, scopes, accounts []string) error {
	if !callerName.MatchString(name) {
		return usagef("NAME must have 1 to 64 letters, digits, '.', '_' or '-'")
	}
	for _, s := range scopes {
		if !slices.Contains(frontdoor.Scopes(), frontdoor.Scope(s)) {
			return usagef("--scope: unknown scope %q; there are %s", s, strings.Join(names(frontdoor.Scopes()), ", "))
		}
	}
	for _, text := range accounts {
		if _, err := tasks.ParseAccount(text); err != nil {
			return usagef("--account: %w", err)
		}
	}
	secret, sum := frontdoor.NewToken()
	if a.json {
		return a.printJSON(tokenLine{name, secret, sum, scopes, accounts})
	}
	entry := fmt.Sprintf("  - name: %s\n    sha256: %s\n    scopes: [%s]\n", name, sum, strings.Join(scopes, ", "))
	if len(accounts) > 0 {
		quoted := make([]string, len(accounts))
		for i, text := range accounts {
			quoted[i] = strconv.Quote(text)
		}
		entry += fmt.Sprintf("    accounts: [%s]\n", strings.Join(quoted, ", "))
	}
	a.report("the token of %s is on the next line; it is shown only once", name)
	if err := a.print("%s\n", secret); err != nil {
		return err
	}
	a.report("its entry of GATEWAY_TOKENS_FILE, below the line \"tokens:\":")
	fmt.Fprint(a.err, entry)
	return nil
}
