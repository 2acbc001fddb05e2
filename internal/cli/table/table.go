// Package table prints text in columns that line up on a terminal, where a Chinese character is
// two cells wide. It imports nothing of ours.
package table

import (
	"io"
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

// WriteTo writes the rows, every column as wide as its widest cell. Lines end without spaces.
func (t *Table) WriteTo(w io.Writer) (int64, error) {
	var width []int
	for _, row := range t.rows {
		for i, c := range row {
			if i == len(width) {
				width = append(width, 0)
			}
			width[i] = max(width[i], cells.StringWidth(c))
		}
	}
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
		out.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	n, err := io.WriteString(w, out.String())
	return int64(n), err
}

// leastColumn is how narrow the last column may become.
const leastColumn = 20

// continued breaks a text at spaces into lines that fit the terminal, each beginning at cell from.
func (t *Table) continued(text string, from int) string {
	room := t.Width - from
	if t.Width == 0 || cells.StringWidth(text) <= room || room < leastColumn { // then the terminal breaks it
		return text
	}
	var out strings.Builder
	used := 0
	for i, word := range strings.Split(text, " ") {
		n := cells.StringWidth(word)
		switch {
		case i == 0:
		case used+1+n > room:
			out.WriteString("\n" + strings.Repeat(" ", from))
			used = 0
		case used > 0 || n > 0: // a line begins without spaces
			out.WriteString(" ")
			used++
		}
		out.WriteString(word)
		used += n
	}
	return out.String()
}
