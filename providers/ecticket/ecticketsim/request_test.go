package ecticketsim

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"issuance/providers/ecticket/ecticketdoc"
)

// TestTheSimulatorAgreesWithTheProduct compares two readings of "ECTicket, Issue", the simulator's
// and the product's, on the documents' examples and on every change of one field. What the simulator
// refuses the product must refuse, without exception: it would be sold and then rejected. Where the
// product is stricter, the reason is listed.
func TestTheSimulatorAgreesWithTheProduct(t *testing.T) {
	now := time.Date(2023, time.December, 31, 9, 30, 0, 0, taiwan)
	reasons := map[string]int{}
	tried := 0
	examples := maps.Clone(issueExamples)
	examples["2, nameless"] = string(changed(t, issueExamples["2"], "CustomerName", absent{}))
	for kind, example := range examples {
		kind = kind[:1]
		for field, values := range mutations {
			for _, value := range values {
				data := changed(t, example, field, value)
				tried++
				product, sends := productReads(data, now)
				sim := simReads(sends, now)
				if sim != "" && product == "" {
					t.Errorf("IssueType %s, %s = %v: the simulator refuses it (%s), and the product does not", kind, field, value, sim)
				}
				if sim == "" && product != "" {
					why := stricter(kind, field, value, product)
					if why == "" {
						t.Errorf("IssueType %s, %s = %v: the product refuses it (%s), and the simulator does not", kind, field, value, product)
					}
					reasons[why]++
				}
			}
		}
	}
	for _, why := range strictnesses {
		if reasons[why] == 0 {
			t.Errorf("the difference %q is listed and never seen", why)
		}
	}
	if tried < 1000 {
		t.Errorf("only %d documents were compared", tried)
	}
}

func simReads(data []byte, now time.Time) string {
	var r issueRequest
	if json.Unmarshal(data, &r) != nil {
		return "a field is of the wrong type"
	}
	return r.violation(false, now.Format(dayFormat))
}

// productReads is why the product refuses a document, and what it would send: the document itself when
// it refuses it.
func productReads(data []byte, now time.Time) (refusal string, sends []byte) {
	order, err := ecticketdoc.Parse("", data, ecticketdoc.Options{MerchantID: exampleMerchant, Now: now})
	if err != nil {
		return err.Error(), data
	}
	return "", order.Canonical()
}

// strictnesses are the differences that are meant.
var strictnesses = []string{
	"no meaning for this IssueType: a typing mistake, or a day that the customer would not get",
	"a name, an address or a URL that nobody has",
	"postage needs a name; ECTicket cannot know that it is to be posted",
	"a field that the document does not have",
}

// stricter says why the product refuses what ECTicket's document does not.
func stricter(kind, field string, value any, product string) string {
	text, _ := value.(string)
	switch {
	case field == "Unheard" || field == "PaymentProvider":
		return strictnesses[3]
	case field == "CustomerAddress" && strings.Contains(product, "CustomerName"):
		return strictnesses[2]
	case slices.Contains([]string{"CustomerName", "CustomerEmail", "CustomerAddress", "RefundNotifyURL", "UseStatusNotifyURL"}, field) && text != "":
		return strictnesses[1]
	case field == "PrintType" && kind != typePaper, field == "IsImmediate" && kind != typeElectronic,
		field == "StartDate" || field == "IsImmediate" && kind == typeElectronic && value == "1",
		(field == "ItemName" || field == "TicketPrice") && kind != typeSerial, field == "ItemNo" && kind == typeSerial,
		field == "IssueType":
		return strictnesses[0]
	}
	return ""
}

// mutations are the values that each field is given in turn; absent leaves it out.
var mutations = func() map[string][]any {
	general := []any{absent{}, "", nil, " ", "1", "2", "3", "x", "ab", "0912345678", "091234567", "1912345678", "０９１２３４５６７８", "20231230", "20231231", "20240101", "20241301",
		"2024-01-01", "王", "王珊珊", "王Ann", "Ann Lee", "Ａｎｎ", "a@b.tw", "a b", "A-1", "五星渡假飯店假日住宿券", "五星渡假(飯店)_/,.$%-", "五星渡假！", "five star hotel",
		"http://www.happybuy123.com.tw/notifyurl", strings.Repeat("a", 8), strings.Repeat("a", 9), strings.Repeat("a", 10), strings.Repeat("a", 11), strings.Repeat("a", 20),
		strings.Repeat("a", 21), strings.Repeat("a", 25), strings.Repeat("a", 26), strings.Repeat("王", 20), strings.Repeat("王", 21), strings.Repeat("王", 101),
		strings.Repeat("a", 76) + "@b.t", strings.Repeat("a", 60) + "@" + strings.Repeat("b", 17) + ".tw", "http://a.tw/" + strings.Repeat("a", 188), "http://a.tw/" + strings.Repeat("a", 189),
		-1, 0, 1, 2, 8, 9, 92, 97, 100, 101, 999_999_999, 1_000_000_000, 1.5, true, []any{}, map[string]any{}}
	m := map[string][]any{}
	for _, name := range []string{"MerchantTradeNo", "FreeTradeNo", "IssueType", "PrintType", "IsImmediate", "RefundNotifyURL", "UseStatusNotifyURL", "StoreID", "Operator",
		"CustomerName", "CustomerPhone", "CustomerEmail", "CustomerAddress", "PaymentProvider", "Unheard", "TicketInfo",
		"ItemNo", "ItemName", "TicketPrice", "TicketAmount", "StartDate", "ExpireDate"} {
		m[name] = general
	}
	return m
}()

