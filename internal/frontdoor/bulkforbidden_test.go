package frontdoor_test

import (
	"strings"
	"testing"

	"issuance/internal/doortest"
	"issuance/internal/frontdoor"
	"issuance/tasks"
)

// TestAForbiddenLineOfABulkIsAWrongLine: it is named, with its code, and keeps no other line from being enqueued.
func TestAForbiddenLineOfABulkIsAWrongLine(t *testing.T) {
	path, secrets := doortest.TokensFile(t, "shop orders ecticket:2000132")
	h := openUnruled(t, shop, tasks.Account{Provider: shop.Provider, Merchant: "3085676"})
	h.serve(path)
	h.token = secrets["shop"]
	line := func(id, merchant string) string {
		request := strings.Replace(strings.ReplaceAll(body, "\n", ""), "{", `{"MerchantTradeNo":"`+id+`","MerchantID":"`+merchant+`",`, 1)
		return `{"provider":"ecticket","request":` + request + "}\n"
	}
	file := line("F1", "2000132") + line("F2", "3085676") + line("F3", "2000132")
	for _, query := range []string{"?dry_run=true", ""} {
		receipts, wrong, done := h.bulk(query, file)
		if len(wrong) != 1 || wrong[0].Line != 2 || wrong[0].Code != "forbidden" || wrong[0].OrderID != "F2" || len(wrong[0].Violations) != 1 ||
			!strings.Contains(wrong[0].Violations[0].Rule, "ecticket:3085676") {
			t.Errorf("%s: wrong lines %+v", query, wrong)
		}
		if want := (frontdoor.BulkDone{Complete: true, Lines: 3, Enqueued: 2, Invalid: 1}); done != want {
			t.Errorf("%s: %+v, want %+v", query, done, want)
		}
		if query == "" && strings.Join(receipts, " ") != "F1 F3" {
			t.Errorf("receipts %v", receipts)
		}
	}
}
