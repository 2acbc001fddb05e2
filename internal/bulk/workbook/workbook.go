// Package workbook reads the rows of one sheet of an Excel workbook (.xlsx) as text, one row at a time.
//
// The library that reads the rows passes over what it cannot read, and an order that is passed over is an
// order that nobody issues. So Open reads the whole workbook once before the first row is given out: its
// checksums, its XML, the order of its rows and cells, and what a cell must hold to be read truly.
//
// A workbook is unpacked into a private folder of temporary files, because a sheet may be larger than the
// memory that a reader may take; Close removes it. The package imports nothing of ours, and its errors
// never show what a cell holds.
package workbook

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/xuri/excelize/v2"
)

// Limits of what is read.
const (
	// MaxPacked is how long a workbook may be, in bytes.
	MaxPacked = 256 << 20
	// MaxUnpacked is how long all its parts may be together, unpacked.
	MaxUnpacked = 1 << 30
	// MaxBesides is how long everything but sheets and shared texts may be, which the library keeps in memory.
	MaxBesides = 16 << 20
	// MaxText is the longest text between two tags. Excel writes at most 32,767 characters in a cell.
	MaxText = 256 << 10
)

// inMemory is how long a sheet may be that the library keeps in memory instead of in a file.
const inMemory = 256 << 10

// Error says why a workbook cannot be read as a table.
type Error struct{ Rules []string }

func (e *Error) Error() string { return strings.Join(e.Rules, "; ") }

func errorf(format string, args ...any) error { return &Error{[]string{fmt.Sprintf(format, args...)}} }

// SheetsError says that it is not clear which sheet is meant.
type SheetsError struct {
	// Wanted is the sheet that was asked for and is not there, or "".
	Wanted string
	// Names are the sheets to choose from.
	Names []string
}

func (e *SheetsError) Error() string {
	names := make([]string, len(e.Names))
	for i, n := range e.Names {
		names[i] = fmt.Sprintf("%q", n)
	}
	switch {
	case e.Wanted == "":
		return "several sheets hold something: " + strings.Join(names, ", ")
	case len(names) == 0:
		return fmt.Sprintf("there is no sheet %q", e.Wanted)
	}
	return fmt.Sprintf("there is no sheet %q; there are %s", e.Wanted, strings.Join(names, ", "))
}

// ErrNoRows says that no sheet holds anything.
var ErrNoRows = errors.New("the workbook is empty")

// Is reports whether a file that starts so may be a workbook.
func Is(start []byte) bool { return bytes.HasPrefix(start, []byte("PK\x03\x04")) }

// IsOld reports whether a file that starts so is an Excel file of another kind: .xls, or one with a password.
func IsOld(start []byte) bool {
	return bytes.HasPrefix(start, []byte("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"))
}

// Sheet is an opened sheet. It is not safe for concurrent use.
type Sheet struct {
	Name string
	// Last is the number of the last row that holds something, from 1.
	Last int
	// Size is how long the packed workbook is, in bytes.
	Size int64
	// Hidden names the first hidden rows that hold something, which count like any other; "" without one.
	Hidden string

	row    int
	folder string
	file   *excelize.File
	rows   *excelize.Rows
}

// Open reads a workbook to its end and opens the named sheet, or without a name the only one that holds
// something; hidden sheets count where no other holds anything. The error is an *Error, a *SheetsError,
// ErrNoRows, or r's own.
func Open(r io.Reader, name string) (*Sheet, error) {
	folder, err := os.MkdirTemp("", "issuance-workbook-") // for its owner alone
	if err != nil {
		return nil, err
	}
	s := &Sheet{folder: folder, Name: name}
	if err := s.open(r); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Sheet) open(r io.Reader) (err error) {
	defer unreadable(&err)
	path := filepath.Join(s.folder, "book.xlsx")
	if err := s.spool(r, path); err != nil {
		return err
	}
	packed, err := zip.OpenReader(path)
	if err != nil {
		return errorf("it begins like an Excel workbook (.xlsx) but cannot be unpacked; it is damaged or not whole")
	}
	sheets, err := examine(&packed.Reader)
	_ = packed.Close() // it was only read
	if err != nil {
		return err
	}
	chosen, err := choose(sheets, s.Name)
	if err != nil {
		return err
	}
	if err := chosen.found.err(); err != nil {
		return err
	}
	s.Name, s.Last, s.Hidden = chosen.name, chosen.last, chosen.found.hidden.String()
	s.file, err = excelize.OpenFile(path, excelize.Options{UnzipSizeLimit: MaxUnpacked, UnzipXMLSizeLimit: inMemory, TmpDir: s.folder})
	if err != nil {
		return errorf("it cannot be read as an Excel workbook; save it again as .xlsx")
	}
	if err := plainNumbers(s.file); err != nil {
		return errorf("its number formats cannot be read; save it again as .xlsx")
	}
	return s.Rewind()
}

