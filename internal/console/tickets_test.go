package console_test

import (
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/keys"
	"issuance/internal/ledger"
	"issuance/providers"
	"issuance/tasks/order"
)

// see records what a look at the provider shows of an order's tickets.
func (h *house) see(r order.Ref, sights ...ledger.TicketSight) {
	h.t.Helper()
	before, err := h.ledger.TicketList(h.t.Context(), r)
	if err == nil {
		_, err = h.ledger.SeeTickets(h.t.Context(), r, before, sights, "s1.k.numbers")
	}
	if err != nil {
		h.t.Fatal(err)
	}
}

// What became of tickets, and the notices of it, are on the pages as ends are.
func TestAnOrdersPageShowsWhatBecameOfItsTickets(t *testing.T) {
	h := open(t, "")
	h.receive(t, func() {})
	h.serve("")
	b := h.browser()
	r := h.enqueue(shop, "A1")
	for strings.Contains(b.page("/console/webhooks"), "No front door has served") || strings.Contains(b.page("/console/webhooks"), ">new<") {
		if t.Context().Err() != nil {
			t.Fatal("the endpoint is not announced")
		}
	}
	h.end(r, ledger.Ending{State: order.Issued})
	h.see(r, ledger.TicketSight{Status: providers.Redeemed}, ledger.TicketSight{Status: providers.Refunded, Elsewhere: true}, ledger.TicketSight{Status: providers.Unused})
	for !strings.Contains(b.page("/console/webhooks"), "ticket.refunded") {
		if t.Context().Err() != nil {
			t.Fatal("the delivery is not shown")
		}
	}
	if text := b.page("/console/webhooks"); !strings.Contains(text, "<code>order.issued</code>") || !strings.Contains(text, `<span class="sub">Ticket 2</span>`) {
		t.Errorf("the deliveries do not name their events: %s", text)
	}
	for lang, want := range map[string][]string{
		"en": {"1 redeemed, 1 refunded elsewhere, 1 unused", "Ticket 1 redeemed", "Ticket 2 refunded refunded_elsewhere — ", "/ticket/2/refunded/1", "<code>ticket.redeemed</code>"},
		"zh": {"1 張已核銷、1 張他處已退款、1 張未使用", "第 1 張 已核銷", "第 2 張 已退款 refunded_elsewhere — 票券已由他人退款。"},
	} {
		b.lang = lang
		text := b.page(at(r))
		for _, w := range want {
			if !strings.Contains(text, w) {
				t.Errorf("the page in %s lacks %q: %s", lang, w, text)
			}
		}
	}
}

// A notice of a ticket that fails is seen as any other.
func TestAFailingNoticeOfATicketIsShown(t *testing.T) {
	h := open(t, "")
	h.receive(t, func() {})
	h.serve("")
	b := h.browser()
	for strings.Contains(b.page("/console/webhooks"), "No front door has served") {
		if t.Context().Err() != nil {
			t.Fatal("the endpoint is not announced")
		}
	}
	r := h.enqueue(shop, "A1")
	fields := []any{"at", time.Now().UnixMilli(), "id", r.String() + "/ticket/1/redeemed/1", "try", 3, "outcome", "failed", "status", 503}
	if err := h.rdb.XAdd(t.Context(), &redis.XAddArgs{Stream: keys.Webhook("shop") + "log", Values: fields}).Err(); err != nil {
		t.Fatal(err)
	}
	for _, page := range []string{"/console/webhooks", at(r)} {
		if text := b.page(page); !strings.Contains(text, "failed") || !strings.Contains(text, "ticket.redeemed") {
			t.Errorf("%s does not show the failure: %s", page, text)
		}
	}
}
