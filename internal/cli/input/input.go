// Package input splits a file of JSON documents: one document, an array of documents, or documents one
// after another (NDJSON). It does not look into documents, and its errors never show their content. It
// imports package internal/doccheck, which says where JSON breaks.
package input

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"unicode/utf8"

	"issuance/internal/doccheck"
)

// Limits of what is read; all documents are checked before the first is enqueued, so all of them
// are in memory at once.
const (
	MaxInput    = 64 << 20  // bytes of one input
	MaxDocument = 256 << 10 // bytes of one document
)

// Document is one document of an input.
type Document struct {
	// At is the document's place: "" for the only one, "[2]" in an array, "line 3" among others.
	At  string
	N   int // counts documents and problems together, from 0
	Raw json.RawMessage
}

// Problem is a place that holds no readable document.
type Problem struct {
	At   string
	N    int
	Text string
}

// Where names a field of the document at place at; field is "" or "document" for all of it.
func Where(at, field string) string {
	whole := field == "" || field == "document"
	switch {
	case at == "" && whole:
		return "document"
	case at == "":
		return field
	case whole:
		return at
	case strings.HasPrefix(at, "["):
		return at + "." + field
	default:
		return at + ": " + field
	}
}

// ErrEmpty says that there is no document at all.
var ErrEmpty = errors.New("the input is empty; it must hold one JSON document, an array of them, or one a line")

// ErrWorkbook says that the input is no JSON but an Excel workbook.
var ErrWorkbook = errors.New("the input is an Excel workbook, not JSON")

// ErrTable says that the input is no JSON but a table whose first line holds titles.
var ErrTable = errors.New("the input is CSV, not JSON")

// ErrTooLong says that the input exceeds MaxInput.
var ErrTooLong = fmt.Errorf("the input is longer than %d MiB; split it", MaxInput>>20)

