package bulk

import (
	"bytes"
	"errors"
)

// CSV is read as RFC 4180 has it: cells are separated by commas (or what separatorOf finds), a cell in quotes may hold commas,
// line breaks, and doubled quotes; a quote elsewhere is an error.

// csvLength is the length of the first record of text, its line's end included. complete is false
// when more text is needed to decide. A record whose quotes are broken ends with its first line.
func csvLength(text []byte, sep byte, eof bool) (n int, complete bool) {
	eol := -1 // the next line's end behind i
	for i := 0; ; {
		if i < len(text) && text[i] == '"' {
			i = behindQuoted(text, i)
			switch {
			case i < 0:
				return 0, false
			case i == len(text):
				return i, eof
			case text[i] == sep:
				i++
				continue
			case text[i] == '\r' && i+1 == len(text) && !eof:
				return 0, false
			case text[i] != '\n' && text[i] != '\r', text[i] == '\r' && i+1 < len(text) && text[i+1] != '\n':
				n = bytes.IndexByte(text, '\n') + 1
				return n, n > 0
			}
		}
		if eol < i { // found once for a line, however many cells it has
			if eol = bytes.IndexByte(text[i:], '\n'); eol >= 0 {
				eol += i
			} else {
				eol = len(text)
			}
		}
		switch c := bytes.IndexByte(text[i:eol], sep); {
		case c >= 0:
			i += c + 1
		case eol < len(text):
			return eol + 1, true
		default:
			return len(text), eof && len(text) > 0
		}
	}
}

// behindQuoted returns the place behind the quoted cell that starts at i, -1 when it has no end.
func behindQuoted(text []byte, i int) int {
	for i++; ; i += 2 {
		q := bytes.IndexByte(text[i:], '"')
		if q < 0 {
			return -1
		}
		i += q
		if i+1 == len(text) || text[i+1] != '"' {
			return i + 1
		}
	}
}

var (
	errQuoteOpen   = errors.New("a quote (\") is opened and never closed")
	errQuoteInside = errors.New("a quote (\") must enclose the whole cell, and be doubled inside it")
)

// cells splits a record, given without its line's end. The cells are appended to out; they
// are parts of the record where it has no doubled quotes.
func cells(raw []byte, out [][]byte) ([][]byte, error) { return cellsBy(raw, ',', out) }

// cellsBy is cells with another separator.
func cellsBy(raw []byte, sep byte, out [][]byte) ([][]byte, error) {
	for {
		if len(raw) == 0 || raw[0] != '"' {
			end := bytes.IndexByte(raw, sep)
			cell := raw
			if end >= 0 {
				cell = raw[:end]
			}
			if bytes.IndexByte(cell, '"') >= 0 {
				return out, errQuoteInside
			}
			out = append(out, cell)
			if end < 0 {
				return out, nil
			}
			raw = raw[end+1:]
			continue
		}
		end := behindQuoted(raw, 0)
		if end < 0 {
			return out, errQuoteOpen
		}
		out = append(out, unquoted(raw[1:end-1]))
		switch {
		case end == len(raw):
			return out, nil
		case raw[end] != sep:
			return out, errQuoteInside
		}
		raw = raw[end+1:]
	}
}

// unquoted is the text inside of a quoted cell. Line ends become those of Unix.
func unquoted(text []byte) []byte {
	if bytes.IndexByte(text, '"') >= 0 {
		text = bytes.ReplaceAll(text, []byte(`""`), []byte(`"`))
	}
	if bytes.IndexByte(text, '\r') >= 0 {
		text = bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))
	}
	return text
}

// quoted writes a cell, in quotes where it needs them.
func quoted(out, cell []byte) []byte {
	if !bytes.ContainsAny(cell, "\",\r\n") && !bytes.HasPrefix(cell, []byte(" ")) {
		return append(out, cell...)
	}
	out = append(out, '"')
	out = append(out, bytes.ReplaceAll(cell, []byte(`"`), []byte(`""`))...)
	return append(out, '"')
}
