package notices

import (
	"slices"
	"strings"
	"testing"
)

// What may be a redemption code is one unless the notice says by number whose it is, and is no order and no ticket.
func TestWhichRedemptionCodesANoticeNames(t *testing.T) {
	const a, b = "w00000000000001145", "LEU4loiSZ9TDTWAtxL"
	for body, want := range map[string][]string{
		`{"WriteOffNo":"` + a + `"}`:                                        {a},
		`{"write_off_no":"W1","UseStatus":2}`:                               {"W1"},
		`{"Barcode":"` + b + `","TicketTradeNo":"2022030215301234"}`:        {b},
		`WriteOffNo=` + a + `&UseStatus=2`:                                  {a},
		`{"WriteOffNo":["` + a + `","` + b + `","` + a + `"]}`:              {a, b},
		`{"List":"[{\"WriteOffNo\":\"` + a + `\"}]"}`:                       {a},
		`{"List":[{"WriteOffNo":"` + a + `"},{"TicketNo":"T1"}]}`:           {a},
		`{"List":[{"WriteOffNo":"` + a + `","TicketNo":""}],"cut":{"x":"y"`: {a},
		`{"WriteOffNo":"` + a + `","TicketNo":"T1"}`:                        nil,
		`{"WriteOffNo":"` + a + `","TicketNo":["T1"]}`:                      nil,
		`{"List":[{"WriteOffNo":"` + a + `"}],"MerchantTradeNo":"A1"}`:      nil,
		`{"List":"[{\"WriteOffNo\":\"` + a + `\"}]","FreeTradeNo":"F1"}`:    nil,
		`WriteOffNo=` + a + `&MerchantTradeNo=A1`:                           nil,
		`{"MerchantTradeNo":"` + a + `"}`:                                   nil,
		`{"WriteOffNo":"` + a + `0","x":"` + strings.Repeat("y", 17) + `"}`: nil,
	} {
		got := Read([]byte(body))
		if !slices.Equal(got.Codes, want) {
			t.Errorf("%s names %q, want %q", body, got.Codes, want)
		}
		if strings.Contains(body, "rite") && (slices.Contains(got.Orders, a) || slices.Contains(got.Tickets, a)) {
			t.Errorf("%s: a code is a number, too: %+v", body, got)
		}
	}
	if got := Read([]byte(`{"WriteOffNo":"CB2SY20220302153"}`)); len(got.Tickets)+len(got.Orders) > 0 || len(got.Codes) != 1 {
		t.Errorf("a code of a ticket's length: %+v", got)
	}
}
