package table

import (
	"strings"
	"unicode"
)

// piece is what a line is never broken within: a word, or one wide character with what clings to it.
type piece struct {
	text   string
	cells  int
	spaces int // before it
}

// pieces takes a text apart where a line may be broken: at spaces, and between Chinese characters.
func pieces(text string) (out []piece) {
	spaces := 0
	joined := false // the next character belongs to the last piece
	for _, r := range text {
		if r == ' ' {
			spaces, joined = spaces+1, false
			continue
		}
		wide := cells.RuneWidth(r) > 1
		clings := wide && (unicode.IsPunct(r) || unicode.IsSymbol(r)) && !unicode.Is(unicode.Ps, r) && spaces == 0 && len(out) > 0
		if clings || joined && !wide {
			last := &out[len(out)-1]
			last.text += string(r)
			last.cells += cells.RuneWidth(r)
		} else {
			out = append(out, piece{string(r), cells.RuneWidth(r), spaces})
		}
		spaces, joined = 0, !wide || unicode.Is(unicode.Ps, r)
	}
	return out
}

// Fold breaks a text into lines of at most width cells, at spaces and between Chinese characters. A longer word
// has a line of its own. Spaces at the beginning stay before every line.
func Fold(text string, width int) []string {
	if width <= 0 || cells.StringWidth(text) <= width {
		return []string{text}
	}
	indent := text[:len(text)-len(strings.TrimLeft(text, " "))]
	var lines []string
	line, used := indent, len(indent)
	for _, p := range pieces(text[len(indent):]) {
		space := p.spaces
		if used == len(indent) {
			space = 0
		}
		if used > len(indent) && used+space+p.cells > width {
			lines = append(lines, line)
			line, used, space = indent, len(indent), 0
		}
		line += strings.Repeat(" ", space) + p.text
		used += space + p.cells
	}
	return append(lines, line)
}

// Line puts cells into one line with gaps between them, or, where that is wider than width, below one another:
// no cell is broken that fits a line.
func Line(width int, cell ...string) string {
	for i, c := range cell {
		cell[i] = Clean(c)
	}
	whole := strings.TrimRight(strings.Join(cell, gap), " ")
	if width <= 0 || cells.StringWidth(whole) <= width {
		return whole
	}
	const hang = "    "
	var out []string
	line := ""
	for _, c := range cell {
		if c = strings.TrimSpace(c); c == "" {
			continue
		}
		switch {
		case line == "":
			line = c
		case cells.StringWidth(line+gap+c) <= width:
			line += gap + c
		default:
			out = append(out, line)
			line = hang + c
		}
	}
	out = append(out, line)
	var folded []string
	for _, l := range out {
		folded = append(folded, Fold(l, width)...)
	}
	return strings.Join(folded, "\n")
}
