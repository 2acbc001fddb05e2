package pass2udoc_test

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"issuance/providers"
	"issuance/providers/pass2u/pass2udoc"
)

// printed is the request example of "Generate an order API", as printed.
const printed = `{
"productSaleId":"02955ccca3352ef0734a4aecc9f86083",

"channelOrderId":"P00001",

"mailTo":"kan@gmail.com",

"quantity":2,

"pickupType":"voucher"

}`

// printedRefund is the request example of "Refund tickets of an order API", as printed.
const printedRefund = `{
"pass2uOrderId":"123932ewxrtg",

"productSaleId":"02955ccca3352ef0734a4aecc9f86083",

"channelOrderId":"P100001",

"mailTo":"kan@gmail.com",

"pickupType":"order",

"quantity":20

}`

func TestThePrintedOrderIsValid(t *testing.T) {
	o, err := pass2udoc.Parse("request", json.RawMessage(printed))
	if err != nil {
		t.Fatal(err)
	}
	want := &pass2udoc.Order{ProductSaleID: "02955ccca3352ef0734a4aecc9f86083", ChannelOrderID: "P00001",
		MailTo: "kan@gmail.com", Quantity: 2, PickupType: "voucher"}
	if d := cmp.Diff(want, o); d != "" {
		t.Error(d)
	}
	if o.ID() != "P00001" || !cmp.Equal(o.Sensitive(), []string{"kan@gmail.com"}) {
		t.Errorf("%s %v", o.ID(), o.Sensitive())
	}
}

func TestThePrintedRefundIsValid(t *testing.T) {
	r, err := pass2udoc.ParseRefund("request", json.RawMessage(printedRefund))
	if err != nil {
		t.Fatal(err)
	}
	want := &pass2udoc.Refund{ChannelOrderID: "P100001", Quantity: 20, Pass2uOrderID: "123932ewxrtg",
		ProductSaleID: "02955ccca3352ef0734a4aecc9f86083", PickupType: "order", MailTo: "kan@gmail.com"}
	if d := cmp.Diff(want, r); d != "" {
		t.Error(d)
	}
	if !r.IssuedElsewhere() || r.OrderID() != "P100001" {
		t.Error("accessors")
	}
}

// edit returns the printed order with fields replaced; nil removes one.
func edit(doc string, changes map[string]any) json.RawMessage {
	m := map[string]any{}
	if err := json.Unmarshal([]byte(doc), &m); err != nil {
		panic(err)
	}
	for k, v := range changes {
		if v == nil {
			delete(m, k)
		} else {
			m[k] = v
		}
	}
	b, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	return b
}

func paths(err *providers.InvalidError) (out []string) {
	if err == nil {
		return nil
	}
	for _, v := range err.Violations {
		out = append(out, v.Path)
	}
	return out
}

