package tasks

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"issuance/providers"
)

// The providers' own examples are valid input, pasted as they are printed.
func TestThePrintedExamplesAreOrders(t *testing.T) {
	for name, want := range map[string]struct {
		provider providers.Name
		id       string
		tickets  int
	}{
		"ecticket-convenience": {providers.ECTicket, "CBX20220302153064851", 8},
		"ecticket-paper":       {providers.ECTicket, "CBX20220302153064851", 20},
		"ecticket-electronic":  {providers.ECTicket, "CBX20220302153064851", 14},
		"ecticket-serial":      {providers.ECTicket, "CBX20220302153064851", 6},
		"pass2u":               {providers.Pass2U, "P00001", 2},
	} {
		o, err := ParseOrder(printed(t, name), rules)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if o.Account.Provider != want.provider || o.ID != want.id || o.Tickets != want.tickets || !json.Valid(o.Request) {
			t.Errorf("%s is read as %s with %d tickets", name, o, o.Tickets)
		}
		wantAccount := shop
		if want.provider == providers.Pass2U {
			wantAccount = Account{Provider: providers.Pass2U, Merchant: "main"}
		}
		if r := o.Ref(); r != (Ref{Account: wantAccount, OrderID: want.id}) {
			t.Errorf("%s: it is %s", name, r)
		}
	}
	r, err := ParseRefund(printed(t, "pass2u-refund"), rules)
	if err != nil || r.Account.Provider != providers.Pass2U || r.OrderID != "P100001" || r.RefundID != "R1" {
		t.Errorf("the printed refund: %v, %v", r, err)
	}
}

// A refund names its tickets, their number, or all; the id is the caller's.
func TestRefundsOfBothProviders(t *testing.T) {
	for _, doc := range []string{
		`{"provider":"ecticket","refund_id":"R1","request":{"MerchantTradeNo":"O1","TicketNo":["A1","A2"]}}`,
		`{"provider":"ecticket","refund_id":"a.b_c-9","request":{"FreeTradeNo":"O1","quantity":2}}`,
		`{"provider":"ecticket","refund_id":"` + strings.Repeat("x", 64) + `","request":{"MerchantTradeNo":"O1","all":true}}`,
		`{"provider":"pass2u","refund_id":"R1","request":{"channelOrderId":"O1","quantity":1}}`,
		`{"provider":"pass2u","refund_id":"R1","request":{"channelOrderId":"O1","all":true}}`,
	} {
		if r, err := ParseRefund([]byte(doc), Rules{}); err != nil || r.OrderID != "O1" {
			t.Errorf("%s: %v, %v", doc, r, err)
		}
	}
	for _, id := range []string{"", "a b", "a/b", "a:b", "é", ".", "..", strings.Repeat("x", 65), "a\\nb"} {
		_, err := ParseRefund([]byte(`{"provider":"pass2u","refund_id":"`+id+`","request":{"channelOrderId":"O1","all":true}}`), Rules{})
		if e := invalid(t, err); len(e.Violations) != 1 || e.Violations[0].Path != "refund_id" || !strings.Contains(e.Violations[0].Rule, "refunds once") {
			t.Errorf("refund id %q: %v", id, err)
		}
	}
	_, err := ParseRefund([]byte(`{"provider":"pass2u","refund_id":7,"request":{"channelOrderId":"O1","all":true}}`), Rules{})
	if e := invalid(t, err); len(e.Violations) != 1 || e.Violations[0].Rule != "must be a string" {
		t.Errorf("a number as refund id: %v", err)
	}
}

// Everything that is wrong is reported at once, in the envelope and in the request.
func TestAllViolationsAreReportedAtOnce(t *testing.T) {
	_, err := ParseRefund([]byte(`{"provider":"ecticket","refund_id":"a b","requst":1,"Provider":"x","request":{"all":true,"quantity":0,"x":1}}`), Rules{})
	var paths []string
	for _, v := range invalid(t, err).Violations {
		paths = append(paths, v.Path)
	}
	for _, want := range []string{"requst", "Provider", "refund_id", "request.x", "request.quantity", "request.MerchantTradeNo"} {
		if !slices.Contains(paths, want) {
			t.Errorf("nothing is said of %s: %v", want, paths)
		}
	}
}

