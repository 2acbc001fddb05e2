package bulk

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"issuance/internal/bulk/workbook"
	"issuance/tasks"
)

// File is an opened file of orders.
type File struct {
	Format
	// Sheet is the name of the sheet that is read; "" when the file is no workbook.
	Sheet string
	// Hidden names the sheet's hidden rows, which count like any other; "" without one.
	Hidden string

	source source
	bom    bool // the table begins with a byte order mark
}

// source gives the records of a file.
type source interface {
	// next returns the next record, or io.EOF, or what keeps the file from being read.
	next() (record, error)
	// atHand reports whether the next record, or the end, is there or comes until then.
	atHand(until time.Time) bool
	// place is how many bytes of the file were given out.
	place() int64
	// again prepares for coming back to this place, and reports whether that is possible and how long
	// the rest is, about, in bytes.
	again() (size int64, ok bool)
	rewind() error
	close() error
}

// Close removes what was kept of the file; it does not close the reader that the file was opened with.
func (f *File) Close() error { return f.source.close() }

// Header implements Format. Without the mark that the file came with, a spreadsheet would read the
// rejects in another encoding, and save them in it.
func (f *File) Header() []byte {
	if f.bom {
		return slices.Concat([]byte(bom), f.Format.Header())
	}
	return f.Format.Header()
}

// Reject is Noted with what is wrong in English.
func (f *File) Reject(raw []byte, problems []Problem) []byte {
	notes := make([]string, len(problems))
	for i, p := range problems {
		notes[i] = p.String()
	}
	return f.Noted(raw, notes)
}

// Reading says how a file is read.
type Reading struct {
	// Account is whose requests they are: in NDJSON it wraps bare ones, in CSV it names the merchant of rows
	// that name none. Zero: every document names its provider.
	Account tasks.Account
	// Sheet names the sheet of a workbook. Default: the only one that holds something.
	Sheet string
	// Explain says what an NDJSON document lacks that looks like a bare request, or like a wrapped
	// one where a bare one is wanted; nil when it is neither. Default: nothing is explained.
	Explain func(json.RawMessage) error
}

// ErrEmpty says that there is no order at all.
var ErrEmpty = errors.New("the file is empty; it must hold a CSV header and a line for each order, or an order document (JSON) on each line")

// errHeaderOnly is the ErrEmpty of a table.
var errHeaderOnly error = headerOnly{}

type headerOnly struct{}

func (headerOnly) Error() string        { return "there are no lines below the header" }
func (headerOnly) Is(target error) bool { return target == ErrEmpty }

// FileError says that a file cannot be read as one of orders.
type FileError struct{ Problems []Problem }

func (e *FileError) Error() string {
	texts := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		texts[i] = p.String()
	}
	return strings.Join(texts, "; ")
}

// Open finds out whether r holds CSV, an Excel workbook or NDJSON, whatever its name is. The error is
// ErrEmpty, a *FileError, a *workbook.SheetsError, or r's own. The file must be closed.
func Open(r io.Reader, opt Reading) (*File, error) {
	s := newSplitter(r, true)
	for len(s.rest()) < startSize && s.end == nil && !startsText(s.rest()) {
		s.fill()
	}
	if start := s.rest(); workbook.Is(start) {
		return openWorkbook(s, opt)
	} else if err := unreadable(start); err != nil {
		return nil, err
	}
	if opt.Sheet != "" {
		return nil, &FileError{wrong("it is no Excel workbook and has no sheets")}
	}
	marked := bytes.HasPrefix(s.rest(), []byte(bom))
	if marked {
		s.take(len(bom))
	}
	first, err := s.firstByte()
	switch {
	case errors.Is(err, io.EOF):
		return nil, ErrEmpty
	case err != nil:
		return nil, err
	case first == '<':
		return nil, &FileError{wrong(webPage)}
	case first == '[':
		return nil, &FileError{wrong("it is a JSON array; write one document a line, for example with: jq -c '.[]'")}
	case first == '{':
		s.quotes = false
		if err := s.onOneLine(); err != nil {
			return nil, err
		}
		return &File{Format: &lines{opt.Account, opt.Explain}, source: s}, nil
	}
	t, err := s.header()
	if err != nil {
		return nil, err
	}
	if err := t.belongTo(opt.Account); err != nil {
		return nil, err
	}
	return &File{Format: t, source: s, bom: marked}, nil
}

// startsText reports whether the beginning of a file shows that it is text, so that its kind is known without more of it.
func startsText(start []byte) bool {
	return len(start) >= len("PK\x03\x04") && (strings.IndexByte("<{[", start[0]) >= 0 || bytes.IndexByte(start, '\n') >= 0)
}

