// Package shortnames takes the names of fields out of JSON texts that are stored in great numbers: documents, what may be
// shown of them, results.
//
// It may import providers.
package shortnames

import (
	"bytes"
	"slices"
	"strings"

	"issuance/providers"
)

// Half of a typical request is the names of its fields. A document waits in Redis under many others, so each name that
// its provider's codec lists becomes one byte; a name that is not listed stays as it is. Results, of which each ticket
// repeats all names, are stored in the same way. Documents are well-formed JSON, which has no control characters beside
// tab and line ends, so the other control characters are free to stand for names.

// marks stand for the names of a codec's list, by place. The first two are the first bytes of what is stored.
const marks = "\x02\x03\x04\x05\x06\x07\x08\x0b\x0c\x0e\x0f" +
	"\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f"

// Of is the list of a provider's codec; none for a provider that is not known.
func Of(p providers.Name) []string {
	codec, _ := providers.CodecOf(p)
	return codec.StoredNames
}

// The first byte says how the rest is to be read. Neither can begin a JSON text.
const (
	verbatim  = 0 // as it is
	shortened = 1 // with bytes in the place of names
)

// isMark reports whether a byte may stand for a name, or begin what Shorten makes.
func isMark(b byte) bool { return b < ' ' && b != '\t' && b != '\n' && b != '\r' }

// Shorten is undone by Lengthen, whatever the text is.
func Shorten(names []string, text []byte) []byte {
	out := make([]byte, 1, len(text)+1)
	if slices.ContainsFunc(text, isMark) {
		out[0] = verbatim
		return append(out, text...)
	}
	out[0] = shortened
	for {
		before, rest, found := bytes.Cut(text, []byte{'"'})
		if out = append(out, before...); !found {
			return out
		}
		// The name in quotes, and a colon right behind it.
		if end := bytes.IndexByte(rest, '"'); end > 0 && end+1 < len(rest) && rest[end+1] == ':' {
			if place := slices.Index(names, string(rest[:end])); place >= 0 {
				out, text = append(out, marks[place]), rest[end+2:]
				continue
			}
		}
		out, text = append(out, '"'), rest
	}
}

// Lengthen reads what Shorten wrote with the same names or the first of them, and any text that it did not
// write as it is.
func Lengthen(names []string, s []byte) []byte {
	if len(s) == 0 || s[0] > shortened {
		return s
	}
	if s[0] == verbatim {
		return s[1:]
	}
	out := make([]byte, 0, 2*len(s))
	for _, b := range s[1:] {
		place := strings.IndexByte(marks, b)
		if place < 0 || place >= len(names) {
			out = append(out, b)
			continue
		}
		out = append(append(append(out, '"'), names[place]...), '"', ':')
	}
	return out
}
