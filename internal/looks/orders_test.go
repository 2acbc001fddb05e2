package looks

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"issuance/providers"
)

// A notice that names tickets alone finds their order, wherever in it they stand.
func TestATicketFindsItsOrder(t *testing.T) {
	b := start(t)
	b.issued("A1", 1)
	b.issued("B1", 1)
	b.fake.set("A1", "A1T1", providers.Redeemed)
	b.fake.set("B1", "B1T1", providers.Redeemed)
	b.notice(`{"List":[{"TicketNo":"A1T1"},{"TicketNo":"UNKNOWN"}]}`)
	b.look(0)
	b.wantCalls("ticket A1T1", "ticket UNKNOWN", "list A1")
	b.notice(`{"MerchantTradeNo":"A1","TicketNo":["A1T1","B1T1"]}`) // the one is known now, the other is another order's
	b.look(time.Second)
	b.look(time.Minute)
	b.wantCalls("list A1", "ticket B1T1", "list B1")
	b.wantSaw("A1/1 redeemed", "B1/1 redeemed")
}

// The provider's own id of an order is found by a search; what names nothing known is reported and done.
func TestTheProvidersIDIsSearchedFor(t *testing.T) {
	b := start(t)
	b.issued("A1", 1)
	b.fake.set("A1", "A1T1", providers.Redeemed)
	b.notice(`{"TicketTradeNo":"PROVIDERA1"}`)
	b.look(0)
	b.wantSaw("A1/1 redeemed")
	b.notice(`{"TicketTradeNo":"PROVIDERA2"}`)
	b.look(0)
	if !strings.Contains(b.log.String(), "names no order") || strings.Contains(b.log.String(), "PROVIDERA2") {
		t.Errorf("log: %s", b.log.String())
	}
	if _, ok, err := b.Notices.Take(t.Context()); ok || err != nil {
		t.Error("a look is left", err)
	}
}

// A notice of many tickets is gone through a few at a time and none is asked for twice, whatever comes between.
func TestALongNoticeGetsThrough(t *testing.T) {
	b := start(t)
	var list []string
	for i := range 23 {
		list = append(list, fmt.Sprintf(`{"TicketNo":"ELSEWHERE%d"}`, i))
	}
	b.issued("A1", 1)
	b.fake.set("A1", "A1T1", providers.Redeemed)
	b.notice(`{"List":[` + strings.Join(list, ",") + `,{"TicketNo":"A1T1"}]}`)
	for len(b.saw()) == 0 {
		if len(b.fake.calls) == 7 || len(b.fake.calls) == 11 {
			b.fake.out = providers.Outcome{Kind: providers.Held, RetryAfter: time.Hour}
			if pause, err := b.Due(t.Context()); err != nil || pause != time.Hour {
				t.Fatalf("pause %s, %v", pause, err)
			}
		}
		if b.look(time.Hour); len(b.fake.calls) > 30 {
			t.Fatalf("calls %v", b.fake.calls)
		}
	}
	slices.Sort(b.fake.calls)
	if n := len(slices.Compact(b.fake.calls)); n != 25 {
		t.Errorf("%d different calls: %v", n, b.fake.calls)
	}
	b.nothingLeft()
}

// Orders of another system of the merchant's cost a call for each of their tickets and no search of the records.
func TestOrdersOfAnotherSystemAreNotSearchedFor(t *testing.T) {
	b := start(t)
	b.issued("A1", 1)
	b.fake.orders["OTHERSYSTEM1"] = []providers.Ticket{{TicketNo: "O1", UseStatus: providers.Redeemed}}
	b.rdb.AddHook(refusing("SCAN", t))
	b.notice(`{"TicketNo":"O1","TicketTradeNo":"PROVIDERA1"}`)
	b.notice(`{"MerchantTradeNo":"OTHERSYSTEM1","TicketTradeNo":"PROVIDERA1","RefundAmount":100}`)
	b.look(0)
	b.wantCalls("ticket O1")
	b.wantSaw()
	b.nothingLeft()
}
