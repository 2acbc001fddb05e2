package bulk

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// notePrefix starts every note in CSV. A row of the wrong length has its note behind its cells,
// wherever that is, so only its text distinguishes a note from an order's data.
const notePrefix = "rejected: "

func isNote(cell []byte) bool {
	return bytes.HasPrefix(bytes.TrimLeft(cell, " "), []byte(notePrefix))
}

func emptyCell(cell []byte) bool { return len(bytes.Trim(cell, " ")) == 0 }

// unnoted is a row without the notes behind it, nor the empty cells among them: spreadsheets fill
// short rows up. A note in its own column stays.
func (t *table) unnoted(row [][]byte) (rest [][]byte, noted bool) {
	end := len(row)
	for i := len(row) - 1; i >= 0; i-- {
		own := i == t.note && len(row) == len(t.columns)
		if isNote(row[i]) && !own {
			end = i
		} else if !isNote(row[i]) && !emptyCell(row[i]) {
			break
		}
	}
	return row[:end], end < len(row)
}

// fitted is a row as long as the header, or what is wrong with its length. noted says that a note
// stood behind it. Who takes a note away may take its cell with it. Anything else in the column of
// notes is refused: a row with one cell too many would pass for a right one, its cells shifted.
func (t *table) fitted(row [][]byte, noted bool) ([][]byte, []Problem) {
	wanted, found, besides := len(t.columns), len(row), ""
	nothing := t.note >= 0 && found > t.note && (emptyCell(row[t.note]) || isNote(row[t.note])) // that counts as data
	if t.note == wanted-1 {
		if found == wanted && nothing && !noted {
			return row, nil
		}
		if wanted--; found == wanted {
			return append(row, nil), nil
		}
		besides = " besides " + Note
	}
	switch {
	case found != wanted || besides != "":
		return nil, []Problem{{Rule: fmt.Sprintf("must have as many cells as the header, which has %d%s", wanted, besides), Shape: strconv.Itoa(found)}}
	case t.note >= 0 && !nothing:
		return nil, []Problem{{Where: Note, Rule: "must be empty, or a note as --rejects writes it", Column: t.note + 1}}
	}
	return row, nil
}

// Noted implements Format. The row stays as it came, but for older notes.
func (t *table) Noted(raw []byte, notes []string) []byte {
	note := []byte(notePrefix + strings.Join(notes, "; "))
	row, err := cells(raw, nil)
	if err != nil {
		return append(quoted(append(bytes.Clone(withoutNote(raw)), ','), note), t.lineEnd...)
	}
	row, noted := t.unnoted(row)
	own := !noted && t.note >= 0 && len(row) == len(t.columns) && (emptyCell(row[t.note]) || isNote(row[t.note]))
	if own {
		row[t.note] = note
	} else {
		row = append(row, note)
	}
	return t.joined(row)
}

// Formula reports whether a spreadsheet that opens a file of rejects would take a cell of this record for
// a formula.
func (f *File) Formula(raw []byte) bool {
	if _, ok := f.Format.(*table); !ok {
		return false
	}
	row, _ := cells(raw, nil) // what cannot be split has no cells to a spreadsheet either
	return slices.ContainsFunc(row, func(cell []byte) bool {
		cell = bytes.TrimLeft(cell, " \t\r\n")
		return len(cell) > 1 && strings.IndexByte("=+-@", cell[0]) >= 0 && !signedNumber.Match(cell)
	})
}

// signedNumber stays one in a spreadsheet.
var signedNumber = regexp.MustCompile(`^[+-]\d+([.,]\d+)*$`)

// withoutNote is a record that cannot be split, as it was before it got a note.
func withoutNote(raw []byte) []byte {
	for _, start := range []string{`,"` + notePrefix, "," + notePrefix} {
		raw, _, _ = bytes.Cut(raw, []byte(start))
	}
	return raw
}

// joined writes a row, with its line's end.
func (t *table) joined(row [][]byte) []byte {
	var out []byte
	for i, cell := range row {
		if i > 0 {
			out = append(out, ',')
		}
		out = quoted(out, cell)
	}
	return append(out, t.lineEnd...)
}

// rejectsHeader is the header with a column of notes.
func (t *table) rejectsHeader(titles [][]byte) []byte {
	if t.note < 0 {
		titles = append(slices.Clone(titles), []byte(Note))
	}
	return t.joined(titles)
}
