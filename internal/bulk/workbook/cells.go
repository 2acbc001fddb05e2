package workbook

import (
	"archive/zip"
	"encoding/xml"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/xuri/excelize/v2"
)

// findings are cells that cannot be read truly, and the hidden rows that hold something.
type findings struct{ rounded, uncomputed, hidden, merged cellList }

// cellList keeps the first few of them.
type cellList struct {
	names []string
	n     int
}

const maxNamed = 10

func (l *cellList) add(name string) {
	if l.n++; len(l.names) < maxNamed {
		l.names = append(l.names, name)
	}
}

func (l *cellList) String() string {
	text := strings.Join(l.names, ", ")
	if more := l.n - len(l.names); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

func (f *findings) err() error {
	var rules []string
	broken := func(cells *cellList, rule string) {
		if cells.n > 0 {
			rules = append(rules, fmt.Sprintf(rule, cells))
		}
	}
	broken(&f.rounded, "Excel keeps 15 digits of a number and has rounded %s: format the column as Text, then fill it again from its source")
	broken(&f.uncomputed, "the formulas in %s were saved without what they come to: open the file in Excel and save it, or write the values")
	broken(&f.merged, "these cells are merged, and only the first row has what they hold: %s; unmerge them, and fill each row")
	if len(rules) == 0 {
		return nil
	}
	return &Error{rules}
}

// cell is one that is being read.
type cell struct {
	name, kind string
	row        int
	formula    bool
	value      strings.Builder
	inValue    bool // inside of v, or of an inline text's t
	computed   bool // there was one, though it may be empty
}

// reader goes through the cells of a sheet. Rows and cells that are out of order would be shifted.
type reader struct {
	*sheet
	part        *zip.File
	texts       int // how many shared ones there are
	row, column int
	hidden      bool // the row is, and not reported yet
	cell        *cell
}

// examine reads a sheet.
func (s *sheet) examine(f *zip.File, texts int) error {
	r := reader{sheet: s, part: f, texts: texts}
	return eachToken(f, r.token)
}

func (r *reader) token(t xml.Token) error {
	switch t := t.(type) {
	case xml.StartElement:
		return r.start(t)
	case xml.CharData:
		if r.cell != nil && r.cell.inValue {
			r.cell.value.Write(t)
		}
	case xml.EndElement:
		switch {
		case r.cell == nil:
		case t.Name.Local == "c":
			return r.end()
		case t.Name.Local == "v" || t.Name.Local == "t":
			r.cell.inValue = false
		}
	}
	return nil
}

func (r *reader) start(e xml.StartElement) error {
	switch name := e.Name.Local; {
	case name == "row":
		row := r.row + 1
		if text := attribute(e, "r"); text != "" {
			row, _ = strconv.Atoi(text) // 0 when it is no number
		}
		if row <= r.row || row > excelize.TotalRows {
			return damaged(r.part)
		}
		r.row, r.column, r.hidden = row, 0, isTrue(attribute(e, "hidden"))
	case name == "c":
		column, row := r.column+1, r.row
		if text := attribute(e, "r"); text != "" {
			var err error
			if column, row, err = excelize.CellNameToCoordinates(text); err != nil {
				return damaged(r.part)
			}
		}
		if column <= r.column || row != r.row {
			return damaged(r.part)
		}
		r.column = column
		r.cell = &cell{name: Cell(column, row), kind: attribute(e, "t"), row: row}
	case name == "mergeCell":
		r.merged(attribute(e, "ref"))
	case r.cell == nil:
	case name == "f":
		r.cell.formula = true
	case name == "v" || name == "t":
		r.cell.inValue, r.cell.computed = true, true
	}
	return nil
}

// end judges a cell.
func (r *reader) end() error {
	c := r.cell
	r.cell = nil
	value := c.value.String()
	switch {
	case value == "" && c.formula && !(c.kind == "str" && c.computed): // an empty text is a result, too
		r.found.uncomputed.add(c.name)
	case value == "":
		return nil
	case c.kind == "s":
		if n, err := strconv.Atoi(strings.TrimSpace(value)); err != nil || n < 0 || n >= r.texts {
			return damaged(r.part)
		}
	case c.kind == "" || c.kind == "n":
		if n, err := strconv.ParseFloat(value, 64); err != nil || math.Abs(n) >= 1e15 {
			r.found.rounded.add(c.name)
		}
	}
	r.last = c.row
	if r.hidden {
		r.found.hidden.add(strconv.Itoa(c.row))
		r.hidden = false
	}
	return nil
}

// merged notes merged cells that span several rows which hold something.
func (r *reader) merged(area string) {
	first, last, _ := strings.Cut(area, ":")
	_, top, errTop := excelize.CellNameToCoordinates(first)
	_, bottom, errBottom := excelize.CellNameToCoordinates(last)
	if errTop == nil && errBottom == nil && top < bottom && top <= r.last {
		r.found.merged.add(area)
	}
}

func isTrue(attribute string) bool { return attribute == "1" || attribute == "true" }

func attribute(e xml.StartElement, name string) string {
	for _, a := range e.Attr {
		if a.Name.Local == name && a.Name.Space == "" {
			return a.Value
		}
	}
	return ""
}
