package ecticket

import (
	"bytes"
	"encoding/json"
	"errors"
)

// text is a string that is read from a string, a number or null: the documents and the examples
// differ in which of them some fields are.
type text string

// UnmarshalJSON implements json.Unmarshaler.
func (t *text) UnmarshalJSON(b []byte) error {
	b = bytes.TrimSpace(b)
	switch {
	case bytes.Equal(b, []byte("null")):
		*t = ""
		return nil
	case len(b) > 0 && b[0] == '"':
		var s string
		if err := json.Unmarshal(b, &s); err != nil {
			return errText
		}
		*t = text(s)
		return nil
	case len(b) > 0 && (b[0] == '-' || b[0] >= '0' && b[0] <= '9'):
		*t = text(b)
		return nil
	default:
		return errText
	}
}

var errText = errors.New("want a string")

// first is the first of the values that is not empty.
func first(values ...text) string {
	for _, v := range values {
		if v != "" {
			return string(v)
		}
	}
	return ""
}
