package ecticketdoc_test

import (
	"encoding/json"
	"strings"
	"testing"

	"issuance/providers"
	"issuance/providers/ecticket/ecticketdoc"
)

var codec = ecticketdoc.Codec()

func parsed(t testing.TB, request string) *providers.OrderDocument {
	t.Helper()
	d, bad := codec.ParseOrder("request", json.RawMessage(request), providers.Rules{Now: before})
	if bad != nil {
		t.Fatal(bad)
	}
	return d
}

// A stub holds the number, the kind, the number of tickets and who refunds, nothing else.
func TestAStubIsEnoughAndSmall(t *testing.T) {
	for kind, want := range map[string]string{
		"1": `{"MerchantTradeNo":"CBX20220302153064851","IssueType":"1","Operator":"AngelaChan","TicketInfo":[{"TicketAmount":8}]}`,
		"4": `{"MerchantTradeNo":"CBX20220302153064851","IssueType":"4","Operator":"AngelaChan","TicketInfo":[{"TicketAmount":6}]}`,
	} {
		if got := string(parsed(t, examples[kind]).Stub); got != want {
			t.Errorf("IssueType %s: %s, want %s", kind, got, want)
		}
	}
	longest := parsed(t, `{"MerchantTradeNo":"`+strings.Repeat("M", 25)+`","IssueType":"4","Operator":"`+strings.Repeat("O", 10)+`","StoreID":"`+strings.Repeat("S", 20)+
		`","TicketInfo":[{"ItemName":"展覽門票","TicketPrice":1,"TicketAmount":100}]}`)
	if len(longest.Stub) > 200 {
		t.Errorf("the longest stub has %d bytes", len(longest.Stub))
	}
	gift := parsed(t, `{"FreeTradeNo":"F1","IssueType":"2","PrintType":"2","Operator":"A","CustomerName":"Ann Lee","TicketInfo":[{"ItemNo":"G1","TicketAmount":1,"ExpireDate":"20991231"}]}`)
	if !strings.HasPrefix(string(gift.Stub), `{"FreeTradeNo":"F1",`) {
		t.Errorf("a gift order's stub is %s", gift.Stub)
	}
}

// Fingerprints of records are made of these bytes: another form would make every repeated order another order.
func TestTheCanonicalFormNeverChanges(t *testing.T) {
	want := `{"CustomerEmail":"abc@gmail.com","CustomerName":"王珊珊","CustomerPhone":"0912345678","IsImmediate":"2","IssueType":"3",` +
		`"MerchantTradeNo":"CBX20220302153064851","Operator":"AngelaChan","TicketInfo":[{"ItemNo":"VQT04959","StartDate":"20240101","TicketAmount":8},` +
		`{"ItemNo":"VNS21400","StartDate":"20240101","TicketAmount":6}]}`
	if got := string(parsed(t, examples["3"]).Canonical); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	d, bad := codec.ParseRefund("request", json.RawMessage(`{"StoreID":"TP1001","MerchantTradeNo":"M1","MerchantID":"2000132","TicketNo":["A1","B2"]}`), providers.Rules{})
	if bad != nil || string(d.Canonical) != `{"MerchantTradeNo":"M1","StoreID":"TP1001","TicketNo":["A1","B2"]}` {
		t.Errorf("a refund: %s, %v", d.Canonical, bad)
	}
}

