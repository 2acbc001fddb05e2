package console_test

import (
	"fmt"
	"strings"
	"testing"

	"issuance/internal/ledger"
)

// A long history is folded, all of it is on the page, and the browser unfolds it without a script.
func TestALongHistoryIsFoldedAndWhole(t *testing.T) {
	h := open(t, "")
	r := h.enqueue(shop, "LONG")
	for i := range 40 {
		if err := h.ledger.Decided(t.Context(), ledger.Decision{What: "show", Ref: r, Who: "angela", Reason: fmt.Sprintf("reason no. %d.", i)}); err != nil {
			t.Fatal(err)
		}
	}
	text := h.browser().page(at(r))
	_, rest, found := strings.Cut(text, `<details class="fold" id="older-timeline"><summary>26 earlier</summary>`)
	older, latest, closed := strings.Cut(rest, "</details>")
	if !found || !closed {
		t.Fatalf("the history is not folded: %s", text)
	}
	for i := range 40 {
		part, name := older, "older"
		if i >= 25 { // the order's beginning is the oldest of all
			part, name = latest, "latest"
		}
		if !strings.Contains(part, fmt.Sprintf("reason no. %d.", i)) {
			t.Errorf("decision %d is not in the %s part", i, name)
		}
	}
}
