package wire

import (
	"bytes"
	"encoding/json"
)

// ambiguous holds the characters that the URL encodings in use write differently (space as "+"
// or "%20", "~" as itself or "%7E", the others as themselves or "%XX"), with their JSON escapes.
var ambiguous = map[byte]string{
	' ':  `\u0020`,
	'!':  `\u0021`,
	'\'': `\u0027`,
	'(':  `\u0028`,
	')':  `\u0029`,
	'*':  `\u002A`,
	'~':  `\u007E`,
}

// Marshal encodes v as compact JSON without any character whose URL encoding is in doubt: those
// are written as \u00XX. Data and CheckMacValue of the result are then the same whatever
// encoding ECTicket uses. Errors are those of json.Marshal.
func Marshal(v any) ([]byte, error) {
	plain, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	out.Grow(len(plain) + len(plain)/8)
	for _, c := range plain {
		// Compact JSON holds these characters only inside strings, and none of them can follow
		// a backslash, so each can be replaced where it stands.
		if escape, ok := ambiguous[c]; ok {
			out.WriteString(escape)
			continue
		}
		out.WriteByte(c)
	}
	return out.Bytes(), nil
}