type absent struct{}

// changed is the example with one field of it, or of its first line, changed.
func changed(t *testing.T, example, field string, value any) []byte {
	t.Helper()
	var doc map[string]any
	if err := json.Unmarshal([]byte(example), &doc); err != nil {
		t.Fatal(err)
	}
	target := doc
	if slices.Contains([]string{"ItemNo", "ItemName", "TicketPrice", "TicketAmount", "StartDate", "ExpireDate"}, field) {
		lines := slices.Clone(doc["TicketInfo"].([]any))
		line := maps.Clone(lines[0].(map[string]any))
		lines[0], doc["TicketInfo"], target = line, lines, line
	}
	if _, out := value.(absent); out {
		delete(target, field)
	} else {
		target[field] = value
	}
	raw, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// Rules of more than one field.
func TestRulesOfSeveralFieldsAreTheDocuments(t *testing.T) {
	today := "20231231"
	line := func(s string) string { return `"TicketInfo":[` + s + `]` }
	for _, c := range []struct {
		name, data string
		ok         bool
	}{
		{"both numbers", `"MerchantTradeNo":"A","FreeTradeNo":"B","IssueType":"2","PrintType":"1","Operator":"A",` + line(`{"ItemNo":"V","TicketAmount":1}`), false},
		{"a product twice", `"MerchantTradeNo":"A","IssueType":"2","PrintType":"1","Operator":"A",` + line(`{"ItemNo":"V","TicketAmount":1},{"ItemNo":"V","TicketAmount":1}`), false},
		{"100 tickets", `"MerchantTradeNo":"A","IssueType":"2","PrintType":"1","Operator":"A",` + line(`{"ItemNo":"V","TicketAmount":60},{"ItemNo":"W","TicketAmount":40}`), true},
		{"101 tickets", `"MerchantTradeNo":"A","IssueType":"2","PrintType":"1","Operator":"A",` + line(`{"ItemNo":"V","TicketAmount":60},{"ItemNo":"W","TicketAmount":41}`), false},
		{"an overflowing sum", `"MerchantTradeNo":"A","IssueType":"2","PrintType":"1","Operator":"A",` + line(`{"ItemNo":"V","TicketAmount":9223372036854775807},{"ItemNo":"W","TicketAmount":9223372036854775807}`), false},
		{"an expiry before a later start", `"FreeTradeNo":"A","IssueType":"3","IsImmediate":"2","Operator":"A","CustomerName":"Al","CustomerPhone":"0912345678","CustomerEmail":"a@b.tw",` +
			line(`{"ItemNo":"V","TicketAmount":1,"StartDate":"20240201","ExpireDate":"20240131"}`), false},
		{"an expiry on a later start", `"FreeTradeNo":"A","IssueType":"3","IsImmediate":"2","Operator":"A","CustomerName":"Al","CustomerPhone":"0912345678","CustomerEmail":"a@b.tw",` +
			line(`{"ItemNo":"V","TicketAmount":1,"StartDate":"20240201","ExpireDate":"20240201"}`), true},
		{"a start that does not count", `"MerchantTradeNo":"A","IssueType":"2","PrintType":"1","Operator":"A",` + line(`{"ItemNo":"V","TicketAmount":1,"StartDate":"20220101"}`), true},
	} {
		var r issueRequest
		if err := json.Unmarshal([]byte("{"+c.data+"}"), &r); err != nil {
			t.Fatal(err)
		}
		if why := r.violation(false, today); (why == "") != c.ok {
			t.Errorf("%s: %q", c.name, why)
		}
	}
}

func FuzzTheSimulatorAgreesWithTheProduct(f *testing.F) {
	for kind := range issueExamples {
		f.Add(kind, "CustomerName", "王珊珊")
		f.Add(kind, "ItemName", "五星渡假飯店")
	}
	now := time.Date(2023, time.December, 31, 9, 30, 0, 0, taiwan)
	f.Fuzz(func(t *testing.T, kind, field, value string) {
		if issueExamples[kind] == "" || mutations[field] == nil {
			t.Skip()
		}
		data := changed(t, issueExamples[kind], field, value)
		refusal, sends := productReads(data, now)
		if sim := simReads(sends, now); sim != "" && refusal == "" {
			t.Errorf("%s = %q: %s", field, value, sim)
		}
	})
}