// Read reads everything and splits it. What cannot be read as a document is a Problem, and the rest is
// still read. The error is ErrEmpty, ErrWorkbook, ErrTable, ErrTooLong, or r's own.
func Read(r io.Reader) ([]Document, []Problem, error) {
	data, err := io.ReadAll(io.LimitReader(r, MaxInput+1))
	if err != nil {
		return nil, nil, err
	}
	if len(data) > MaxInput {
		return nil, nil, ErrTooLong
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")) // some editors' byte order mark
	s := scanner{data: data, line: 1}
	s.skipSpace()
	switch {
	case s.atEnd():
		return nil, nil, ErrEmpty
	case bytes.HasPrefix(data, []byte("PK\x03\x04")):
		return nil, nil, ErrWorkbook
	case isTable(s.data[s.pos:]):
		return nil, nil, ErrTable
	case s.data[s.pos] == '[':
		s.array()
	default:
		s.stream()
	}
	if s.found() == 0 {
		return nil, nil, ErrEmpty
	}
	if len(s.problems) > 0 && !utf8.Valid(data) { // a likely cause: characters of Big5 may hold a backslash
		s.problems[0].Text += "; the input is not UTF-8"
	}
	return s.docs, s.problems, nil
}

// titles are those of a table of several columns.
var titles = regexp.MustCompile(`^"?[A-Za-z][A-Za-z0-9_ ]*"?(\s*[,;\t]\s*"?[A-Za-z][A-Za-z0-9_ ]*"?)+\s*$`)

// isTable reports whether the first line holds titles: no JSON value begins like two of them.
func isTable(data []byte) bool {
	line, _, _ := bytes.Cut(data, []byte("\n"))
	return len(line) <= 64<<10 && titles.Match(line)
}

// scanner reads through the input; line is the line of pos.
type scanner struct {
	data     []byte
	pos      int
	line     int
	docs     []Document
	problems []Problem
}

// found counts what has been found.
func (s *scanner) found() int { return len(s.docs) + len(s.problems) }

func (s *scanner) atEnd() bool { return s.pos >= len(s.data) }

// advance moves on to pos and counts the lines on the way.
func (s *scanner) advance(pos int) {
	s.line += bytes.Count(s.data[s.pos:pos], []byte("\n"))
	s.pos = pos
}

func (s *scanner) skipSpace() {
	rest := bytes.TrimLeft(s.data[s.pos:], " \t\r\n")
	s.advance(len(s.data) - len(rest))
}

func (s *scanner) problem(at, format string, args ...any) {
	s.problems = append(s.problems, Problem{At: at, N: s.found(), Text: fmt.Sprintf(format, args...)})
}

// value reads the JSON value at pos and moves behind it. On an error it stays where it is, and
// the text says what is wrong.
func (s *scanner) value() (raw json.RawMessage, wrong string) {
	raw, behind, fault := doccheck.Value(s.data[s.pos:])
	switch {
	case fault == nil:
		s.advance(s.pos + behind)
		return raw, ""
	case fault.Kind != doccheck.SyntaxFault:
		return nil, "must be well-formed JSON: it ends too early"
	}
	at := s.pos + fault.Offset
	line := s.line + bytes.Count(s.data[s.pos:at], []byte("\n"))
	column := at - bytes.LastIndexByte(s.data[:at], '\n')
	return nil, fmt.Sprintf("must be well-formed JSON: syntax error in line %d, byte %d", line, column)
}

// add adds a document, or the problem that it is too long.
func (s *scanner) add(at string, raw json.RawMessage) {
	if len(raw) > MaxDocument {
		s.problem(at, "must be at most %d KiB (found: %d KiB)", MaxDocument>>10, len(raw)>>10)
		return
	}
	s.docs = append(s.docs, Document{At: at, N: s.found(), Raw: raw})
}

func (s *scanner) array() {
	s.pos++ // behind [
	s.skipSpace()
	if !s.atEnd() && s.data[s.pos] == ']' {
		s.pos++
		s.end()
		return
	}
	for i := 0; ; i++ {
		at := fmt.Sprintf("[%d]", i)
		s.skipSpace()
		raw, wrong := s.value()
		if wrong != "" {
			s.problem(at, "%s", wrong)
			return
		}
		s.add(at, raw)
		s.skipSpace()
		switch {
		case s.atEnd():
			s.problem("", "must be well-formed JSON: the array is not closed with ]")
			return
		case s.data[s.pos] == ']':
			s.pos++
			s.end()
			return
		case s.data[s.pos] == ',':
			s.pos++
		default:
			s.problem("", "must be well-formed JSON: after %s, in line %d, comes neither a comma nor ]", at, s.line)
			return
		}
	}
}

// end reports what follows an array.
func (s *scanner) end() {
	if s.skipSpace(); !s.atEnd() {
		s.problem("", "must be one array: something follows it in line %d", s.line)
	}
}

// stream reads documents that stand one after another, usually one a line.
func (s *scanner) stream() {
	for s.skipSpace(); !s.atEnd(); s.skipSpace() {
		at := fmt.Sprintf("line %d", s.line)
		raw, wrong := s.value()
		if wrong == "" {
			s.add(at, raw)
			continue
		}
		s.problem(at, "%s", wrong)
		if !s.nextDocument() {
			if s.found() > 1 {
				s.problems[len(s.problems)-1].Text += "; what follows was not checked"
			}
			break
		}
	}
	if s.found() == 1 { // no need to say which
		for i := range s.docs {
			s.docs[i].At = ""
		}
		for i := range s.problems {
			s.problems[i].At = ""
		}
	}
}

// nextDocument moves behind a broken document, to the next line that is a whole document. There
// is none to be found when documents spread over lines.
func (s *scanner) nextDocument() bool {
	line, rest := cutLine(s.data[s.pos:])
	if bytes.Equal(bytes.TrimSpace(line), []byte("{")) {
		return false
	}
	for len(rest) > 0 {
		at := len(s.data) - len(rest)
		if line, rest = cutLine(rest); bytes.HasPrefix(bytes.TrimSpace(line), []byte("{")) && json.Valid(line) {
			s.advance(at)
			return true
		}
	}
	return false
}

func cutLine(data []byte) (line, rest []byte) {
	line, rest, _ = bytes.Cut(data, []byte("\n"))
	return line, rest
}
