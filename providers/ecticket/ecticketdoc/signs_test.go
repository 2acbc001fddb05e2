package ecticketdoc_test

import (
	"encoding/json"
	"strings"
	"testing"

	"issuance/providers/ecticket/ecticketdoc"
)

// The first wrong sign of a name is said with what ECTicket takes instead; letters and digits never are.
func TestAWrongSignIsSaidWithItsReplacement(t *testing.T) {
	const name = "must be pure Chinese or pure English, not mixed, without digits or other signs"
	const item = "may hold Chinese, English, digits and ()_/,.$%- only; no spaces, no full-width characters"
	for _, c := range []struct{ field, value, rule string }{
		{"CustomerName", "尤瑪•達陸", name + `; write "·" (U+00B7, the dot of names) or nothing for '•'`},
		{"CustomerName", "尤瑪.達陸", name + `; write "·" (U+00B7, the dot of names) or nothing for '.'`},
		{"CustomerName", "王 小明", name + "; write nothing, or \"·\" (U+00B7, the dot of names), for the space (U+0020)"},
		{"CustomerName", "王　小明", name + "; write nothing, or \"·\" (U+00B7, the dot of names), for the full-width space (U+3000)"},
		{"CustomerName", "王\t小明", name + "; write nothing, or \"·\" (U+00B7, the dot of names), for the tab (U+0009)"},
		{"CustomerName", "王小明（先生）", name + "; write nothing for '（'"},
		{"CustomerName", "Mary O’Neil", name + `; write "'" for '’'`},
		{"CustomerName", "Anne—Marie", name + `; write "-" for '—'`},
		{"CustomerName", "Lee, Mary", name + "; write nothing for ','"},
		{"CustomerName", "Mary\u00a0Lee", name + "; write a half-width space for the no-break space (U+00A0)"},
		{"CustomerName", "王 Mary", name}, // no sign would mend it
		{"CustomerName", "王小明7", name},
		{"CustomerName", "José Lee", name},
		{"ItemName", "五星（渡假）", item + `; write "(" for '（'`},
		{"ItemName", "SPA 課程", item + "; write \"_\" (or nothing) for the space (U+0020)"},
		{"ItemName", "課程＋午餐", item + "; write nothing for '＋'"},
		{"ItemName", "ＳＰＡ課程", item},
	} {
		doc := map[string]any{"MerchantTradeNo": "O1", "IssueType": "4", "Operator": "A",
			"TicketInfo": []map[string]any{{"ItemName": "五星渡假飯店", "TicketPrice": 1, "TicketAmount": 1}}}
		if c.field == "ItemName" {
			doc["TicketInfo"].([]map[string]any)[0]["ItemName"] = c.value
		} else {
			doc[c.field] = c.value
		}
		raw, err := json.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		_, bad := ecticketdoc.Parse("", raw, ecticketdoc.Options{})
		if bad == nil || len(bad.Violations) != 1 || bad.Violations[0].Rule != c.rule || !strings.HasSuffix(bad.Violations[0].Path, c.field) {
			t.Errorf("%s %q: %v, want %s", c.field, c.value, bad, c.rule)
		}
	}
}
