package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"issuance/internal/cli/helptext"
)

// help prints a command's help, as wide as the terminal.
func (a *app) help(cmd *cobra.Command, _ []string) {
	_ = a.print("%s", helptext.Of(cmd, a.width)) // nobody is left to report it to
}

// helpCommand is --help as a command of its own.
func helpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Describe a command",
		RunE: func(cmd *cobra.Command, args []string) error {
			about, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return usagef("unknown command %q; there are %s", strings.Join(args, " "), commandNames(cmd.Root()))
			}
			return about.Help()
		},
	}
}