// What is wrong with the envelope is reported with its place, and never what stands there.
func TestWrongEnvelopesAreRefused(t *testing.T) {
	for doc, want := range map[string]string{
		"":                        "document: must be well-formed JSON: it is empty",
		"   ":                     "document: must be well-formed JSON: it is empty",
		`{"provider":`:            "document: must be well-formed JSON: it ends too early",
		`{"provider":"王小明`:        "document: must be well-formed JSON: it ends too early",
		`{"provider";"王小明"}`:      "document: must be well-formed JSON: syntax error at byte 12",
		`{} "王小明"`:                "document: must be well-formed JSON: something follows the document at byte",
		`{}}`:                     "document: must be well-formed JSON: ",
		`[]`:                      "document: must be a JSON object (found: array of 0)",
		`"王小明"`:                   "document: must be a JSON object (found: string of 3 characters)",
		`null`:                    "document: must be a JSON object (found: null)",
		`{}`:                      `provider: must be "ecticket" or "pass2u" (found: missing)`,
		`{"provider":null}`:       `provider: must be "ecticket" or "pass2u" (found: null)`,
		`{"provider":"王小明"}`:      `provider: must be "ecticket" or "pass2u" (found: string of 3 characters)`,
		`{"provider":"ECTicket"}`: `provider: must be "ecticket" or "pass2u" (found: string of 8 characters)`,
		`{"provider":["王小明"]}`:    "provider: must be a string (found: array of 1)",
		`{"provider":"pass2u"}`:   "request: must hold the provider's request body (found: missing)",
		`{"provider":"pass2u","provider":"ecticket","request":{}}`:   "provider: must be given only once",
		`{"provider":"pass2u","request":"王小明"}`:                      "request: must be a JSON object (found: string of 3 characters)",
		`{"provider":"pass2u","request":{},"refund_id":"R1"}`:        "refund_id: is not a field here; known fields: account, provider, request",
		`{"provider":"ecticket","request":{"MerchantID":"2000133"}}`: "request.MerchantID: must be the configured merchant's; leave it out or correct it (found: merchant 2000133)",
	} {
		_, err := ParseOrder([]byte(doc), Rules{MerchantID: "2000132", Now: before})
		if e := invalid(t, err); !strings.Contains(e.Error(), want) {
			t.Errorf("%s: %v, want %s", doc, err, want)
		}
		noCanary(t, "the error", err.Error())
	}
	deep := `{"provider":"pass2u","request":` + strings.Repeat("[", 200_000)
	if _, err := ParseOrder([]byte(deep), rules); err == nil || len(err.Error()) > 500 {
		t.Errorf("endless nesting: %.200v", err)
	}
}