// Rewind goes back to the first row.
func (s *Sheet) Rewind() error {
	if s.rows != nil {
		_ = s.rows.Close() // it was only read
	}
	var err error
	s.row = 0
	if s.rows, err = s.file.Rows(s.Name); err != nil {
		return errorf("its sheet %q cannot be read; save it again as .xlsx", s.Name)
	}
	return nil
}

// unreadable turns a panic of the library into an error: a workbook is what somebody else has written.
func unreadable(err *error) {
	if recover() != nil {
		*err = errorf("it cannot be read as an Excel workbook; save it again as .xlsx")
	}
}

// spool writes what comes into a file.
func (s *Sheet) spool(r io.Reader, path string) error {
	out, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	s.Size, err = io.Copy(out, io.LimitReader(r, MaxPacked+1))
	if err = errors.Join(err, out.Close()); err != nil {
		return err
	}
	if s.Size > MaxPacked {
		return errorf("it is longer than %d MiB; split it, or save it as \"CSV UTF-8\"", MaxPacked>>20)
	}
	return nil
}

// choose finds the sheet that is meant.
func choose(sheets []*sheet, wanted string) (*sheet, error) {
	if wanted != "" {
		i := slices.IndexFunc(sheets, func(s *sheet) bool { return strings.EqualFold(s.name, wanted) })
		switch {
		case i < 0:
			return nil, &SheetsError{wanted, namesOf(sheets)}
		case sheets[i].last == 0:
			return nil, errorf("its sheet %q is empty", sheets[i].name)
		}
		return sheets[i], nil
	}
	filled := slices.DeleteFunc(slices.Clone(sheets), func(s *sheet) bool { return s.last == 0 })
	if shown := slices.DeleteFunc(slices.Clone(filled), func(s *sheet) bool { return s.hidden }); len(shown) > 0 {
		filled = shown
	}
	switch len(filled) {
	case 0:
		return nil, ErrNoRows
	case 1:
		return filled[0], nil
	}
	return nil, &SheetsError{"", namesOf(filled)}
}

func namesOf(sheets []*sheet) []string {
	var names []string
	for _, s := range sheets {
		names = append(names, s.name)
	}
	return names
}

// Next returns the next row, its number from 1 and its cells up to the last that holds something; io.EOF
// behind the last one. Days are written 2026/03/01, numbers without exponent, formulas as what was last
// computed.
func (s *Sheet) Next() (row int, cells []string, err error) {
	defer unreadable(&err)
	for s.row < s.Last {
		if !s.rows.Next() {
			return 0, nil, errorf("its row %d cannot be read; save it again as .xlsx", s.row+1)
		}
		s.row++
		if cells, err = s.rows.Columns(); err != nil {
			return 0, nil, errorf("its row %d cannot be read; save it again as .xlsx", s.row)
		}
		for i := range cells {
			cells[i] = day(cells[i])
		}
		for len(cells) > 0 && strings.TrimSpace(cells[len(cells)-1]) == "" {
			cells = cells[:len(cells)-1]
		}
		if len(cells) > 0 {
			return s.row, cells, nil
		}
	}
	return 0, nil, io.EOF
}

// Row is the number of the row that was given out last.
func (s *Sheet) Row() int { return s.row }

// Close removes the temporary files.
func (s *Sheet) Close() error {
	var errs []error
	if s.rows != nil {
		errs = append(errs, s.rows.Close())
	}
	if s.file != nil {
		errs = append(errs, s.file.Close())
	}
	return errors.Join(append(errs, os.RemoveAll(s.folder))...)
}

// Cell is the name of a cell, such as C17; column counts from 1.
func Cell(column, row int) string {
	name, err := excelize.CoordinatesToCellName(column, row)
	if err != nil {
		return fmt.Sprintf("row %d, column %d", row, column)
	}
	return name
}
