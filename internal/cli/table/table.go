// Package table prints text in columns that line up on a terminal, where a Chinese character is
// two cells wide. It imports nothing of ours.
package table

import (
	"io"
	"slices"
	"strings"
	"unicode"

	"github.com/mattn/go-runewidth"
)

// gap stands between two columns.
const gap = "  "

// cells measures text. Characters of ambiguous width count as one cell whatever the locale, so
// that output is the same everywhere.
var cells = func() *runewidth.Condition {
	c := runewidth.NewCondition()
	c.EastAsianWidth = false
	return c
}()

// Table gathers rows. The zero value is ready.
type Table struct {
	// Indent stands before every row.
	Indent string
	// Right lists the columns (from 0) that are aligned to the right.
	Right []int
	// Head says that the first row is a heading.
	Head bool
	// Width is that of the terminal: longer rows continue below the last column. Default 0: rows are as
	// long as they are.
	Width int
	rows  [][]string
	whole map[int]bool // rows that are not continued
}

// WholeRow adds a row that stays in one line however long it is, because it will be copied.
func (t *Table) WholeRow(cell ...string) {
	if t.whole == nil {
		t.whole = map[int]bool{}
	}
	t.whole[len(t.rows)] = true
	t.Row(cell...)
}

// Row adds a row. Control characters, which could play tricks on a terminal, are left out.
func (t *Table) Row(cell ...string) {
	row := make([]string, len(cell))
	for i, c := range cell {
		row[i] = Clean(c)
	}
	t.rows = append(t.rows, row)
}

// Append adds to the last cell of the last row.
func (t *Table) Append(text string) {
	row := t.rows[len(t.rows)-1]
	row[len(row)-1] += Clean(text)
}

// DropEmpty takes out the columns that hold nothing below the first row, the heading.
func (t *Table) DropEmpty() {
	used := map[int]bool{}
	for _, row := range t.rows[min(1, len(t.rows)):] {
		for i, c := range row {
			used[i] = used[i] || c != ""
		}
	}
	for r, row := range t.rows {
		var kept []string
		for i, c := range row {
			if used[i] {
				kept = append(kept, c)
			}
		}
		t.rows[r] = kept
	}
}

// Clean leaves out of a text what is not printed in one line.
func Clean(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return ' '
		case unicode.IsControl(r) || unicode.Is(unicode.Cf, r):
			return -1
		}
		return r
	}, text)
}

// Len is the number of rows.
func (t *Table) Len() int { return len(t.rows) }

// WriteTo writes the rows, every column as wide as its widest cell. Lines end without spaces. Where the terminal is
// too narrow for that, a table with a heading is written as one block for each row, and other rows go on below
// themselves: with their last cell, or cell by cell where not even those before it fit.
func (t *Table) WriteTo(w io.Writer) (int64, error) {
	width, total := t.measure()
	text := ""
	switch {
	case t.Width == 0 || total <= t.Width:
		text = t.columns(width)
	case t.Head:
		text = t.blocks()
	case total-width[len(width)-1]-len(gap) > t.Width:
		text = t.lines()
	default:
		text = t.columns(width)
	}
	n, err := io.WriteString(w, text)
	return int64(n), err
}

// measure finds the width of each column, and of the longest row.
func (t *Table) measure() (width []int, total int) {
	for _, row := range t.rows {
		for i, c := range row {
			if i == len(width) {
				width = append(width, 0)
			}
			width[i] = max(width[i], cells.StringWidth(c))
		}
	}
	total = len(t.Indent) + len(gap)*max(0, len(width)-1)
	for _, n := range width {
		total += n
	}
	return width, total
}

// blocks writes each row as lines of heading and cell, and an empty line between rows.
func (t *Table) blocks() string {
	var out strings.Builder
	for n, row := range t.rows[1:] {
		block := Table{Indent: t.Indent, Width: t.Width}
		for i, c := range row {
			switch {
			case c == "":
			case t.whole[n+1]:
				block.WholeRow(t.rows[0][i], c)
			default:
				block.Row(t.rows[0][i], c)
			}
		}
		if n > 0 {
			out.WriteString("\n")
		}
		width, _ := block.measure()
		out.WriteString(block.columns(width))
	}
	return out.String()
}

// lines writes each row as Line does.
func (t *Table) lines() string {
	var out strings.Builder
	for n, row := range t.rows {
		width := max(t.Width-len(t.Indent), leastColumn)
		if t.whole[n] {
			width = 0
		}
		for l := range strings.SplitSeq(Line(width, slices.Clone(row)...), "\n") {
			out.WriteString(strings.TrimRight(t.Indent+l, " ") + "\n")
		}
	}
	return out.String()
}

func (t *Table) columns(width []int) string {
	right := map[int]bool{}
	for _, i := range t.Right {
		right[i] = true
	}
	var out strings.Builder
	for n, row := range t.rows {
		var line strings.Builder
		line.WriteString(t.Indent)
		for i, c := range row {
			pad := strings.Repeat(" ", width[i]-cells.StringWidth(c))
			if i > 0 {
				line.WriteString(gap)
			}
			switch last := i == len(row)-1; {
			case right[i]:
				line.WriteString(pad + c)
			case last && !t.whole[n]:
				line.WriteString(t.continued(c, cells.StringWidth(line.String())))
			default:
				line.WriteString(c + pad)
			}
		}
		for l := range strings.Lines(line.String()) {
			out.WriteString(strings.TrimRight(l, " \n") + "\n")
		}
		if line.Len() == 0 {
			out.WriteString("\n")
		}
	}
	return out.String()
}

// leastColumn is how narrow the last column may become, and hang how far a cell that finds no room beside its
// row stands in, below it.
const (
	leastColumn = 20
	hang        = 4
)

// continued breaks a text into lines that fit the terminal, each beginning at cell from, or below the row.
func (t *Table) continued(text string, from int) string {
	room := t.Width - from
	if t.Width == 0 || cells.StringWidth(text) <= room {
		return text
	}
	if room >= leastColumn {
		return strings.Join(Fold(text, room), "\n"+strings.Repeat(" ", from))
	}
	indent := len(t.Indent) + hang
	below := "\n" + strings.Repeat(" ", indent)
	return below + strings.Join(Fold(text, max(t.Width-indent, leastColumn)), below)
}