func TestEachRuleOfAnOrder(t *testing.T) {
	long := strings.Repeat("a", 65)
	for _, tc := range []struct {
		name  string
		field string
		value any
		valid bool
	}{
		{"sale id missing", "productSaleId", nil, false},
		{"sale id empty", "productSaleId", "", false},
		{"sale id of 64", "productSaleId", long[:64], true},
		{"sale id of 65", "productSaleId", long, false},
		{"sale id with a space", "productSaleId", "a b", false},
		{"sale id not ASCII", "productSaleId", "活動", false},
		{"sale id with any other sign", "productSaleId", "a/b:{c}~!", true},
		{"sale id a number", "productSaleId", 5, false},
		{"order id missing", "channelOrderId", nil, false},
		{"order id of 64", "channelOrderId", long[:64], true},
		{"order id of 65", "channelOrderId", long, false},
		{"order id with every sign allowed", "channelOrderId", "A-z_0.9", true},
		{"order id of one digit", "channelOrderId", "0", true},
		{"order id like an option", "channelOrderId", "-x", false},
		{"order id like a folder", "channelOrderId", "..", false},
		{"order id with another sign first", "channelOrderId", "_x", false},
		{"order id of the doctor's look-up", "channelOrderId", codec.Probe().ID, false},
		{"order id with a colon", "channelOrderId", "a:b", false},
		{"order id with a brace", "channelOrderId", "a{b}", false},
		{"order id with a space", "channelOrderId", "a b", false},
		{"order id with a comma", "channelOrderId", "a,b", false},
		{"order id not ASCII", "channelOrderId", "訂單1", false},
		{"no mail", "mailTo", nil, true},
		{"empty mail", "mailTo", "", true},
		{"mail without @", "mailTo", "kan.gmail.com", false},
		{"mail with two @", "mailTo", "k@n@gmail.com", false},
		{"mail without a dot", "mailTo", "kan@gmail", false},
		{"mail with an empty label", "mailTo", "kan@gmail..com", false},
		{"mail without a name", "mailTo", "@gmail.com", false},
		{"two mails", "mailTo", "a@b.com,c@d.com", false},
		{"mail with a second header", "mailTo", "a@b.com\r\nBcc: c@d.com", false},
		{"mail of 254", "mailTo", "a@" + strings.Repeat("b", 248) + ".com", true},
		{"mail of 255", "mailTo", "a@" + strings.Repeat("b", 249) + ".com", false},
		{"mail with a plus", "mailTo", "kan+tickets@gmail.com.tw", true},
		{"quantity missing", "quantity", nil, false},
		{"quantity 0", "quantity", 0, false},
		{"quantity -1", "quantity", -1, false},
		{"quantity 1", "quantity", 1, true},
		{"quantity 10000", "quantity", 10000, true},
		{"quantity 10001", "quantity", 10001, false},
		{"quantity 1.5", "quantity", 1.5, false},
		{"quantity as text", "quantity", "2", false},
		{"quantity beyond any integer", "quantity", json.RawMessage("1e99"), false},
		{"pickup missing", "pickupType", nil, false},
		{"pickup order", "pickupType", "order", true},
		{"pickup in capitals", "pickupType", "Voucher", false},
		{"unknown field", "expriationDate", "2015-03-15T13:00:00+08:00", false},
		{"field in other letter case", "ChannelOrderId", "P00001", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o, err := pass2udoc.Parse("request", edit(printed, map[string]any{tc.field: tc.value}))
			if (err == nil) != tc.valid || (o != nil) != tc.valid {
				t.Fatalf("valid %t, want %t: %v", err == nil, tc.valid, err)
			}
			if !tc.valid && !cmp.Equal(paths(err), []string{"request." + tc.field}) {
				t.Errorf("violations at %v", paths(err))
			}
		})
	}
}

func TestAllViolationsAtOnceWithoutAnyValue(t *testing.T) {
	_, err := pass2udoc.Parse("request", json.RawMessage(
		`{"mailTo":"secret person","quantity":null,"channelOrderId":"secret id","productSaleId":"secret sale","pickupType":"secret way","passcode":"secret"}`))
	want := []string{"request.passcode", "request.quantity", "request.productSaleId", "request.channelOrderId", "request.mailTo", "request.pickupType"}
	if d := cmp.Diff(want, paths(err)); d != "" {
		t.Error(d)
	}
	if strings.Contains(err.Error(), "secret") {
		t.Errorf("leaks: %v", err)
	}
	for _, raw := range []string{``, `null`, `[]`, `"x"`, `{`, printed + "}", printed + printed} {
		if _, err := pass2udoc.Parse("request", json.RawMessage(raw)); err == nil {
			t.Errorf("%q passes", raw)
		}
		if _, err := pass2udoc.ParseRefund("", json.RawMessage(raw)); err == nil {
			t.Errorf("refund %q passes", raw)
		}
	}
}

func TestHowManyToRefund(t *testing.T) {
	for _, tc := range []struct {
		fields string
		n      int
		all    bool
		bad    []string
	}{
		{`"quantity":3`, 3, false, nil},
		{`"quanity":3`, 3, false, nil},
		{`"quanity":3,"quantity":null`, 3, false, nil},
		{`"all":true`, 0, true, nil},
		{`"all":true,"quantity":null`, 0, true, nil},
		{``, 0, false, []string{"request.quantity"}},
		{`"quantity":3,"quanity":3`, 0, false, []string{"request.quantity"}},
		{`"quantity":3,"all":true`, 0, false, []string{"request.all"}},
		{`"quanity":3,"all":true`, 0, false, []string{"request.all"}},
		{`"quantity":3,"all":false`, 0, false, []string{"request.all"}},
		{`"all":false`, 0, false, []string{"request.all"}},
		{`"all":"yes"`, 0, false, []string{"request.all"}},
		{`"quantity":0`, 0, false, []string{"request.quantity"}},
		{`"quanity":"3"`, 0, false, []string{"request.quanity"}},
		{`"TicketNo":["1"],"quantity":1`, 0, false, []string{"request.TicketNo"}},
	} {
		raw := `{"channelOrderId":"P1"}`
		if tc.fields != "" {
			raw = fmt.Sprintf(`{"channelOrderId":"P1",%s}`, tc.fields)
		}
		r, err := pass2udoc.ParseRefund("request", json.RawMessage(raw))
		if d := cmp.Diff(tc.bad, paths(err)); d != "" {
			t.Errorf("%s: %s", raw, d)
		}
		if err == nil && (r.Quantity != tc.n || r.All != tc.all || r.IssuedElsewhere()) {
			t.Errorf("%s: %#v", raw, r)
		}
	}
}

