package doccheck

import (
	"bytes"
	"encoding/json"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

const textRule = "must be UTF-8"

// Text records every string of raw that is not UTF-8, or that holds half of a surrogate pair
// ("\ud800"). encoding/json takes both and writes U+FFFD instead, so that what the customer wrote
// would be lost without a word. raw must be well-formed JSON; path is its own.
func (c *Check) Text(path string, raw json.RawMessage) {
	if wrongText(raw) == "" {
		return
	}
	s := scan{text: raw}
	c.text(path, s.value())
}

// text is Text for one value, without the space around it.
func (c *Check) text(path string, raw json.RawMessage) {
	wrong := wrongText(raw)
	if wrong == "" {
		return
	}
	s := scan{text: raw}
	switch raw[0] {
	case '"':
		if path == "" {
			path = "document"
		}
		c.Violate(path, textRule, wrong)
	case '[':
		for i := 0; s.next(); i++ {
			c.text(path+"["+strconv.Itoa(i)+"]", s.value())
		}
	case '{':
		o := Object{path: path}
		for s.next() {
			name := s.value()
			at := o.at(decoded(name))
			if wrong := wrongText(name); wrong != "" {
				c.Violate(at, textRule, wrong)
			}
			s.space()
			s.pos++ // the colon
			c.text(at, s.value())
		}
	}
}

// wrongText says what is wrong with the encoding of a JSON text, "" when nothing is.
func wrongText(raw []byte) string {
	switch {
	case !utf8.Valid(raw):
		return "text in another encoding"
	case halfPair(raw):
		return "half of a surrogate pair"
	}
	return ""
}

// halfPair reports whether one of the \u escapes of a JSON text stands for no character.
func halfPair(raw []byte) bool {
	for {
		at := bytes.IndexByte(raw, '\\')
		if at < 0 {
			return false
		}
		raw = raw[at:]
		r, ok := escape(raw)
		if !ok { // another escape, of two characters
			raw = raw[2:]
			continue
		}
		raw = raw[6:]
		if !utf16.IsSurrogate(r) {
			continue
		}
		low, ok := escape(raw)
		if !ok || utf16.DecodeRune(r, low) == utf8.RuneError {
			return true
		}
		raw = raw[6:]
	}
}

// escape reads the \u escape that a JSON text starts with.
func escape(raw []byte) (r rune, ok bool) {
	if len(raw) < 6 || raw[0] != '\\' || raw[1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(string(raw[2:6]), 16, 16)
	return rune(n), err == nil
}