// MerchantID names the account, in orders and refunds; another one than the known breaks a rule.
func TestADocumentNamesItsMerchant(t *testing.T) {
	refund := json.RawMessage(`{"MerchantID":"2000132","MerchantTradeNo":"M1","all":true}`)
	for known, ok := range map[string]bool{"": true, "2000132": true, "3085676": false} {
		rules := providers.Rules{Merchant: known, Now: before}
		o, badOrder := codec.ParseOrder("request", json.RawMessage(examples["1"]), rules)
		r, badRefund := codec.ParseRefund("request", refund, rules)
		if (badOrder == nil) != ok || (badRefund == nil) != ok {
			t.Errorf("known %q: %v, %v", known, badOrder, badRefund)
		}
		if ok && (o.Merchant != "2000132" || r.Merchant != "2000132") {
			t.Errorf("known %q: merchants %q, %q", known, o.Merchant, r.Merchant)
		}
		if !ok && (badOrder.Violations[0].Path != "request.MerchantID" || badRefund.Violations[0].Path != "request.MerchantID") {
			t.Errorf("%v, %v", badOrder, badRefund)
		}
	}
	r, bad := codec.ParseRefund("request", json.RawMessage(`{"MerchantTradeNo":"M1","all":true}`), providers.Rules{Merchant: "2000132"})
	if bad != nil || r.Merchant != "" {
		t.Errorf("without a merchant: %q, %v", r.Merchant, bad)
	}
}

// A number may be one order's MerchantTradeNo and another's FreeTradeNo.
func TestARefundNeverMeansTheOtherOrderOfItsNumber(t *testing.T) {
	paid := providers.Order{ID: "N1", Request: json.RawMessage(`{"MerchantTradeNo":"N1"}`)}
	gift := providers.Order{ID: "N1", Request: json.RawMessage(`{"FreeTradeNo":"N1"}`)}
	for _, c := range []struct {
		refund string
		o      providers.Order
		want   string
	}{
		{`{"MerchantTradeNo":"N1","all":true}`, paid, ""}, {`{"FreeTradeNo":"N1","all":true}`, gift, ""},
		{`{"MerchantTradeNo":"N1","all":true}`, gift, "MerchantTradeNo"}, {`{"FreeTradeNo":"N1","all":true}`, paid, "FreeTradeNo"},
	} {
		if got := codec.OtherOrder(json.RawMessage(c.refund), c.o); got != c.want {
			t.Errorf("%s of %s: %q, want %q", c.refund, c.o.Request, got, c.want)
		}
	}
}

func TestWhoRefunds(t *testing.T) {
	order := json.RawMessage(`{"MerchantTradeNo":"N1","Operator":"Angela","StoreID":"TP1001"}`)
	for _, c := range []struct{ refund, order, operator, store string }{
		{`{"Operator":"Bob","StoreID":"KH2001"}`, string(order), "Bob", "KH2001"},
		{`{"Operator":"Bob"}`, string(order), "Bob", "TP1001"}, {`{}`, string(order), "Angela", "TP1001"},
		{`{}`, `{}`, "issuance", ""}, {`{}`, ``, "issuance", ""},
	} {
		if operator, store := codec.RefundedBy(json.RawMessage(c.refund), json.RawMessage(c.order)); operator != c.operator || store != c.store {
			t.Errorf("%s of %s: %q at %q", c.refund, c.order, operator, store)
		}
	}
}

// Serial numbers are delivered by nobody else, so they take a further call.
func TestCallsOfAnOrder(t *testing.T) {
	for request, want := range map[string]int{`{"IssueType":"4"}`: 3, `{"IssueType":"3"}`: 2, `{"IssueType":4}`: 2, `{}`: 2, `{"IssueType":"4","TicketInfo":"broken"}`: 3} {
		if got := codec.Calls(json.RawMessage(request)); got != want {
			t.Errorf("%s: %d calls, want %d", request, got, want)
		}
	}
}

// An order issued elsewhere is asked for by the number that its refund names, in the same field.
func TestARefundDescribesAnOrderIssuedElsewhere(t *testing.T) {
	for refund, want := range map[string]string{
		`{"FreeTradeNo":"F1","quantity":1}`: `{"FreeTradeNo":"F1"}`, `{"MerchantTradeNo":"M1","TicketNo":["A1"],"Operator":"Bob"}`: `{"MerchantTradeNo":"M1"}`,
	} {
		d, bad := codec.ParseRefund("request", json.RawMessage(refund), providers.Rules{})
		if bad != nil || string(d.Outside.Request) != want || d.Outside.ID != d.OrderID || d.Outside.Ref != "" {
			t.Errorf("%s: %+v, %v", refund, d.Outside, bad)
		}
	}
}
