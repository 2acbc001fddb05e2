package doccheck

import (
	"bytes"
	"encoding/json"
	"strconv"
	"unicode/utf8"
)

// AppendMember appends a member of an object to JSON that is being written, with a comma unless it
// is the first; the same bytes as encoding/json's, in a fraction of the time. An empty value is
// left out.
func AppendMember(b []byte, name, value string) []byte {
	if value == "" {
		return b
	}
	return AppendString(AppendName(b, name), value)
}

// AppendName appends a member's name and its colon. name needs no escaping.
func AppendName(b []byte, name string) []byte {
	if last := b[len(b)-1]; last != '{' {
		b = append(b, ',')
	}
	return append(append(append(b, '"'), name...), `":`...)
}

// AppendInt appends a member that is a number.
func AppendInt(b []byte, name string, value int) []byte {
	return strconv.AppendInt(AppendName(b, name), int64(value), 10)
}

// AppendString appends a string.
func AppendString(b []byte, s string) []byte {
	b = append(b, '"')
	from := len(b)
	b = append(b, s...)
	for _, c := range b[from:] {
		if plainByte[c] {
			continue
		}
		if c >= utf8.RuneSelf && plainText(b[from:]) {
			break
		}
		text, err := json.Marshal(s)
		if err != nil { // a string always has a JSON
			text = []byte(`""`)
		}
		return append(b[:from-1], text...)
	}
	return append(b, '"')
}

// plainByte are the ASCII characters that encoding/json writes as they are.
var plainByte = func() (plain [256]bool) {
	for c := ' '; c < utf8.RuneSelf; c++ {
		plain[c] = c != '"' && c != '\\' && c != '<' && c != '>' && c != '&'
	}
	return plain
}()

// plainText reports whether encoding/json writes a text of any characters as it is.
func plainText(text []byte) bool {
	for _, c := range text {
		if c < utf8.RuneSelf && !plainByte[c] {
			return false
		}
	}
	return utf8.Valid(text) && !bytes.Contains(text, []byte("\u2028")) && !bytes.Contains(text, []byte("\u2029"))
}
