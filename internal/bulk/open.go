package bulk

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"issuance/tasks"
)

// File is an opened file of orders.
type File struct {
	Format
	split *splitter
	bom   bool // the table begins with a byte order mark
}

// Header implements Format. Without the mark that the file came with, a spreadsheet would read the
// rejects in another encoding, and save them in it.
func (f *File) Header() []byte {
	if f.bom {
		return slices.Concat([]byte(bom), f.Format.Header())
	}
	return f.Format.Header()
}

// Reading says how a file is read.
type Reading struct {
	// Account is whose requests they are: in NDJSON it wraps bare ones, in CSV it names the merchant of rows
	// that name none. Zero: every document names its provider.
	Account tasks.Account
	// Explain says what an NDJSON document lacks that looks like a bare request, or like a wrapped
	// one where a bare one is wanted; nil when it is neither. Default: nothing is explained.
	Explain func(json.RawMessage) error
}

// ErrEmpty says that there is no order at all.
var ErrEmpty = errors.New("the file is empty; it must hold a CSV header and a line for each order, or an order document (JSON) on each line")

// FileError says that a file cannot be read as one of orders.
type FileError struct{ Problems []Problem }

func (e *FileError) Error() string {
	texts := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		texts[i] = p.String()
	}
	return strings.Join(texts, "; ")
}

// Open finds out whether r holds CSV or NDJSON. The error is ErrEmpty, a *FileError, or r's own.
func Open(r io.Reader, opt Reading) (*File, error) {
	s := newSplitter(r, true)
	for len(s.rest()) < len(bom) && s.end == nil {
		s.fill()
	}
	if start := s.rest(); len(start) > 1 && (bytes.HasPrefix(start, []byte("\xff\xfe")) || bytes.HasPrefix(start, []byte("\xfe\xff")) || bytes.IndexByte(start[:2], 0) >= 0) {
		return nil, &FileError{[]Problem{{"", utf16Text}}}
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
	case first == '[':
		return nil, &FileError{[]Problem{{"", "it is a JSON array; write one document a line, for example with: jq -c '.[]'"}}}
	case first == '{':
		s.quotes = false
		if err := s.onOneLine(); err != nil {
			return nil, err
		}
		return &File{Format: &lines{opt.Account, opt.Explain}, split: s}, nil
	}
	t, err := s.header()
	if err != nil {
		return nil, err
	}
	if !opt.Account.IsZero() && opt.Account.Provider != t.provider {
		return nil, &FileError{[]Problem{{"header", fmt.Sprintf("its columns are %s's, not %s's", t.provider, opt.Account.Provider)}}}
	}
	t.merchant = opt.Account.Merchant
	return &File{t, s, marked}, nil
}

const bom = "\xef\xbb\xbf" // some programs' byte order mark

// What is said of files that other programs write.
const (
	utf16Text = `it is UTF-16; save it as "CSV UTF-8", or convert it with: iconv -f UTF-16 -t UTF-8`
	bareCR    = `its lines end with a bare CR; save it as "CSV UTF-8", or convert it with: tr '\r' '\n'`
)

// header reads the titles of a table.
func (s *splitter) header() (*table, error) {
	rec, err := s.next()
	if err != nil {
		return nil, err
	}
	raw := bytes.Clone(rec.raw)
	if bytes.IndexByte(raw, '\r') >= 0 {
		return nil, &FileError{[]Problem{{"", bareCR}}}
	}
	lineEnd := "\n"
	if s.from > 1 && s.buf[s.from-2] == '\r' {
		lineEnd = "\r\n"
	}
	t, problems := newTable(raw, lineEnd)
	if len(problems) == 0 {
		return t, nil
	}
	if s.documentsFollow() {
		return nil, &FileError{[]Problem{{fmt.Sprintf("line %d", rec.line), "must be an order document (JSON), as the lines behind it are, or be taken out"}}}
	}
	for i, p := range problems {
		if p.Text != noTitles {
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
		return &FileError{[]Problem{{"", bareCR}}}
	}
	if bytes.Equal(bytes.TrimSpace(s.rest()[:n]), []byte("{")) {
		return &FileError{[]Problem{{"", "its documents spread over lines; write one document a line, for example with: jq -c ."}}}
	}
	return nil
}

// IDs calls each for every line that is not blank, with the order it is about; ok is false when
// that is not known. It returns r's error or each's.
func (f *File) IDs(each func(line int, id ID, ok bool) error) error {
	for {
		rec, err := f.split.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if blankLine(rec.raw) {
			continue
		}
		id, ok := f.ID(rec.raw)
		if err := each(rec.line, id, ok && !rec.long); err != nil {
			return err
		}
	}
}

// blankLine reports whether a line holds only separators.
func blankLine(raw []byte) bool { return len(bytes.Trim(raw, " \t\r,")) == 0 }
