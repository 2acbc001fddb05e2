package bulk

import (
	"bytes"
	"errors"
	"io"
	"time"

	"issuance/internal/bulk/workbook"
)

// sheetRows gives the rows of a workbook's sheet as CSV records. Their lines are Excel's row numbers.
type sheetRows struct {
	sheet *workbook.Sheet
	width int // of the header; shorter rows are filled up
}

// openWorkbook reads a workbook, of which s has read the beginning.
func openWorkbook(s *splitter, opt Reading) (*File, error) {
	rest := s.r
	if s.end != nil {
		rest = ended{s.end}
	}
	sheet, err := workbook.Open(io.MultiReader(bytes.NewReader(s.rest()), rest), opt.Sheet)
	switch {
	case errors.Is(err, workbook.ErrNoRows):
		return nil, ErrEmpty
	case err != nil:
		return nil, unreadBook(err)
	}
	rows := &sheetRows{sheet: sheet}
	t, err := rows.header()
	if err == nil {
		err = t.belongTo(opt.Account)
	}
	if err != nil {
		return nil, errors.Join(err, sheet.Close())
	}
	return &File{Format: t, Sheet: sheet.Name, Hidden: sheet.Hidden, source: rows, bom: true}, nil
}

// unreadBook is an error of a workbook with each of its rules as a problem.
func unreadBook(err error) error {
	bad := new(workbook.Error)
	if !errors.As(err, &bad) {
		return err
	}
	var problems []Problem
	for _, rule := range bad.Rules {
		problems = append(problems, wrong(rule)...)
	}
	return &FileError{problems}
}

// ended is a reader that has ended so.
type ended struct{ err error }

func (e ended) Read([]byte) (int, error) { return 0, e.err }

// header reads the titles of the sheet.
func (s *sheetRows) header() (*table, error) {
	rec, err := s.next()
	if err != nil {
		return nil, err
	}
	t, problems := newTable(rec.raw, "\r\n")
	for i, p := range problems {
		if p.Column > 0 {
			problems[i].Where = "header, " + workbook.Cell(p.Column, rec.line)
		}
	}
	if len(problems) > 0 && problems[0].Rule == noTitles {
		if line := titlesBelow(s.next); line > 0 {
			problems = above("row", line)
		}
	}
	if len(problems) > 0 {
		return nil, &FileError{problems}
	}
	s.width = len(t.columns)
	return t, nil
}

func (s *sheetRows) next() (record, error) {
	row, cells, err := s.sheet.Next()
	if err != nil {
		return record{}, unreadBook(err)
	}
	if s.width > 0 && len(cells) > s.width {
		return record{}, untitledCell(workbook.Cell(len(cells), row))
	}
	var raw []byte
	for i := range max(len(cells), s.width) {
		if i > 0 {
			raw = append(raw, ',')
		}
		if i < len(cells) {
			raw = quoted(raw, []byte(cells[i]))
		}
	}
	return record{line: row, raw: raw[:min(len(raw), MaxRecord)], long: len(raw) > MaxRecord}, nil
}

// untitledCell says that a cell's column has no title, so that nobody knows what it means.
func untitledCell(cell string) error {
	return &FileError{[]Problem{{Where: "header", Rule: "has no title for the column of " + cell + ", which holds something"}}}
}

// atHand: all of it is there.
func (s *sheetRows) atHand(time.Time) bool { return true }

func (s *sheetRows) place() int64 {
	return s.sheet.Size * int64(s.sheet.Row()) / int64(max(1, s.sheet.Last))
}

func (s *sheetRows) close() error { return s.sheet.Close() }
