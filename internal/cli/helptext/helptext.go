// Package helptext writes the help of a program's commands as wide as the terminal. It imports package table.
package helptext

import (
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"issuance/internal/cli/table"
)

// Widest is how wide help is at most.
const Widest = 100

// Width is that of an output in cells: COLUMNS, or else the terminal's; 0 where no line has to be broken.
func Width(env map[string]string, out io.Writer) int {
	if n, err := strconv.Atoi(env["COLUMNS"]); err == nil && n > 0 {
		return n
	}
	if f, ok := out.(*os.File); ok && isatty.IsTerminal(f.Fd()) {
		if n, _, err := term.GetSize(int(f.Fd())); err == nil {
			return n
		}
	}
	return 0
}

// Of describes a command: what it is for, and how it is called.
func Of(cmd *cobra.Command, width int) string {
	text := cmd.Long
	if text == "" {
		text = cmd.Short
	}
	return strings.Join(reflow(text, min(width, Widest)), "\n") + "\n\n" + Usage(cmd, width)
}

// Usage is how a command is called, its examples, its commands and its flags.
func Usage(cmd *cobra.Command, width int) string {
	var b strings.Builder
	section := func(name, text string) {
		if text = strings.TrimRight(text, "\n"); text != "" {
			if b.Len() > 0 {
				b.WriteString("\n")
			}
			b.WriteString(name + "\n" + text + "\n")
		}
	}
	narrow := min(width, Widest)
	section("Usage:", strings.Join(calls(cmd, width), "\n"))
	section("Examples:", strings.Join(examples(cmd.Example, narrow), "\n"))
	section("Commands:", commands(cmd, narrow))
	section("Flags:", flags(cmd.LocalFlags(), narrow))
	section("Global flags:", flags(cmd.InheritedFlags(), narrow))
	return b.String()
}

// calls are the ways a command is called: as it is, and with a command of its own.
func calls(cmd *cobra.Command, width int) (list []string) {
	if !cmd.HasAvailableSubCommands() || cmd.Annotations[Alone] != "" {
		list = table.Fold("  "+cmd.UseLine(), width)
	}
	if cmd.HasAvailableSubCommands() {
		list = append(list, table.Fold("  "+cmd.CommandPath()+" COMMAND", width)...)
	}
	return list
}

// Alone is the annotation of a command that has commands of its own and does something without them, too.
const Alone = "alone"

func commands(cmd *cobra.Command, width int) string {
	t := table.Table{Indent: "  ", Width: width}
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
	if width > 0 && width < Widest {
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
		case words == "" || strings.HasPrefix(line, "\t") || strings.HasPrefix(words, "{"):
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
			if line = strings.TrimRight(command, " "); line == "" {
				continue
			}
		}
		out = append(out, line)
	}
	return out
}