// Pass2U finds no order without its campaign, and shows the rest.
func TestAnOrderWithoutARecordIsDescribedByItsCampaign(t *testing.T) {
	three := []string{"productSaleId", "pass2uOrderId", "pickupType"}
	for mask := range 8 {
		drop := map[string]any{"mailTo": nil}
		for i, name := range three {
			if mask&(1<<i) == 0 {
				drop[name] = nil
			}
		}
		r, err := pass2udoc.ParseRefund("request", edit(printedRefund, drop))
		var missing []string
		if mask&1 == 0 && mask != 0 {
			missing = []string{"request.productSaleId"}
		} else if r.IssuedElsewhere() != (mask != 0) {
			t.Errorf("mask %03b: %+v", mask, r)
		}
		if d := cmp.Diff(missing, paths(err)); d != "" {
			t.Errorf("mask %03b: %s", mask, d)
		}
	}
}

func TestDocumentsThatMeanTheSameHaveTheSameCanonicalForm(t *testing.T) {
	order := func(raw string) string {
		o, err := pass2udoc.Parse("", json.RawMessage(raw))
		if err != nil {
			t.Fatal(err)
		}
		return string(o.Canonical())
	}
	a := order(`{"pickupType":"order","quantity":1,"productSaleId":"s","channelOrderId":"c","mailTo":null}`)
	b := order(`{"channelOrderId":"c", "mailTo":"", "productSaleId":"s","quantity":1,"pickupType":"\u006frder"}`)
	if a != b || a != `{"channelOrderId":"c","pickupType":"order","productSaleId":"s","quantity":1}` {
		t.Errorf("%s\n%s", a, b)
	}
	if c := order(`{"channelOrderId":"c","mailTo":"a@b.tw","productSaleId":"s","quantity":1,"pickupType":"order"}`); c == a {
		t.Error("another mail address is another document")
	}
	refund := func(raw string) string {
		r, err := pass2udoc.ParseRefund("", json.RawMessage(raw))
		if err != nil {
			t.Fatal(err)
		}
		return string(r.Canonical())
	}
	if x, y := refund(`{"channelOrderId":"c","quanity":2,"mailTo":"a@b.tw"}`), refund(`{"quantity":2,"channelOrderId":"c"}`); x != y || x != `{"channelOrderId":"c","quantity":2}` {
		t.Errorf("%s\n%s", x, y)
	}
	if x := refund(`{"channelOrderId":"c","all":true}`); x != `{"all":true,"channelOrderId":"c"}` {
		t.Error(x)
	}
}

func TestNothingShownHoldsCustomerData(t *testing.T) {
	o, err := pass2udoc.Parse("", json.RawMessage(printed))
	if err != nil {
		t.Fatal(err)
	}
	r, err := pass2udoc.ParseRefund("", json.RawMessage(printedRefund))
	if err != nil {
		t.Fatal(err)
	}
	shapes, _ := json.Marshal([]any{json.RawMessage(o.Shape()), r.Shape()})
	for _, text := range []string{string(shapes), fmt.Sprintf("%v %+v %#v %s", *o, o, o, o), fmt.Sprintf("%v %+v %#v %s", *r, r, r, r)} {
		if strings.Contains(text, "kan@") {
			t.Errorf("leaks: %s", text)
		}
	}
	if want := `[{"pickupType":"voucher","productSaleId":"02955ccca3352ef0734a4aecc9f86083","quantity":2},{"quantity":20}]`; string(shapes) != want {
		t.Errorf("%s", shapes)
	}
}

func TestProducersDoNotImportAnHTTPClient(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for dep := range strings.FieldsSeq(string(out)) {
		if dep == "net" || strings.HasPrefix(dep, "net/") || strings.HasSuffix(dep, "/pass2u") {
			t.Errorf("depends on %s", dep)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(printed))
	f.Add([]byte(printedRefund))
	f.Add([]byte(`{"channelOrderId":"P1","all":true}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if o, err := pass2udoc.Parse("request", raw); err == nil {
			if again, err := pass2udoc.Parse("request", o.Canonical()); err != nil || *again != *o {
				t.Fatalf("canonical form of a valid order: %v", err)
			}
		}
		if r, err := pass2udoc.ParseRefund("request", raw); err == nil {
			again, err := pass2udoc.ParseRefund("request", r.Canonical())
			if err != nil || string(again.Canonical()) != string(r.Canonical()) {
				t.Fatalf("canonical form of a valid refund: %v", err)
			}
		}
	})
}
