package main

import (
	"io"
	"strings"

	"issuance/internal/cli/helptext"
	"issuance/internal/cli/table"
)

// folding is an output for people, as wide as its terminal: what does not fit goes on in the next line, further to the right. Each Write
// has whole lines.
type folding struct {
	io.Writer
	width int
}

func folded(env map[string]string, out io.Writer) io.Writer {
	return folding{out, helptext.Width(env, out)}
}

const hanging = "  "

// Write implements io.Writer.
func (f folding) Write(b []byte) (int, error) {
	if f.width <= 2*len(hanging) {
		return f.Writer.Write(b)
	}
	var out strings.Builder
	for line := range strings.Lines(string(b)) {
		text := strings.TrimSuffix(line, "\n")
		lines := table.Fold(text, f.width)
		if len(lines) > 1 {
			first := lines[0]
			rest := strings.TrimLeft(strings.TrimPrefix(text, first), " ")
			indent := first[:len(first)-len(strings.TrimLeft(first, " "))] + hanging
			lines = append([]string{first}, table.Fold(indent+rest, f.width)...)
		}
		out.WriteString(strings.Join(lines, "\n"))
		if text != line {
			out.WriteByte('\n')
		}
	}
	if _, err := io.WriteString(f.Writer, out.String()); err != nil {
		return 0, err
	}
	return len(b), nil
}
