package doccheck

import (
	"bytes"
	"encoding/json"
	"slices"
	"unicode/utf8"
)

// field is a member of an object: its name and its value as it stands.
type field struct {
	name string
	raw  json.RawMessage
}

// scan walks over a JSON text that is known to be well-formed, which is why it checks nothing. It
// exists for speed alone: documents come by the hundred thousand, and encoding/json's own
// Decoder costs ten times as much.
type scan struct {
	text []byte
	pos  int
}

func (s *scan) space() {
	for s.pos < len(s.text) {
		switch s.text[s.pos] {
		case ' ', '\t', '\r', '\n':
			s.pos++
		default:
			return
		}
	}
}

// next moves behind the container's opening bracket, or behind the comma before its next element,
// and reports false at its closing bracket.
func (s *scan) next() bool {
	s.space()
	if s.text[s.pos] == ',' || s.text[s.pos] == '{' || s.text[s.pos] == '[' {
		s.pos++
		s.space()
	}
	return s.text[s.pos] != '}' && s.text[s.pos] != ']'
}

// name reads a member's name and moves behind the colon. A known one costs no memory.
func (s *scan) name(known []string) (name string, isKnown bool) {
	raw := s.value()
	s.space()
	s.pos++ // the colon
	for _, k := range known {
		if len(raw) == len(k)+2 && string(raw[1:len(raw)-1]) == k {
			return k, true
		}
	}
	name, ok := plain(raw)
	if !ok {
		name = decoded(raw)
	}
	return name, slices.Contains(known, name)
}

// decoded is the text of a JSON string of any kind.
func decoded(raw []byte) (text string) {
	_ = json.Unmarshal(raw, &text) // it is a well-formed string
	return text
}

// value returns the value that comes next, without the space around it.
func (s *scan) value() json.RawMessage {
	s.space()
	from := s.pos
	switch s.text[s.pos] {
	case '"':
		s.skipString()
	case '{', '[':
		for depth := 0; ; {
			switch s.text[s.pos] {
			case '"':
				s.skipString()
				continue
			case '{', '[':
				depth++
			case '}', ']':
				depth--
			}
			if s.pos++; depth == 0 {
				break
			}
		}
	default:
		for s.pos < len(s.text) && bytes.IndexByte([]byte(",]} \t\r\n"), s.text[s.pos]) < 0 {
			s.pos++
		}
	}
	return json.RawMessage(s.text[from:s.pos:s.pos])
}

func (s *scan) skipString() {
	for s.pos++; s.text[s.pos] != '"'; s.pos++ {
		if s.text[s.pos] == '\\' {
			s.pos++
		}
	}
	s.pos++
}

// plain is the text of a JSON string that holds nothing to be unescaped or repaired.
func plain(raw []byte) (string, bool) {
	if len(raw) < 2 || raw[0] != '"' {
		return "", false
	}
	text := raw[1 : len(raw)-1]
	if bytes.IndexByte(text, '\\') >= 0 || !utf8.Valid(text) {
		return "", false
	}
	return string(text), true
}

// digits reads a number of one to nine digits.
func digits(raw []byte) (n int, ok bool) {
	if len(raw) == 0 || len(raw) > 9 {
		return 0, false
	}
	for _, c := range raw {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = 10*n + int(c-'0')
	}
	return n, true
}

// whole reads a whole number however it is written.
func whole(raw []byte) (n int, ok bool) {
	err := json.Unmarshal(raw, &n)
	return n, err == nil
}
