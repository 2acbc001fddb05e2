package tasks

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"issuance/providers"
)

// several are rules for two merchants, the second of which works under escrow; the first is the default if there is one.
func several(withDefault bool) Rules {
	return Rules{Merchants: func(id string) (Merchant, bool) {
		switch id {
		case "1":
			return Merchant{ID: "1"}, true
		case "2":
			return Merchant{ID: "2", Escrow: true}, true
		case "":
			return Merchant{ID: "1"}, withDefault
		}
		return Merchant{}, false
	}}
}

// A document's merchant decides whose order it is and which rules hold; without one it is the default's, or a violation.
func TestADocumentsMerchantChoosesTheAccount(t *testing.T) {
	document := func(account, fields string) []byte {
		return fmt.Appendf(nil, `{"provider":"ecticket"%s,"request":{%s"MerchantTradeNo":"A1","IssueType":"4","Operator":"me","TicketInfo":[{"ItemName":"一日入場券","TicketPrice":500,"TicketAmount":2}]}}`, account, fields)
	}
	for _, c := range []struct {
		account, fields string
		rules           Rules
		want, says      string
	}{
		{"", "", several(true), "ecticket:1", ""},
		{"", "", several(false), "", "request.MerchantID: is required"},
		{"", `"MerchantID":"1",`, several(false), "ecticket:1", ""},
		{"", `"MerchantID":"2","PaymentProvider":"2",`, several(true), "ecticket:2", ""},
		{"", `"MerchantID":"2",`, several(true), "", "PaymentProvider"}, // its own rules hold
		{"", `"MerchantID":"3",`, several(true), "", "request.MerchantID: must be a configured merchant's"},
		{`,"account":"ecticket:1"`, "", several(false), "ecticket:1", ""},
		{`,"account":"ecticket:3"`, "", several(true), "", "account: must be a configured merchant's"},
		{`,"account":"ecticket:1"`, `"MerchantID":"2","PaymentProvider":"2",`, several(true), "", "account: must be the merchant that the request names"},
	} {
		o, err := ParseOrder(document(c.account, c.fields), c.rules)
		var invalid *providers.InvalidError
		switch {
		case c.want != "" && (err != nil || o.Account.String() != c.want):
			t.Errorf("%s %s: %v %v", c.account, c.fields, o, err)
		case c.want == "" && (!errors.As(err, &invalid) || !strings.Contains(err.Error(), c.says)):
			t.Errorf("%s %s: %v does not say %q", c.account, c.fields, err, c.says)
		}
	}
}

// Refunds are found by the same rule, and so is the account that the provider's name alone means.
func TestARefundsMerchantChoosesTheAccount(t *testing.T) {
	for fields, want := range map[string]string{"": "ecticket:1", `"MerchantID":"2",`: "ecticket:2"} {
		r, err := ParseRefund([]byte(`{"provider":"ecticket","refund_id":"R1","request":{`+fields+`"MerchantTradeNo":"A1","all":true}}`), several(true))
		if err != nil || r.Account.String() != want {
			t.Errorf("%s: %v %v", fields, r, err)
		}
	}
	if _, err := ParseRefund([]byte(`{"provider":"ecticket","refund_id":"R1","request":{"MerchantTradeNo":"A1","all":true}}`), several(false)); err == nil {
		t.Error("a refund of nobody's order is accepted")
	}
	if p := several(true).forProvider(providers.ECTicket); p.Merchant != "1" {
		t.Errorf("%+v", p)
	}
}
