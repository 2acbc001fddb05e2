package tasks

import (
	"errors"
	"fmt"
	"slices"
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
		{"", `"MerchantID":"3",`, several(true), "", "request.MerchantID: must be a configured merchant's (found: merchant 3)"},
		{"", `"MerchantID":"Kanarie-Kanarie-",`, several(true), "", "must be a configured merchant's (found: string of 16 characters)"}, // may be a key
		{`,"account":"ecticket:1"`, "", several(false), "ecticket:1", ""},
		{`,"account":"ecticket:3"`, "", several(true), "", "account: must be a configured merchant's (found: merchant 3)"},
		{`,"account":"ecticket:1"`, `"MerchantID":"2","PaymentProvider":"2",`, several(true), "", "account: must be the merchant that the request names, or be left out (found: merchant 1)"},
		{`,"account":"ecticket:1"`, `"MerchantID":"2",`, several(true), "", "account: must be the merchant that the request names, or be left out (found: merchant 1)"}, // beside another mistake, too
		{`,"account":"ecticket:1"`, `"MerchantID":"2","Nonsense":1,`, Rules{}, "", "account: must be the merchant that the request names, or be left out (found: merchant 1)"},
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

// Whoever has settings of its own for a provider's accounts goes by them alone: without a default there, a document without a merchant
// is refused, and so is one of an account that is not there, while workers serve both.
func TestOwnAccountsAreGoneByAlone(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		gifts := Account{Provider: providers.Pass2U, Merchant: "gifts"}
		for _, a := range []Account{shop, second, pass, gifts} {
			b.announce(t, a, a == shop || a == pass)
		}
		own := map[providers.Name][]Account{providers.ECTicket: {shop, second}, providers.Pass2U: {gifts}}
		c := b.clientWith(t, Options{SealKeys: newKey, Rules: Rules{Now: before, Accounts: func(p providers.Name) []Account { return own[p] },
			Merchants: func(id string) (Merchant, bool) {
				return Merchant{ID: id}, id == shop.Merchant || id == second.Merchant
			}}})
		unnamed := Account{Provider: providers.ECTicket}
		prepared := func(a Account) error {
			o, err := ParseRequest(shop, parsed(t, orderDoc("O1")).Request, Rules{Now: before}, false)
			must(t, err)
			o.Account = a
			return failure(c.EnqueueOrder(b.ctx, o))
		}
		for what, refused := range map[string]struct {
			err  error
			a    Account
			list []Account
		}{
			"a question":          {failure(c.Account(b.ctx, unnamed)), unnamed, own[providers.ECTicket]},
			"an order":            {prepared(unnamed), unnamed, own[providers.ECTicket]},
			"a removed account":   {failure(c.Served(b.ctx, pass)), pass, own[providers.Pass2U]},
			"a document of it":    {failure(c.Enqueue(b.ctx, printed(t, "pass2u"))), pass, own[providers.Pass2U]},
			"an unknown merchant": {prepared(Account{Provider: providers.ECTicket, Merchant: "9"}), Account{Provider: providers.ECTicket, Merchant: "9"}, own[providers.ECTicket]},
		} {
			var e *UnknownAccountError
			if !errors.As(refused.err, &e) || !e.Own || e.Account != refused.a || !slices.Equal(e.Served, refused.list) || !strings.Contains(refused.err.Error(), "configured here") {
				t.Errorf("%s: %v", what, refused.err)
			}
		}
		if a, err := c.Account(b.ctx, pass); err != nil || a != pass {
			t.Errorf("a question about an account that was removed: %v, %v", a, err)
		}
		if err := prepared(second); err != nil {
			t.Error(err)
		}
		own[providers.Pass2U] = nil
		if a, err := c.Served(b.ctx, pass); err != nil || a != pass {
			t.Errorf("without accounts of a provider, workers decide: %v, %v", a, err)
		}
	})
}
