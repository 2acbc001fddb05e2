package cli

import (
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"issuance/providers"
	"issuance/tasks"
)

// fieldNames are the names that a type has in JSON.
func fieldNames(v any) (names []string) {
	for _, f := range reflect.VisibleFields(reflect.TypeOf(v)) {
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" && name != "-" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

var quoted = regexp.MustCompile("`([a-z_]+)`")

// Every field that is printed is documented, and nothing else is.
func TestTheFieldsAreDocumented(t *testing.T) {
	raw, err := os.ReadFile("../../docs/json.md")
	if err != nil {
		t.Fatal(err)
	}
	for heading, v := range map[string]any{"Status": tasks.Status{}, "Waits": tasks.Waiting{}, "Refunds": tasks.RefundStatus{}, "Tickets": providers.Ticket{}, "Receipts": finalReceipt{},
		"List": listLine{}, "History": historyLine{}, "Review": reviewLine{}} {
		_, rest, found := strings.Cut(string(raw), "\n## "+heading+"\n")
		if !found {
			t.Errorf("no section %s", heading)
		}
		section, _, _ := strings.Cut(rest, "\n## ")
		var documented []string
		for line := range strings.Lines(section) {
			if !strings.HasPrefix(line, "| `") {
				continue
			}
			cell, _, _ := strings.Cut(line[2:], " | ")
			for _, m := range quoted.FindAllStringSubmatch(cell, -1) {
				documented = append(documented, m[1])
			}
		}
		slices.Sort(documented)
		if want := fieldNames(v); !slices.Equal(documented, want) {
			t.Errorf("%s: documented are\n%q, printed are\n%q", heading, documented, want)
		}
	}
}
