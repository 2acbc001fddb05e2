package ecticket

import (
	"bytes"
	"cmp"
	"encoding/json"
	"strings"

	"issuance/providers/ecticket/wire"
)

// text is a string that is read from any value: the documents and the examples differ in which type
// some fields are of. A number is its digits without a fraction of zero, null is empty, and space around a string is no
// part of it; anything else is kept as its JSON text, which is no id that was asked for and no status that is known.
type text string

// UnmarshalJSON implements json.Unmarshaler. It never fails.
func (t *text) UnmarshalJSON(b []byte) error {
	b = bytes.TrimSpace(b)
	var s string
	switch {
	case bytes.Equal(b, []byte("null")):
		*t = ""
	case json.Unmarshal(b, &s) == nil:
		*t = text(strings.TrimSpace(s))
	default:
		*t = text(cmp.Or(wire.Text(b), string(b)))
	}
	return nil
}

// isID reports whether t can be the number of a ticket.
func (t text) isID() bool {
	for _, c := range []byte(t) {
		if c <= ' ' || c > '~' || bytes.IndexByte([]byte(`"{}[],`), c) >= 0 {
			return false
		}
	}
	return t != ""
}

// first is the first of the values that is not empty.
func first(values ...text) string {
	for _, v := range values {
		if v != "" {
			return string(v)
		}
	}
	return ""
}
