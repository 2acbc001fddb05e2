package ledger

import (
	"slices"
	"strings"
	"testing"

	"issuance/providers"
	"issuance/tasks/order"
)

// What became of tickets is part of everything that happened to their order.
func TestAStoryHasWhatBecameOfTickets(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		r := issuedOrder(t, b)
		if list, err := b.Story(b.ctx, order.Ref{Account: shop, OrderID: "UNKNOWN"}); err != nil || len(list) != 0 {
			t.Errorf("an unknown order: %v, %v", list, err)
		}
		b.see(t, r, sights(providers.Unused, providers.Unused, providers.Unused)...)
		b.see(t, r, TicketSight{Status: providers.Refunded}, TicketSight{Status: providers.Refunded, Elsewhere: true}, TicketSight{Status: providers.Unused})
		list, err := b.Story(b.ctx, r)
		must(t, err)
		var tickets []string
		for _, s := range list[0].History {
			if s.Event == "ticket" {
				tickets = append(tickets, s.Detail)
			}
		}
		if want := []string{"1 refunded", "2 refunded refunded_elsewhere"}; !slices.Equal(tickets, want) {
			t.Errorf("%q, want %q", tickets, want)
		}
		if !slices.IsSortedFunc(list[0].History, func(x, y Step) int { return x.At.Compare(y.At) }) {
			t.Errorf("not in the order of time: %+v", list[0].History)
		}
	})
}

// An event's id names what the event is about.
func TestAnEventsIDNamesWhatItIsAbout(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		r := issuedOrder(t, b)
		b.see(t, r, sights(providers.Redeemed)...)
		list, err := b.Events(b.ctx, "0", 100, 0)
		must(t, err)
		if len(list) != 2 {
			t.Fatalf("%d events", len(list))
		}
		for _, want := range list {
			got, ok := ParseEventID(want.ID)
			if !ok || got.ID != want.ID || got.Ref != want.Ref || got.Ticket != want.Ticket || got.State != want.State {
				t.Errorf("%s is %+v", want.ID, got)
			}
		}
	})
	got, ok := ParseEventID(shop.String() + "/A1/ticket/refunded/1") // a refund of that name
	if !ok || got.RefundID != "ticket" || got.Ticket != 0 || got.State != order.Refunded {
		t.Errorf("%+v", got)
	}
	for _, id := range []string{"", "A1", "test", strings.Repeat("/", 3), shop.String() + "/A1/issued"} {
		if e, ok := ParseEventID(id); ok {
			t.Errorf("%q is %+v", id, e)
		}
	}
}
