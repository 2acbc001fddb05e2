package listfile

import (
	"fmt"
	"strings"
	"testing"
)

// A text that is no YAML is answered with the cause and the line of the entry that is wrong, however long the list is, and without a value.
func TestWhatIsNoYAMLHasACauseAndALine(t *testing.T) {
	long := "x-p: &platform\n  key: Kanarie\nlist:\n"
	for n := range 300 {
		long += fmt.Sprintf("  - {<<: *platform, name: M%d, key: Kanarie}\n", n)
	}
	for name, c := range map[string]struct {
		text  string
		line  int
		cause string
	}{
		"colons at the end":        {long + "  - : : [\n", 304, "did not find expected"},
		"a missing brace":          {strings.Replace(long, "M100, key: Kanarie}", "M100, key: Kanarie", 1), 104, "did not find expected ',' or '}'"},
		"a mistyped anchor":        {strings.Replace(long, "*platform, name: M7,", "*plot, name: M7,", 1), 11, "unknown anchor plot"},
		"one of several":           {strings.Replace(long, "<<: *platform, name: M7,", "<<: [*platform, *plot], name: M7,", 1), 11, "unknown anchor plot"},
		"a secret like an anchor":  {strings.Replace(long, "M8, key: Kanarie", "M8, key: *Kanarie", 1), 12, "unknown anchor: quote"},
		"a block entry":            {long + "  - name: a\n    key: Kanarie\n   more: Kanarie\n  - name: b\n", 304, "did not find expected"},
		"a value with a colon":     {long + "  - name: a\n    key: Kanarie: x\n  - name: b\n", 305, "mapping values are not allowed"},
		"an open quote":            {"list:\n  - name: a\n    key: \"Kanarie\n  - name: b\n", 0, "found unexpected end of stream"},
		"a tab":                    {"list: [\n\tKanarie", 2, "did not find expected "},
		"outside of every entry":   {"Kanarie: {\nlist:\n  - name: a\n", 0, "did not find expected"},
		"a merge of itself":        {"list:\n  - &a {<<: *a}\n", 0, ""},
		"an anchor without a name": {"list:\n  - key: & Kanarie\n", 2, "did not find expected alphabetic or numeric character"},
	} {
		err := unmarshal([]byte(c.text))
		if err == nil {
			if c.cause != "" {
				t.Errorf("%s: it is YAML", name)
			}
			continue
		}
		line, cause := Cause([]byte(c.text), err)
		if c.line > 0 && line != c.line || !strings.Contains(cause, c.cause) || strings.Contains(cause, "Kanarie") {
			t.Errorf("%s: line %d, %s; want %d, %s", name, line, cause, c.line, c.cause)
		}
	}
}
