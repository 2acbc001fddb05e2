package providers

import (
	"fmt"
	"strings"
)

// Violation is one rule that a document breaks. It never holds the offending value, which
// may be a customer's: Shape only describes it.
type Violation struct {
	// Path is the JSON path of the field, such as "request.TicketInfo[0].TicketAmount".
	// Where several elements of an array break the same rule the same way, it lists them all,
	// separated by ", ".
	Path string `json:"path"`
	// Rule says what the field must be.
	Rule string `json:"rule"`
	// Shape describes what is there instead: "missing", "string of 11 characters", "number of 1 character".
	Shape string `json:"shape"`
}

func (v Violation) String() string {
	if v.Shape == "" {
		return fmt.Sprintf("%s: %s", v.Path, v.Rule)
	}
	return fmt.Sprintf("%s: %s (found: %s)", v.Path, v.Rule, v.Shape)
}

// InvalidError carries every violation of a document, in document order.
type InvalidError struct{ Violations []Violation }

func (e *InvalidError) Error() string {
	lines := make([]string, len(e.Violations))
	for i, v := range e.Violations {
		lines[i] = v.String()
	}
	return "invalid document: " + strings.Join(lines, "; ")
}