// Text in another encoding, such as Big5, is refused with its place: a decoder would replace what it
// cannot read, and the ticket would be issued to nobody.
func TestTextInAnotherEncodingIsRefusedNotRepaired(t *testing.T) {
	const big5 = "\xa4\xfd\xa4p\xa9\xfa" // 王小明
	utf16 := []byte{'{', 0, '}', 0}
	for name, c := range map[string]struct {
		parse func(raw []byte) error
		raw   []byte
		want  string
	}{
		"order":              {orderError, bytes.Replace(orderDoc("O1"), []byte("王小明"), []byte(big5), 1), "request.CustomerName: must be UTF-8 (found: text in another encoding)"},
		"order, nested":      {orderError, bytes.Replace(orderDoc("O1"), []byte("VQT04959"), []byte(big5), 1), "request.TicketInfo[0].ItemNo: must be UTF-8"},
		"order, escape":      {orderError, bytes.Replace(orderDoc("O1"), []byte("王小明"), []byte(`王\ud800`), 1), "request.CustomerName: must be UTF-8 (found: half of a surrogate pair)"},
		"order, envelope":    {orderError, bytes.Replace(orderDoc("O1"), []byte(`"ecticket"`), []byte(`"`+big5+`"`), 1), "provider: must be UTF-8"},
		"order, broken":      {orderError, utf16, "document: must be well-formed JSON: syntax error at byte 2"},
		"order, broken Big5": {orderError, []byte("{\"provider\":\"\xa5\\x"), ", and it is not UTF-8"},
		"refund":             {refundError, bytes.Replace(refundDoc("O1", "R1"), []byte(canaryTicket), []byte(big5), 1), "request.TicketNo[0]: must be UTF-8"},
		"refund id":          {refundError, bytes.Replace(refundDoc("O1", "R1"), []byte(`"R1"`), []byte(`"`+big5+`"`), 1), "refund_id: must be UTF-8"},
		"bare request":       {requestError, []byte("{\"mailTo\":\"" + big5 + "\"}"), "request.mailTo: must be UTF-8"},
		"bare, broken":       {requestError, []byte("{\"mailTo\":\"" + big5), ", and it is not UTF-8"},
	} {
		err := c.parse(c.raw)
		if e := invalid(t, err); !strings.Contains(e.Error(), c.want) || strings.Contains(e.Error(), "�") {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
	whole := bytes.Replace(orderDoc("O1"), []byte("王小明"), []byte(`\u738b\u5c0f\u660e`), 1)
	if _, err := ParseOrder(whole, rules); err != nil {
		t.Errorf("escapes of whole characters: %v", err)
	}
}

func orderError(raw []byte) error {
	_, err := ParseOrder(raw, rules)
	return err
}

func refundError(raw []byte) error {
	_, err := ParseRefund(raw, rules)
	return err
}

func requestError(raw []byte) error {
	_, err := ParseRequest(Account{Provider: providers.Pass2U}, raw, rules, false)
	return err
}

// The rules that the worker's configuration sets are applied.
func TestRulesAreApplied(t *testing.T) {
	paid := strings.Replace(string(orderDoc("O1")), `"Operator"`, `"PaymentProvider":"1","Operator"`, 1)
	if _, err := ParseOrder([]byte(paid), Rules{MerchantID: shop.Merchant, Escrow: true, Now: before}); err != nil {
		t.Errorf("an escrow order: %v", err)
	}
	if _, err := ParseOrder([]byte(paid), Rules{Now: before}); err == nil {
		t.Error("an escrow field without escrow")
	}
	if _, err := ParseOrder(orderDoc("O1"), Rules{MerchantID: shop.Merchant, Escrow: true, Now: before}); err == nil {
		t.Error("an order without the field escrow requires")
	}
	if _, err := ParseOrder(printed(t, "ecticket-electronic"), Rules{}); err == nil {
		t.Error("an order whose tickets start in the past")
	}
}

// A document's errors, prints and logs hold nothing of the customer's, neither does its shape.
func TestDocumentsHideCustomersData(t *testing.T) {
	o, err := ParseOrder(orderDoc("O1"), rules)
	if err != nil {
		t.Fatal(err)
	}
	r, err := ParseRefund(refundDoc("O1", "R1"), rules)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	for _, v := range []any{o, *o, r, *r, []*Order{o}, map[string]Refund{"r": *r}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
	}
	for _, v := range []any{o, *o, r, *r} {
		for _, h := range []slog.Handler{slog.NewJSONHandler(&out, nil), slog.NewTextHandler(&out, nil)} {
			slog.New(h).Info("m", "v", v)
		}
	}
	out.Write(o.shape)
	out.Write(r.shape)
	noCanary(t, "a print", out.String())
	if !strings.Contains(out.String(), "ecticket:2000132/O1") || !strings.Contains(out.String(), "ecticket:2000132/O1/R1") {
		t.Errorf("a print does not say which document it is: %s", out.String())
	}
	// The same when the document is refused.
	broken := bytes.Replace(orderDoc("O1"), []byte(`"0987654321"`), []byte(`"0987654321x"`), 1)
	broken = bytes.Replace(broken, []byte(`"canary@example.com"`), []byte(`"canary@example.com canary@example.com"`), 1)
	broken = bytes.Replace(broken, []byte(`"王小明"`), []byte(`"王小明1"`), 1)
	_, err = ParseOrder(broken, rules)
	if e := invalid(t, err); len(e.Violations) < 3 {
		t.Errorf("violations: %v", err)
	}
	noCanary(t, "the error", err.Error())
}

// Whose document it is decides every other rule: where that is contradictory, nothing else is reported.
func TestAProviderThatIsNotTheAccountsIsOneViolation(t *testing.T) {
	request := `"request":{"channelOrderId":"P1","productSaleId":"S1","quantity":2,"pickupType":"order"}`
	for doc, want := range map[string]string{
		`{"provider":"ecticket","provider":"pass2u",` + request + `}`:                     "provider: must be given only once (found: given twice)",
		`{"provider":"pass2u","account":"pass2u:a","account":"pass2u:b",` + request + `}`: "account: must be given only once (found: given twice)",
		`{"provider":"ecticket","account":"pass2u:main",` + request + `}`:                 `account: must be an account of the provider that is named, "ecticket", or the provider is the wrong one (found: an account of "pass2u")`,
		`{"provider":"pass2u","account":"ecticket:2000132",` + request + `}`:              `account: must be an account of the provider that is named, "pass2u", or the provider is the wrong one (found: an account of "ecticket")`,
		`{"provider":"pass2u","account":"ecticket",` + request + `}`:                      `account: must be an account of the provider that is named, "pass2u", or the provider is the wrong one (found: an account of "ecticket")`,
	} {
		_, err := ParseOrder([]byte(doc), Rules{})
		if err == nil || err.Error() != "invalid document: "+want {
			t.Errorf("%s: %v, want %s", doc, err, want)
		}
	}
}
