package conformance

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"issuance/providers"
)

// bulkFiles checks what bulk files rest on: columns are fields, templates are orders.
func bulkFiles(t *testing.T, s Subject) {
	t.Run("every column is a field", func(t *testing.T) { columns(t, s) })
	t.Run("every template is an order", func(t *testing.T) { templates(t, s) })
}

func columns(t *testing.T, s Subject) {
	c := s.Codec.Columns
	if c.Merchant != "" && !slices.Contains(c.Scalars, c.Merchant) {
		t.Errorf("%s is no column", c.Merchant)
	}
	for _, name := range append(slices.Clone(c.Numbers), c.IDs...) {
		if !slices.Contains(c.Scalars, name) && !slices.Contains(c.Items, name) {
			t.Errorf("%s is no column", name)
		}
	}
	for _, name := range append(slices.Clone(c.Scalars), c.Items...) {
		if strings.TrimRight(name, "0123456789") != name || name == "" {
			t.Errorf("the title %q could be an item's", name)
		}
	}
	unknown := func(request json.RawMessage) bool {
		for _, escrow := range []bool{false, true} {
			rules := s.rules()
			rules.Escrow = escrow
			_, bad := s.Codec.ParseOrder("request", request, rules)
			if bad == nil || !slices.ContainsFunc(bad.Violations, func(v providers.Violation) bool { return v.Shape == "unknown field" }) {
				return false
			}
		}
		return true
	}
	for _, name := range c.Scalars {
		if unknown(with(t, s.Order("O1", 1), name, "x")) {
			t.Errorf("%s is no field of an order", name)
		}
	}
	for _, name := range c.Items {
		if unknown(with(t, s.Order("O1", 1), c.ItemsField, []any{map[string]any{name: "x"}})) {
			t.Errorf("%s is no field of an item", name)
		}
	}
}

func templates(t *testing.T, s Subject) {
	now := time.Now()
	for _, template := range s.Codec.Templates {
		for _, escrow := range []bool{false, len(s.Codec.EscrowColumns) > 0} {
			cells := template.Columns
			if escrow {
				cells = slices.Concat(cells, s.Codec.EscrowColumns)
			}
			doc, bad := s.Codec.ParseOrder("request", s.row(t, cells, now), providers.Rules{Now: now, Escrow: escrow})
			if bad != nil || doc.Tickets < 1 || template.Meaning == "" || !strings.HasPrefix(template.Name, string(s.Codec.Name)) {
				t.Errorf("template %s: %v", template.Name, bad)
			}
		}
	}
}

// row makes a request of a template's example, as package bulk does of a row.
func (s Subject) row(t testing.TB, cells [][2]string, now time.Time) json.RawMessage {
	t.Helper()
	c := s.Codec.Columns
	order, items := map[string]json.RawMessage{}, map[string]map[string]json.RawMessage{}
	for _, cell := range cells {
		title, example := cell[0], cell[1]
		switch example {
		case "":
			continue
		case providers.Soon:
			example = now.In(providers.Taiwan).AddDate(0, 2, 0).Format("20060102")
		case providers.Later:
			example = now.In(providers.Taiwan).AddDate(1, 0, 0).Format("20060102")
		}
		name := strings.TrimRight(title, "0123456789")
		value := json.RawMessage(fmt.Sprintf("%q", example))
		if slices.Contains(c.Numbers, name) {
			value = json.RawMessage(example)
		}
		switch {
		case slices.Contains(c.Scalars, title):
			order[title] = value
		case slices.Contains(c.Items, name):
			n := title[len(name):]
			if items[n] == nil {
				items[n] = map[string]json.RawMessage{}
			}
			items[n][name] = value
		default:
			t.Errorf("the template's %s is no column", title)
		}
	}
	if len(items) > 0 {
		var list []json.RawMessage
		for _, item := range items {
			list = append(list, object(t, item))
		}
		raw, err := json.Marshal(list)
		if err != nil {
			t.Fatal(err)
		}
		order[c.ItemsField] = raw
	}
	return object(t, order)
}
