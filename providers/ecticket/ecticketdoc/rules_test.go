package ecticketdoc_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"issuance/providers/ecticket/ecticketdoc"
)

type doc = map[string]any

var probeNo = ecticketdoc.Codec().Probe().ID

// change makes a document of an example with some fields replaced ("-" removes one; fields that
// start with "item." are set in the first item).
func change(t testing.TB, kind string, fields doc) json.RawMessage {
	t.Helper()
	var d doc
	if err := json.Unmarshal([]byte(examples[kind]), &d); err != nil {
		t.Fatal(err)
	}
	item := d["TicketInfo"].([]any)[0].(doc)
	for name, value := range fields {
		at := d
		if rest, ok := strings.CutPrefix(name, "item."); ok {
			at, name = item, rest
		}
		if value == "-" {
			delete(at, name)
		} else {
			at[name] = value
		}
	}
	raw, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func long(n int) string { return strings.Repeat("a", n) }

// The rules of "ECTicket, Issue": each with a document that just keeps it and one that breaks it
// and nothing else.
var rules = []struct {
	rule      string
	kind      string // the example that both documents are made of
	good, bad doc
	path      string // where the violation is
	says      string // part of the rule's text
	escrow    bool
	maxNo     int
}{
	{rule: "MerchantID is the configured one", kind: "1", good: doc{"MerchantID": "-"}, bad: doc{"MerchantID": "2000133"}, path: "MerchantID", says: "configured"},
	{rule: "an order has a number", kind: "1", good: doc{}, bad: doc{"MerchantTradeNo": "-"}, path: "MerchantTradeNo", says: "required"},
	{rule: "an order has one number", kind: "1", good: doc{"FreeTradeNo": ""}, bad: doc{"FreeTradeNo": "F1"}, path: "FreeTradeNo", says: "left out"},
	{rule: "null is absent", kind: "1", good: doc{"FreeTradeNo": nil, "StoreID": nil}, bad: doc{"MerchantTradeNo": nil}, path: "MerchantTradeNo", says: "required"},
	{rule: "MerchantTradeNo is short", kind: "1", good: doc{"MerchantTradeNo": long(25)}, bad: doc{"MerchantTradeNo": long(26)}, path: "MerchantTradeNo", says: "at most 25"},
	{rule: "MerchantTradeNo of a payment is shorter", kind: "1", maxNo: 20, good: doc{"MerchantTradeNo": long(20)}, bad: doc{"MerchantTradeNo": long(21)}, path: "MerchantTradeNo", says: "at most 20"},
	{rule: "MerchantTradeNo is not the one that is looked up", kind: "1", good: doc{"MerchantTradeNo": probeNo + "1"}, bad: doc{"MerchantTradeNo": probeNo}, path: "MerchantTradeNo", says: "another number"},
	{rule: "nor is it in another case", kind: "1", good: doc{"MerchantTradeNo": "ISSUANCE"}, bad: doc{"MerchantTradeNo": strings.ToLower(probeNo)}, path: "MerchantTradeNo", says: "another number"},
	{rule: "FreeTradeNo is not the one that is looked up", kind: "1", good: gift(doc{}), bad: gift(doc{"FreeTradeNo": probeNo}), path: "FreeTradeNo", says: "another number"},
	{rule: "MerchantTradeNo is alphanumeric", kind: "1", good: doc{"MerchantTradeNo": "aZ09"}, bad: doc{"MerchantTradeNo": "A-1"}, path: "MerchantTradeNo", says: "letters and digits"},
	{rule: "FreeTradeNo is short", kind: "1", good: gift(doc{"FreeTradeNo": long(20)}), bad: gift(doc{"FreeTradeNo": long(21)}), path: "FreeTradeNo", says: "at most 20"},
	{rule: "FreeTradeNo is alphanumeric", kind: "1", good: gift(doc{"FreeTradeNo": "F1"}), bad: gift(doc{"FreeTradeNo": "F 1"}), path: "FreeTradeNo", says: "letters and digits"},
	{rule: "IssueType is given", kind: "1", good: doc{}, bad: doc{"IssueType": "-"}, path: "IssueType", says: "required"},
	{rule: "IssueType is one of four", kind: "1", good: doc{}, bad: doc{"IssueType": "5"}, path: "IssueType", says: `"1", "2", "3", "4"`},
	{rule: "IssueType is a string", kind: "1", good: doc{}, bad: doc{"IssueType": 1}, path: "IssueType", says: "string"},
	{rule: "paper needs PrintType", kind: "2", good: doc{"PrintType": "1"}, bad: doc{"PrintType": ""}, path: "PrintType", says: "required"},
	{rule: "PrintType is 1 or 2", kind: "2", good: doc{"PrintType": "2"}, bad: doc{"PrintType": "3"}, path: "PrintType", says: `"1", "2"`},
	{rule: "PrintType of others is taken when well-formed", kind: "1", good: doc{"PrintType": "1"}, bad: doc{"PrintType": "x"}, path: "PrintType", says: `"1", "2"`},
	{rule: "electronic needs IsImmediate", kind: "3", good: doc{}, bad: doc{"IsImmediate": "-"}, path: "IsImmediate", says: "required"},
	{rule: "IsImmediate is 1 or 2", kind: "3", good: doc{}, bad: doc{"IsImmediate": "3"}, path: "IsImmediate", says: `"1", "2"`},
	{rule: "others may say that they are immediate", kind: "2", good: doc{"IsImmediate": "1"}, bad: doc{"IsImmediate": "0"}, path: "IsImmediate", says: `"1", "2"`},
	{rule: "only electronic tickets can start later", kind: "2", good: doc{"IsImmediate": "1"}, bad: doc{"IsImmediate": "2"}, path: "IsImmediate", says: "only electronic"},
	{rule: "a URL is short", kind: "1", good: doc{"RefundNotifyURL": "https://a.tw/" + long(187)}, bad: doc{"RefundNotifyURL": "https://a.tw/" + long(188)}, path: "RefundNotifyURL", says: "at most 200"},
	{rule: "a URL is absolute", kind: "1", good: doc{"UseStatusNotifyURL": "http://a.tw"}, bad: doc{"UseStatusNotifyURL": "/notify"}, path: "UseStatusNotifyURL", says: "http or https"},
	{rule: "a URL is http or https", kind: "1", good: doc{"UseStatusNotifyURL": "https://a.tw"}, bad: doc{"UseStatusNotifyURL": "ftp://a.tw"}, path: "UseStatusNotifyURL", says: "http or https"},
	{rule: "a URL has a host", kind: "1", good: doc{"UseStatusNotifyURL": "https://a.tw/x"}, bad: doc{"UseStatusNotifyURL": "https:///x"}, path: "UseStatusNotifyURL", says: "http or https"},
	{rule: "a URL holds no credentials", kind: "1", good: doc{"UseStatusNotifyURL": "https://a.tw"}, bad: doc{"UseStatusNotifyURL": "https://u:p@a.tw"}, path: "UseStatusNotifyURL", says: "user name"},
	{rule: "ECPay calls ports 80 and 443", kind: "1", good: doc{"RefundNotifyURL": "http://a.tw:80/", "UseStatusNotifyURL": "https://a.tw:443/"}, bad: doc{"UseStatusNotifyURL": "https://a.tw:8443/"}, path: "UseStatusNotifyURL", says: "port 80 or 443"},
	{rule: "a host is in punycode", kind: "1", good: doc{"UseStatusNotifyURL": "https://xn--fiq228c.tw/"}, bad: doc{"UseStatusNotifyURL": "https://中文.tw/"}, path: "UseStatusNotifyURL", says: "punycode"},
	{rule: "a URL holds no tags", kind: "1", good: doc{"UseStatusNotifyURL": "https://a.tw/?a=%3Cb%3E"}, bad: doc{"UseStatusNotifyURL": "https://a.tw/?a=<b>"}, path: "UseStatusNotifyURL", says: "< or >"},
	{rule: "StoreID is 2 or more", kind: "1", good: doc{"StoreID": "T1"}, bad: doc{"StoreID": "T"}, path: "StoreID", says: "2 to 20"},
	{rule: "StoreID is 20 or less", kind: "1", good: doc{"StoreID": long(20)}, bad: doc{"StoreID": long(21)}, path: "StoreID", says: "at most 20"},
	{rule: "StoreID is half-width", kind: "1", good: doc{"StoreID": "TP1001"}, bad: doc{"StoreID": "\uff34\uff30\uff11"}, path: "StoreID", says: "half-width"},
	{rule: "Operator is given", kind: "1", good: doc{}, bad: doc{"Operator": ""}, path: "Operator", says: "required"},
	{rule: "Operator is short", kind: "1", good: doc{"Operator": long(10)}, bad: doc{"Operator": long(11)}, path: "Operator", says: "at most 10"},
	{rule: "Operator is alphanumeric", kind: "1", good: doc{"Operator": "A1"}, bad: doc{"Operator": "A_1"}, path: "Operator", says: "letters and digits"},
	{rule: "electronic needs a name", kind: "3", good: doc{}, bad: doc{"CustomerName": "-"}, path: "CustomerName", says: "required"},
	{rule: "posted paper needs a name", kind: "2", good: doc{"CustomerAddress": "台北市南港區三重路19號"}, bad: doc{"CustomerAddress": "台北市", "CustomerName": ""}, path: "CustomerName", says: "required"},
	{rule: "a name has two characters", kind: "3", good: doc{"CustomerName": "王珊"}, bad: doc{"CustomerName": "王"}, path: "CustomerName", says: "2 to 20"},
	{rule: "a name has at most twenty", kind: "3", good: doc{"CustomerName": strings.Repeat("王", 20)}, bad: doc{"CustomerName": strings.Repeat("王", 21)}, path: "CustomerName", says: "2 to 20"},
	{rule: "a name is not mixed", kind: "3", good: doc{"CustomerName": "Mary-Ann O'Neil Jr."}, bad: doc{"CustomerName": "王Mary"}, path: "CustomerName", says: "pure Chinese or pure English"},
	{rule: "a name has no digits", kind: "3", good: doc{"CustomerName": "阿里·瑪哈姆"}, bad: doc{"CustomerName": "Mary2"}, path: "CustomerName", says: "pure"},
	{rule: "electronic needs a phone", kind: "3", good: doc{}, bad: doc{"CustomerPhone": ""}, path: "CustomerPhone", says: "required"},
	{rule: "a phone starts with 09", kind: "3", good: doc{}, bad: doc{"CustomerPhone": "0812345678"}, path: "CustomerPhone", says: "09"},
	{rule: "a phone has ten digits", kind: "3", good: doc{}, bad: doc{"CustomerPhone": "091234567"}, path: "CustomerPhone", says: "09"},
	{rule: "a phone is digits only", kind: "1", good: doc{"CustomerPhone": "0900000000"}, bad: doc{"CustomerPhone": "0912-34567"}, path: "CustomerPhone", says: "09"},
	{rule: "electronic needs an e-mail", kind: "3", good: doc{}, bad: doc{"CustomerEmail": ""}, path: "CustomerEmail", says: "required"},
	{rule: "convenience store needs an e-mail", kind: "1", good: doc{}, bad: doc{"CustomerEmail": ""}, path: "CustomerEmail", says: "required"},
	{rule: "an e-mail is short", kind: "1", good: doc{"CustomerEmail": long(73) + "@aa.com"}, bad: doc{"CustomerEmail": long(74) + "@aa.com"}, path: "CustomerEmail", says: "at most 80"},
	{rule: "an e-mail looks like one", kind: "1", good: doc{"CustomerEmail": "a.b+c@d-e.co.uk"}, bad: doc{"CustomerEmail": "a b@c.tw"}, path: "CustomerEmail", says: "e-mail"},
	{rule: "an address is short", kind: "1", good: doc{"CustomerAddress": strings.Repeat("路", 100)}, bad: doc{"CustomerAddress": strings.Repeat("路", 101)}, path: "CustomerAddress", says: "at most 100"},
	{rule: "an address holds no tags", kind: "1", good: doc{"CustomerAddress": "A & B"}, bad: doc{"CustomerAddress": "<b>A"}, path: "CustomerAddress", says: "HTML"},
	{rule: "an address is one line", kind: "1", good: doc{"CustomerAddress": "A, B"}, bad: doc{"CustomerAddress": "A\nB"}, path: "CustomerAddress", says: "one line"},
	{rule: "an address is not blank", kind: "1", good: doc{"CustomerAddress": ""}, bad: doc{"CustomerAddress": "  "}, path: "CustomerAddress", says: "blank"},
	{rule: "escrow needs PaymentProvider", kind: "1", escrow: true, good: doc{"PaymentProvider": "2"}, bad: doc{}, path: "PaymentProvider", says: "required"},
	{rule: "PaymentProvider is 1 or 2", kind: "1", escrow: true, good: doc{"PaymentProvider": "1"}, bad: doc{"PaymentProvider": "3"}, path: "PaymentProvider", says: `"1", "2"`},
	{rule: "PaymentProvider is escrow's", kind: "1", good: doc{}, bad: doc{"PaymentProvider": "1"}, path: "PaymentProvider", says: "not a field"},
	{rule: "unknown fields are errors", kind: "1", good: doc{}, bad: doc{"CustomerMail": "a@b.tw"}, path: "CustomerMail", says: "not a field"},
	{rule: "a field's case matters", kind: "1", good: doc{}, bad: doc{"storeID": "T1"}, path: "storeID", says: "write StoreID"},
	{rule: "items are given", kind: "1", good: doc{}, bad: doc{"TicketInfo": "-"}, path: "TicketInfo", says: "required"},
	{rule: "there is an item", kind: "1", good: doc{}, bad: doc{"TicketInfo": []any{}}, path: "TicketInfo", says: "required"},
	{rule: "items are an array", kind: "1", good: doc{}, bad: doc{"TicketInfo": doc{}}, path: "TicketInfo", says: "array"},
	{rule: "an item is an object", kind: "1", good: doc{}, bad: doc{"TicketInfo": []any{1}}, path: "TicketInfo[0]", says: "object"},
	{rule: "there are not more items than tickets", kind: "2", good: doc{"TicketInfo": items(100)}, bad: doc{"TicketInfo": items(101)}, path: "TicketInfo", says: "at most 100 items"},
	{rule: "listed products need ItemNo", kind: "1", good: doc{}, bad: doc{"item.ItemNo": ""}, path: "TicketInfo[0].ItemNo", says: "required"},
	{rule: "ItemNo is short", kind: "1", good: doc{"item.ItemNo": "ABC12345"}, bad: doc{"item.ItemNo": "ABC123456"}, path: "TicketInfo[0].ItemNo", says: "at most 8"},
	{rule: "ItemNo is alphanumeric", kind: "1", good: doc{"item.ItemNo": "a1"}, bad: doc{"item.ItemNo": "a.1"}, path: "TicketInfo[0].ItemNo", says: "letters and digits"},
	{rule: "an ItemNo stands once", kind: "1", good: doc{"item.ItemNo": "VNS21401"}, bad: doc{"item.ItemNo": "VNS21400"}, path: "TicketInfo[1].ItemNo", says: "two items"},
	{rule: "serial numbers need ItemName", kind: "4", good: doc{}, bad: doc{"item.ItemName": "-"}, path: "TicketInfo[0].ItemName", says: "required"},
	{rule: "ItemName has four characters", kind: "4", good: doc{"item.ItemName": "住宿券A"}, bad: doc{"item.ItemName": "住宿券"}, path: "TicketInfo[0].ItemName", says: "4 to 20"},
	{rule: "ItemName has at most twenty", kind: "4", good: doc{"item.ItemName": strings.Repeat("券", 20)}, bad: doc{"item.ItemName": strings.Repeat("券", 21)}, path: "TicketInfo[0].ItemName", says: "4 to 20"},
	{rule: "ItemName's signs", kind: "4", good: doc{"item.ItemName": "券a1()_/,.$%-"}, bad: doc{"item.ItemName": "SPA 體驗券"}, path: "TicketInfo[0].ItemName", says: "no spaces"},
	{rule: "ItemName is half-width", kind: "4", good: doc{"item.ItemName": "體驗券(1)"}, bad: doc{"item.ItemName": "體驗券\uff081\uff09"}, path: "TicketInfo[0].ItemName", says: "full-width"},
	{rule: "serial numbers need TicketPrice", kind: "4", good: doc{"item.TicketPrice": 0}, bad: doc{"item.TicketPrice": "-"}, path: "TicketInfo[0].TicketPrice", says: "required"},
	{rule: "TicketPrice is not negative", kind: "4", good: doc{"item.TicketPrice": 0}, bad: doc{"item.TicketPrice": -1}, path: "TicketInfo[0].TicketPrice", says: "999,999,999"},
	{rule: "TicketPrice is bounded", kind: "4", good: doc{"item.TicketPrice": 999999999}, bad: doc{"item.TicketPrice": 1000000000}, path: "TicketInfo[0].TicketPrice", says: "999,999,999"},
	{rule: "TicketPrice is whole", kind: "4", good: doc{"item.TicketPrice": 1}, bad: doc{"item.TicketPrice": 1.5}, path: "TicketInfo[0].TicketPrice", says: "whole number"},
	{rule: "TicketAmount is given", kind: "1", good: doc{}, bad: doc{"item.TicketAmount": "-"}, path: "TicketInfo[0].TicketAmount", says: "required"},
	{rule: "TicketAmount is at least one", kind: "1", good: doc{"item.TicketAmount": 1}, bad: doc{"item.TicketAmount": 0}, path: "TicketInfo[0].TicketAmount", says: "at least 1"},
	{rule: "TicketAmount is a number", kind: "1", good: doc{"item.TicketAmount": 1}, bad: doc{"item.TicketAmount": "4"}, path: "TicketInfo[0].TicketAmount", says: "whole number"},
	{rule: "convenience store: 8 tickets", kind: "1", good: doc{"item.TicketAmount": 4}, bad: doc{"item.TicketAmount": 5}, path: "TicketInfo", says: "at most 8"},
	{rule: "others: 100 tickets", kind: "2", good: doc{"item.TicketAmount": 90}, bad: doc{"item.TicketAmount": 91}, path: "TicketInfo", says: "at most 100"},
	{rule: "absurd amounts do not overflow", kind: "2", good: doc{"item.TicketAmount": 90}, bad: doc{"item.TicketAmount": int64(9223372036854775807)}, path: "TicketInfo", says: "at most 100"},
	{rule: "a later start needs StartDate", kind: "3", good: doc{}, bad: doc{"item.StartDate": ""}, path: "TicketInfo[0].StartDate", says: "required"},
	{rule: "StartDate is a real day", kind: "3", good: doc{"item.StartDate": "20240229"}, bad: doc{"item.StartDate": "20240230"}, path: "TicketInfo[0].StartDate", says: "calendar"},
	{rule: "StartDate is later than today", kind: "3", good: doc{"item.StartDate": "20240101"}, bad: doc{"item.StartDate": "20231231"}, path: "TicketInfo[0].StartDate", says: "later than the day of issue"},
	{rule: "a StartDate that would be ignored (paper)", kind: "2", good: doc{"item.StartDate": ""}, bad: doc{"item.StartDate": "20250101"}, path: "TicketInfo[0].StartDate", says: "left out"},
	{rule: "a StartDate that would be ignored (immediate)", kind: "3", good: immediate(doc{}), bad: immediate(doc{"item.StartDate": "20250101"}), path: "TicketInfo[0].StartDate", says: "left out"},
	{rule: "gift vouchers need ExpireDate", kind: "1", good: gift(doc{}), bad: gift(doc{"item.ExpireDate": ""}), path: "TicketInfo[0].ExpireDate", says: "required"},
	{rule: "an order may mix in gift vouchers", kind: "1", good: doc{"item.ExpireDate": "20241231"}, bad: doc{"item.ExpireDate": "20241331"}, path: "TicketInfo[0].ExpireDate", says: "calendar"},
	{rule: "ExpireDate is not before StartDate", kind: "3", good: doc{"item.ExpireDate": "20240101"}, bad: doc{"item.StartDate": "20240102", "item.ExpireDate": "20240101"}, path: "TicketInfo[0].ExpireDate", says: "earlier than StartDate"},
	{rule: "ExpireDate is not before the start at once", kind: "2", good: doc{"item.ExpireDate": "20231231"}, bad: doc{"item.ExpireDate": "20231230"}, path: "TicketInfo[0].ExpireDate", says: "day of issue"},
	{rule: "an item's unknown fields are errors", kind: "1", good: doc{}, bad: doc{"item.Amount": 1}, path: "TicketInfo[0].Amount", says: "not a field"},
}

// gift makes all items gift vouchers, immediate starts them at once.
func gift(d doc) doc {
	out := doc{"MerchantTradeNo": "-", "FreeTradeNo": "F1", "TicketInfo": []any{
		doc{"ItemNo": "VQT04959", "TicketAmount": 4, "ExpireDate": "20241231"},
	}}
	if _, ok := d["item.ExpireDate"]; ok {
		out["TicketInfo"].([]any)[0].(doc)["ExpireDate"] = d["item.ExpireDate"]
		return out
	}
	for k, v := range d {
		out[k] = v
	}
	return out
}

func immediate(d doc) doc {
	it := doc{"ItemNo": "VQT04959", "TicketAmount": 4}
	if v, ok := d["item.StartDate"]; ok {
		it["StartDate"] = v
	}
	return doc{"IsImmediate": "1", "TicketInfo": []any{it}}
}

func items(n int) []any {
	out := make([]any, n)
	for i := range out {
		out[i] = doc{"ItemNo": "A" + string(rune('A'+i/26)) + string(rune('A'+i%26)), "TicketAmount": 1}
	}
	return out
}

func TestEveryRuleOfIssue(t *testing.T) {
	for _, r := range rules {
		opt := ecticketdoc.Options{MerchantID: "2000132", Escrow: r.escrow, Now: before, MaxTradeNo: r.maxNo}
		if o, err := ecticketdoc.Parse("request", change(t, r.kind, r.good), opt); err != nil || o == nil {
			t.Errorf("%s: the neighbour that keeps the rule: %v", r.rule, err)
		}
		o, err := ecticketdoc.Parse("request", change(t, r.kind, r.bad), opt)
		if err == nil || len(err.Violations) != 1 || o != nil {
			t.Errorf("%s: got %v, want one violation and no order", r.rule, err)
			continue
		}
		if v := err.Violations[0]; v.Path != "request."+r.path || !strings.Contains(v.Rule, r.says) || v.Shape == "" {
			t.Errorf("%s: got %q, want it at request.%s with a rule that says %q", r.rule, v, r.path, r.says)
		}
	}
}

func TestEmailAddresses(t *testing.T) {
	for text, valid := range map[string]bool{
		"abc@gmail.com": true, "o'neil@x.co": true, "a@b-c.d1.tw": true,
		"abc": false, "@gmail.com": false, "a@": false, "a@b": false, "a@b.": false, "a@.tw": false, "a@b..tw": false,
		".a@b.tw": false, "a.@b.tw": false, "a..b@c.tw": false, "a@b@c.tw": false, "a@-b.tw": false, "a@b-.tw": false,
		"<a@b.tw>": false, "王@b.tw": false, "a@b.tw\n": false, "a,b@c.tw": false,
	} {
		_, err := ecticketdoc.Parse("", change(t, "1", doc{"CustomerEmail": text}), ecticketdoc.Options{Now: before})
		if (err == nil) != valid {
			t.Errorf("%q: %v, want valid %t", text, err, valid)
		}
	}
}

func TestAllViolationsAreReportedAtOnce(t *testing.T) {
	raw := change(t, "3", doc{
		"MerchantID": "1", "FreeTradeNo": "F1", "IsImmediate": "9", "StoreID": "!", "Operator": "-",
		"CustomerName": "王A", "CustomerPhone": "1", "CustomerEmail": "x", "CustomerAddress": "<", "Extra": 1,
		"RefundNotifyURL": "x", "UseStatusNotifyURL": "y",
		"item.ItemNo": "-", "item.TicketAmount": 0, "item.StartDate": "x", "item.ExpireDate": "y",
	})
	_, err := ecticketdoc.Parse("request", raw, ecticketdoc.Options{MerchantID: "2000132", Now: before})
	if err == nil {
		t.Fatal("no violation")
	}
	var got []string
	for _, v := range err.Violations {
		got = append(got, strings.TrimPrefix(v.Path, "request."))
	}
	for _, want := range []string{
		"Extra", "MerchantID", "FreeTradeNo", "IsImmediate", "RefundNotifyURL", "UseStatusNotifyURL", "StoreID", "Operator",
		"CustomerName", "CustomerPhone", "CustomerEmail", "CustomerAddress",
		"TicketInfo[0].ItemNo", "TicketInfo[0].TicketAmount", "TicketInfo[0].StartDate", "TicketInfo[0].ExpireDate",
	} {
		if !slices.Contains(got, want) {
			t.Errorf("nothing is said about %s; reported: %v", want, got)
		}
	}
	if len(got) != 16 {
		t.Errorf("%d violations, want 16: %v", len(got), got)
	}
}

func TestWhatIsNoDocument(t *testing.T) {
	for name, raw := range map[string]string{
		"nothing": "", "text": "hello", "array": "[]", "null": "null", "cut off": `{"MerchantID":"1"`,
		"two documents": `{} {}`, "too long": `{"MerchantID":"` + strings.Repeat(" ", ecticketdoc.MaxDocument) + `"}`,
		"field twice": `{"IssueType":"1","IssueType":"2"}`,
	} {
		if o, err := ecticketdoc.Parse("request", json.RawMessage(raw), ecticketdoc.Options{}); err == nil || o != nil {
			t.Errorf("%s is taken as an order", name)
		}
		if r, err := ecticketdoc.ParseRefund("request", json.RawMessage(raw), ecticketdoc.Options{}); err == nil || r != nil {
			t.Errorf("%s is taken as a refund", name)
		}
	}
}
