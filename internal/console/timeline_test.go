package console_test

import (
	"strings"
	"testing"
	"time"

	"issuance/internal/ledger"
)

// Whoever is on call sees which line was a request, which was only a look, and that a replay of an event is a notice and no
// second sale.
func TestOnlyRequestsOfATimelineAreMarkedAsSent(t *testing.T) {
	h := open(t, "")
	r := h.enqueue(shop, "A1")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	claim := func() string {
		t.Helper()
		c, err := h.ledger.Claim(t.Context(), r, "worker-1", time.Minute)
		must(err)
		return c.Record.Fence
	}
	for _, outcome := range []ledger.Release{ledger.NotSent, ledger.Unknown} {
		fence := claim()
		_, _, err := h.ledger.Submit(t.Context(), r, fence, ledger.Intent{Host: "h", Lease: time.Minute, Ticket: -1})
		must(err)
		_, err = h.ledger.GiveBack(t.Context(), r, fence, outcome, ledger.Reason{Code: "timeout"})
		must(err)
	}
	b := h.browser()
	text := b.page(at(r))
	if n := strings.Count(text, `<span class="badge busy">sent</span>`); n != 1 || !strings.Contains(text, "it certainly did not reach the provider") {
		t.Errorf("%d requests are marked as sent: %s", n, text)
	}
}
