package frontdoor

import (
	"bytes"
	"slices"

	"issuance/internal/doccheck"
)

// mostNested is how deep JSON may be nested: as deep as package encoding/json reads it, which says only where it stops.
const mostNested = 10_000

// whole puts right what the violations of a document say of its text as a whole.
func whole(text []byte, list []ProblemViolation) []ProblemViolation {
	if len(list) == 0 {
		return nil
	}
	fault := doccheck.WellFormed(text)
	deep := fault != nil && tooDeep(text[:min(fault.Offset+1, len(text))])
	null := bytes.Equal(bytes.TrimSpace(text), []byte("null"))
	out := slices.Clone(list)
	for i, v := range out {
		switch {
		case v.Where != inBody || v.Pointer != "":
		case deep:
			out[i].Rule, out[i].Shape = "must be nested at most 10,000 deep", "nested deeper"
		case null:
			out[i].Shape = "null" // and not missing
		}
	}
	return out
}

// tooDeep reports whether a text, up to where it cannot be read, is nested too deep.
func tooDeep(text []byte) bool {
	depth, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch b := text[i]; {
		case quoted && b == '\\':
			i++
		case b == '"':
			quoted = !quoted
		case quoted:
		case b == '[', b == '{':
			if depth++; depth > mostNested {
				return true
			}
		case b == ']', b == '}':
			depth--
		}
	}
	return false
}