// belongTo sets whose rows they are that name no merchant.
func (t *table) belongTo(a tasks.Account) error {
	t.merchant = a.Merchant
	if !a.IsZero() && a.Provider != t.provider {
		return &FileError{[]Problem{{Where: "header", Rule: fmt.Sprintf("its columns are %s's, not %s's", t.provider, a.Provider)}}}
	}
	return nil
}

const bom = "\xef\xbb\xbf" // some programs' byte order mark

// header reads the titles of a table.
func (s *splitter) header() (*table, error) {
	rec, err := s.next()
	if err != nil {
		return nil, err
	}
	sep, declared := declaredSeparator(rec.raw)
	if declared {
		if rec, err = s.next(); errors.Is(err, io.EOF) {
			return nil, ErrEmpty
		} else if err != nil {
			return nil, err
		}
	} else {
		sep = separatorOf(rec.raw)
	}
	switch {
	case bytes.IndexByte(rec.raw, 0) >= 0:
		return nil, &FileError{wrong(fmt.Sprintf(workbook.NoTable, binary))}
	case bytes.IndexByte(bytes.ReplaceAll(rec.raw, []byte("\r\n"), nil), '\r') >= 0:
		return nil, &FileError{wrong(bareCR)}
	case otherEncoding(s.rest()):
		return nil, &FileError{wrong(otherText)}
	}
	raw := bytes.Clone(withCommas(rec.raw, sep))
	s.sep = sep
	lineEnd := "\n"
	if s.from > 1 && s.buf[s.from-2] == '\r' {
		lineEnd = "\r\n"
	}
	t, problems := newTable(raw, lineEnd)
	if len(problems) == 0 {
		return t, nil
	}
	if s.documentsFollow() {
		return nil, &FileError{[]Problem{{Where: fmt.Sprintf("line %d", rec.line), Rule: "must be an order document (JSON), as the lines behind it are, or be taken out"}}}
	}
	if problems[0].Rule == noTitles {
		s.sep = ',' // of the line above, which has no titles
		if line := titlesBelow(s.next); line > 0 {
			return nil, &FileError{above("line", line)}
		}
	}
	for i, p := range problems {
		if p.Rule != noTitles {
			problems[i].Where = strings.TrimSuffix(fmt.Sprintf("header (line %d), %s", rec.line, p.Where), ", ")
		}
	}
	return nil, &FileError{problems}
}

// documentsFollow reports whether the next line is a document, so that the file is none of a table.
func (s *splitter) documentsFollow() bool {
	if first, err := s.firstByte(); err != nil || first != '{' {
		return false
	}
	s.quotes = false
	rec, err := s.next()
	return err == nil && json.Valid(rec.raw)
}

// firstByte moves behind leading blank lines and returns what comes then.
func (s *splitter) firstByte() (byte, error) {
	for {
		for len(s.rest()) > 0 {
			switch c := s.rest()[0]; c {
			case '\n':
				s.line++
				s.take(1)
			case ' ', '\t', '\r':
				s.take(1)
			default:
				return c, nil
			}
		}
		if s.end != nil {
			return 0, s.end
		}
		s.fill()
	}
}

// onOneLine refuses documents that spread over lines, of which every line would be wrong, and lines
// that all look like one.
func (s *splitter) onOneLine() error {
	for bytes.IndexByte(s.rest(), '\n') < 0 && len(s.rest()) <= MaxRecord && s.end == nil {
		s.fill()
	}
	n, _ := s.firstLine()
	if bytes.IndexByte(bytes.TrimRight(s.rest()[:n], "\r\n"), '\r') >= 0 {
		return &FileError{wrong(bareCR)}
	}
	if bytes.Equal(bytes.TrimSpace(s.rest()[:n]), []byte("{")) {
		return &FileError{wrong("its documents spread over lines; write one document a line, for example with: jq -c .")}
	}
	return nil
}

// IDs calls each for every line that is not blank, with the order it is about; ok is false when
// that is not known. It returns r's error or each's.
func (f *File) IDs(each func(line int, id ID, ok bool) error) error {
	return f.records(func(rec record) error {
		id, ok := f.ID(rec.raw)
		return each(rec.line, id, ok && !rec.long)
	})
}

// records calls each for every line that is not blank.
func (f *File) records(each func(record) error) error {
	for {
		rec, err := f.source.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if blankLine(rec.raw) {
			continue
		}
		if err := each(rec); err != nil {
			return err
		}
	}
}

// blankLine reports whether a line holds only separators.
func blankLine(raw []byte) bool { return len(bytes.Trim(raw, " \t\r,")) == 0 }
