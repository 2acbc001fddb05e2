package cli

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/mattn/go-runewidth"
	"github.com/spf13/cobra"

	"issuance/internal/cli/helptext"
)

// everyCommand is the root and all commands below it.
func everyCommand(cmd *cobra.Command) []*cobra.Command {
	all := []*cobra.Command{cmd}
	for _, c := range cmd.Commands() {
		all = append(all, everyCommand(c)...)
	}
	return all
}

// Help fits the terminal. What will be copied (commands, documents, pieces of a shell's start-up file) is longer.
func TestHelpFitsTheTerminal(t *testing.T) {
	for _, columns := range []string{"60", "80", "200"} {
		root := (&app{}).root()
		for _, cmd := range everyCommand(root) {
			path := append(strings.Fields(cmd.CommandPath())[1:], "--help")
			var out, errs bytes.Buffer
			if exit := Run(t.Context(), path, map[string]string{"COLUMNS": columns}, Streams{Out: &out, Err: &errs}); exit != Fine || errs.Len() > 0 {
				t.Fatalf("%v: exit code %d, %s", path, exit, errs.String())
			}
			width := map[string]int{"60": 60, "80": 80, "200": helptext.Widest}[columns]
			examples := strings.Split(cmd.Example, "\n")
			for line := range strings.Lines(out.String()) {
				line = strings.TrimRight(line, "\n")
				copied := strings.HasPrefix(line, "\t") || strings.HasPrefix(strings.TrimSpace(line), "{") || slices.ContainsFunc(examples, func(e string) bool { return strings.HasPrefix(e, line) })
				if n := runewidth.StringWidth(line); n > width && !copied {
					t.Errorf("%v at %s columns: a line of %d cells: %s", path, columns, n, line)
				}
			}
			if want := "Usage:\n  " + cmd.CommandPath(); !strings.Contains(out.String(), want) {
				t.Errorf("%v lacks %q", path, want)
			}
		}
	}
}
