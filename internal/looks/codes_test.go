package looks

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"issuance/internal/testredis"
	"issuance/providers"
)

// A notice that names a ticket by its redemption code alone finds its order. The code, which redeems the ticket, stands in no
// log, and in Redis nowhere but in the sealed notice.
func TestARedemptionCodeFindsItsOrder(t *testing.T) {
	const code, held = "w00000000000001145", "w00000000000001146"
	s := testredis.Mini(t)
	b := startOver(t, s)
	b.issued("A1", 2)
	b.fake.set("A1", "A1T1", providers.Redeemed)
	b.fake.orders["A1"][0].WriteOffNo = code
	b.notice(`{"WriteOffNo":"` + code + `"}`)
	b.look(0)
	b.wantCalls("code "+code, "list A1")
	b.wantSaw("A1/1 redeemed")
	b.notice(`{"WriteOffNo":"` + held + `"}`)
	b.fake.out = providers.Outcome{Kind: providers.Held, RetryAfter: time.Hour}
	b.look(time.Second)
	for _, secret := range []string{code, held} {
		if strings.Contains(b.log.String(), secret) || strings.Contains(fmt.Sprint(s.Dump(t.Context())), secret) {
			t.Error("the code is kept in the clear")
		}
	}
	b.look(time.Hour)
	if !strings.Contains(b.log.String(), "names no order") || strings.Contains(b.log.String(), held) {
		t.Errorf("log: %s", b.log.String())
	}
	b.nothingLeft()
}

// A long notice of codes is gone through a few at a time, behind its tickets, and none is asked for twice.
func TestManyCodesGetThrough(t *testing.T) {
	b := start(t)
	b.issued("A1", 1)
	b.fake.set("A1", "A1T1", providers.Redeemed)
	b.fake.orders["A1"][0].WriteOffNo = "w00000000000000012"
	list := []string{`{"TicketNo":"ELSEWHERE"}`}
	for i := range 13 {
		list = append(list, fmt.Sprintf(`{"WriteOffNo":"w%017d"}`, i))
	}
	b.notice(`[` + strings.Join(list, ",") + `]`)
	for range 10 {
		b.look(time.Minute)
	}
	if len(b.fake.calls) != 15 || b.fake.calls[0] != "ticket ELSEWHERE" {
		t.Errorf("calls %q", b.fake.calls)
	}
	b.wantSaw("A1/1 redeemed")
	b.nothingLeft()
}

// A code beside the number of its order or ticket costs no call of its own.
func TestACodeBesideItsNumberIsNotAskedFor(t *testing.T) {
	b := start(t)
	b.issued("A1", 1)
	b.fake.set("A1", "A1T1", providers.Redeemed)
	b.notice(`{"MerchantTradeNo":"A1","List":[{"WriteOffNo":"w00000000000000001"}]}`)
	b.look(0)
	b.look(time.Minute)
	b.wantCalls("list A1")
	b.wantSaw("A1/1 redeemed")
	b.nothingLeft()
}
