package console_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"issuance/internal/console"
	"issuance/internal/keys"
	"issuance/internal/seal"
	"issuance/tasks"
)

// Filters and uploads offer the accounts that workers serve or that have orders, not the one that a provider would have by default.
func TestOnlyAccountsThatAreServedOrHaveOrdersAreOffered(t *testing.T) {
	now := time.Now()
	h := openWith(t, "", func(h *house, _ string) { h.with = func(c *console.Config) { c.Now = func() time.Time { return now } } })
	b := h.browser()
	idle, err := h.client.Account(t.Context(), tasks.Account{Provider: "pass2u"})
	if err != nil {
		t.Fatal(err)
	}
	option := func(a tasks.Account) string { return "<option>" + a.String() + "</option>" }
	pages := []string{"/console/", "/console/bulk", "/console/reviews"}
	for _, page := range pages {
		if text := b.page(page); !strings.Contains(text, option(shop)) || !strings.Contains(text, option(other)) || strings.Contains(text, idle.String()) {
			t.Errorf("%s offers something else than %s and %s: %s", page, shop, other, text)
		}
	}
	if !strings.Contains(b.page("/console/?account="+idle.String()), "<option selected>"+idle.String()+"</option>") {
		t.Error("the account of the address is not the one that is chosen")
	}
	// An order waits for a worker that nobody has started yet.
	if err := h.rdb.Del(t.Context(), keys.Accounts).Err(); err != nil {
		t.Fatal(err)
	}
	doc, err := os.ReadFile("../../examples/pass2u-order.json")
	if err != nil {
		t.Fatal(err)
	}
	shopSystem, err := tasks.NewClient(h.rdb, tasks.Options{SealKeys: seal.SandboxKey()})
	if err == nil {
		_, err = shopSystem.Enqueue(t.Context(), doc)
	}
	if err != nil {
		t.Fatal(err)
	}
	now = now.Add(time.Minute)
	for _, page := range pages[:2] {
		if !strings.Contains(b.page(page), option(idle)) {
			t.Errorf("%s does not offer %s, which has an order", page, idle)
		}
	}
}
