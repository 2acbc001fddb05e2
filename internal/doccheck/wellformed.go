package doccheck

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"
)

// Fault is what keeps a text from being JSON. Its text never holds the offending bytes.
type Fault struct {
	Kind FaultKind
	// Offset is the place of a SyntaxFault or a Trailing text, counted from 0.
	Offset int
}

// FaultKind is how a text breaks.
type FaultKind int

// The kinds of faults.
const (
	Empty       FaultKind = iota + 1 // nothing but white space
	Unfinished                       // it ends inside a value
	SyntaxFault                      // a byte that is not allowed there
	Trailing                         // something follows the value
)

// Error counts bytes from 1, as editors do.
func (f *Fault) Error() string {
	switch f.Kind {
	case Empty:
		return "it is empty"
	case Unfinished:
		return "it ends too early"
	case SyntaxFault:
		return fmt.Sprintf("syntax error at byte %d", f.Offset+1)
	default:
		return fmt.Sprintf("something follows the document at byte %d", f.Offset+1)
	}
}

// Value measures the JSON value that text starts with: value is it without the white space in front,
// and behind is the offset of what follows. On a fault, which is never Trailing, value is nil.
func Value(text []byte) (value json.RawMessage, behind int, fault *Fault) {
	dec := json.NewDecoder(bytes.NewReader(text))
	err := dec.Decode(&value)
	if err == nil {
		return value, int(dec.InputOffset()), nil
	}
	if len(bytes.TrimLeft(text, " \t\r\n")) == 0 {
		return nil, 0, &Fault{Kind: Empty}
	}
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return nil, 0, &Fault{Kind: SyntaxFault, Offset: max(0, int(syntax.Offset)-1)}
	}
	return nil, 0, &Fault{Kind: Unfinished}
}

// WellFormed reports where a text breaks that is not one JSON value; nil when it is one.
func WellFormed(text []byte) *Fault {
	if json.Valid(text) {
		return nil
	}
	_, behind, fault := Value(text)
	if fault == nil {
		rest := bytes.TrimLeft(text[behind:], " \t\r\n")
		fault = &Fault{Kind: Trailing, Offset: len(text) - len(rest)}
	}
	return fault
}

// NotUTF8 is added to a report of a text that is no JSON and not UTF-8 either, which is a likely
// cause: characters of Big5 may hold a backslash or a bracket.
const NotUTF8 = "it is not UTF-8"

// WellFormed records that the text at path is not one JSON value, and reports whether it is.
func (c *Check) WellFormed(path string, text []byte) bool {
	fault := WellFormed(text)
	if fault == nil {
		return true
	}
	if path == "" {
		path = "document"
	}
	rule := "must be well-formed JSON: " + fault.Error()
	if !utf8.Valid(text) {
		rule += ", and " + NotUTF8
	}
	c.Violate(path, rule, "")
	return false
}
