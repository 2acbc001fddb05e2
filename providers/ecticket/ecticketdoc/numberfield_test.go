package ecticketdoc

import (
	"encoding/json"
	"testing"
)

// An order whose every item shows itself as a gift voucher, and no other, goes by the number of gift vouchers.
func TestOnlyAnOrderOfGiftsAloneGoesByFreeTradeNo(t *testing.T) {
	const gift, pickup = `{"ItemNo":"G1","ExpireDate":"20991231"}`, `{"ItemNo":"P1"}`
	for request, want := range map[string]string{
		`{"TicketInfo":[` + gift + `]}`:                            "FreeTradeNo",
		`{"TicketInfo":[` + gift + `,` + gift + `]}`:               "FreeTradeNo",
		`{"IssueType":"4","TicketInfo":[{"ExpireDate":"soon"}]}`:   "FreeTradeNo",
		`{"TicketInfo":[` + gift + `,` + pickup + `]}`:             "MerchantTradeNo",
		`{"TicketInfo":[` + pickup + `]}`:                          "MerchantTradeNo",
		`{"TicketInfo":[{"ItemNo":"P1","ExpireDate":""}]}`:         "MerchantTradeNo",
		`{"TicketInfo":[{"ItemNo":"P1","ExpireDate":null}]}`:       "MerchantTradeNo",
		`{"TicketInfo":[{"ItemNo":"P1","expiredate":"20991231"}]}`: "MerchantTradeNo",
		`{"TicketInfo":[]}`:                                        "MerchantTradeNo",
		`{"TicketInfo":"x"}`:                                       "MerchantTradeNo",
		`{"TicketInfo":[1,{}]}`:                                    "MerchantTradeNo",
		`{"TicketInfo":[null]}`:                                    "MerchantTradeNo",
		`{}`:                                                       "MerchantTradeNo",
		`[]`:                                                       "MerchantTradeNo",
		`{"TicketInfo":[` + gift:                                   "MerchantTradeNo",
	} {
		if got := numberField(json.RawMessage(request)); got != want {
			t.Errorf("%s: %s, want %s", request, got, want)
		}
	}
}
