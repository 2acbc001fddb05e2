package cli

import (
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"issuance/internal/cli/table"
)

// helpWidth is how wide help is at most.
const helpWidth = 100

// help prints a command's help, as wide as the terminal.
func (a *app) help(cmd *cobra.Command, _ []string) {
	text := cmd.Long
	if text == "" {
		text = cmd.Short
	}
	_ = a.print("%s\n\n%s", strings.Join(reflow(text, a.helpWidth()), "\n"), a.usage(cmd)) // nobody is left to report it to
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

// helpWidth is 0 where help goes to no terminal.
func (a *app) helpWidth() int { return min(a.width, helpWidth) }

// usage is how a command is called, its examples, its commands and its flags.
func (a *app) usage(cmd *cobra.Command) string {
	var b strings.Builder
	section := func(name, text string) {
		if text = strings.TrimRight(text, "\n"); text != "" {
			if b.Len() > 0 {
				b.WriteString("\n")
			}
			b.WriteString(name + "\n" + text + "\n")
		}
	}
	call := cmd.UseLine()
	if cmd.HasAvailableSubCommands() {
		call = cmd.CommandPath() + " COMMAND"
	}
	section("Usage:", strings.Join(table.Fold("  "+call, a.width), "\n"))
	section("Examples:", strings.Join(examples(cmd.Example, a.helpWidth()), "\n"))
	section("Commands:", a.commands(cmd))
	section("Flags:", flags(cmd.LocalFlags(), a.helpWidth()))
	section("Global flags:", flags(cmd.InheritedFlags(), a.helpWidth()))
	return b.String()
}

func (a *app) commands(cmd *cobra.Command) string {
	t := table.Table{Indent: "  ", Width: a.helpWidth()}
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			t.Row(c.Name(), c.Short)
		}
	}
	var b strings.Builder
	_, _ = t.WriteTo(&b)
	return b.String()
}

// flags describes flags, each beside its text, or above it where the terminal is narrow.
func flags(set *pflag.FlagSet, width int) string {
	t := table.Table{Indent: "  ", Width: width}
	var below []string
	set.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		name, text := flagTexts(f)
		t.Row(name, text)
		below = append(append(below, "  "+name), table.Fold("      "+text, width)...)
	})
	if width > 0 && width < helpWidth {
		return strings.Join(below, "\n")
	}
	var b strings.Builder
	_, _ = t.WriteTo(&b)
	return b.String()
}

// flagTexts are how a flag is written and what it means.
func flagTexts(f *pflag.Flag) (name, text string) {
	kind, text := pflag.UnquoteUsage(f)
	name = strings.TrimSpace("--" + f.Name + " " + kind)
	if f.Shorthand != "" {
		name = "-" + f.Shorthand + ", " + name
	}
	switch f.DefValue {
	case "", "false", "0", "0s", "[]":
	default:
		text += " (default " + f.DefValue + ")"
	}
	return name, text
}

// reflow breaks a text's paragraphs anew; 0 leaves it as it is. A line that stands in is a row of name and text,
// which deeper lines go on with; documents are kept whole, to be copied.
func reflow(text string, width int) (out []string) {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if width <= 0 {
		return lines
	}
	paragraph := ""
	rows := table.Table{Indent: "  ", Width: width}
	flush := func() {
		if paragraph != "" {
			out = append(out, table.Fold(paragraph, width)...)
		}
		if rows.Len() > 0 {
			var b strings.Builder
			_, _ = rows.WriteTo(&b)
			out = append(out, strings.Split(strings.TrimRight(b.String(), "\n"), "\n")...)
		}
		paragraph, rows = "", table.Table{Indent: "  ", Width: width}
	}
	for _, line := range lines {
		words := strings.TrimSpace(line)
		stands := len(line) - len(strings.TrimLeft(line, " "))
		name, rest, row := strings.Cut(words, "  ")
		switch {
		case words == "" || strings.HasPrefix(line, "\t") || strings.Contains(line, "{"):
			flush()
			out = append(out, line)
		case stands > 2 && rows.Len() > 0:
			rows.Append(" " + words)
		case stands > 0 && row:
			if rows.Len() == 0 {
				flush()
			}
			rows.Row(name, strings.TrimSpace(rest))
		case stands > 0:
			flush()
			out = append(out, table.Fold(line, width)...)
		case rows.Len() > 0 || paragraph == "":
			flush()
			paragraph = line
		default:
			paragraph += " " + line
		}
	}
	flush()
	return out
}

// examples puts the remark behind an example above it where the line would be too long. Commands stay whole, to be
// copied.
func examples(text string, width int) (out []string) {
	if text == "" {
		return nil
	}
	for _, line := range strings.Split(text, "\n") {
		command, remark, found := strings.Cut(line, "  #")
		if width > 0 && len([]rune(line)) > width && found {
			out = append(out, table.Fold("  #"+remark, width)...)
			line = strings.TrimRight(command, " ")
		}
		out = append(out, line)
	}
	return out
}
