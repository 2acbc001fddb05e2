package ecticketdoc_test

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"issuance/providers/ecticket/ecticketdoc"
)

func mustParse(t testing.TB, raw json.RawMessage) *ecticketdoc.Order {
	t.Helper()
	o, err := ecticketdoc.Parse("request", raw, ecticketdoc.Options{Now: before})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func TestOneDocumentHasOneCanonicalForm(t *testing.T) {
	plain := mustParse(t, json.RawMessage(examples["3"]))
	same := mustParse(t, json.RawMessage(`{"TicketInfo":[
		{"StartDate":"20240101","TicketAmount":8,"ItemNo":"VQT04959","ExpireDate":""},
		{"TicketAmount":6,"StartDate":"20240101","ItemNo":"VNS21400","ItemName":null}],
		"FreeTradeNo":"","CustomerAddress":null,"CustomerEmail":"abc@gmail.com","CustomerPhone":"0912345678",
		"CustomerName":"\u738b\u73ca\u73ca","Operator":"AngelaChan","IsImmediate":"2","IssueType":"3","MerchantTradeNo":"CBX20220302153064851"}`))
	if a, b := string(plain.Canonical()), string(same.Canonical()); a != b {
		t.Errorf("two spellings of one document differ:\n%s\n%s", a, b)
	}
	if strings.Contains(string(plain.Canonical()), "MerchantID") {
		t.Error("MerchantID is in the canonical form, so leaving it out would look like another order")
	}
	other := mustParse(t, change(t, "3", doc{"CustomerPhone": "0912345679"}))
	if string(other.Canonical()) == string(plain.Canonical()) {
		t.Error("another phone number makes no difference")
	}
	free := mustParse(t, change(t, "4", doc{"item.TicketPrice": 0}))
	if !strings.Contains(string(free.Canonical()), `"TicketPrice":0`) {
		t.Error("a price of 0 is lost; ECPay requires it")
	}
}

func TestShapeShowsTheOrderAndNotTheCustomer(t *testing.T) {
	o := mustParse(t, change(t, "3", doc{"CustomerAddress": "台北市南港區", "UseStatusNotifyURL": "https://a.tw/?token=SECRET"}))
	text := o.Shape()
	if got := o.Sensitive(); len(got) != 4 {
		t.Errorf("%d sensitive values, want 4", len(got))
	}
	for _, s := range append(o.Sensitive(), "SECRET") {
		if strings.Contains(string(text), s) {
			t.Errorf("the shape holds %q", s)
		}
	}
	if !strings.Contains(string(text), `"VQT04959"`) || !strings.Contains(string(text), `"tickets":14`) {
		t.Errorf("the shape does not hold the items: %s", text)
	}
}

func TestGiftOrdersGoByTheirOwnNumber(t *testing.T) {
	o := mustParse(t, change(t, "1", gift(doc{})))
	if !o.Gift() || o.ID() != "F1" {
		t.Errorf("gift %t, id %q", o.Gift(), o.ID())
	}
}

func TestRefundDocuments(t *testing.T) {
	long := fmt.Sprintf(`"%s"`, strings.Repeat("A", 17))
	for _, c := range []struct{ doc, path, says string }{ // path "" means valid
		{doc: `{"MerchantTradeNo":"M1","TicketNo":["A1","A2"]}`},
		{doc: `{"FreeTradeNo":"F1","quantity":1}`},
		{doc: `{"MerchantTradeNo":"M1","all":true,"Operator":"Op1","StoreID":"TP1001"}`},
		{doc: `{"MerchantTradeNo":"M1","FreeTradeNo":"","TicketNo":["A1"],"quantity":null,"StoreID":""}`},
		{`{"all":true}`, "MerchantTradeNo", "required"},
		{`{"MerchantTradeNo":"M1","FreeTradeNo":"F1","all":true}`, "FreeTradeNo", "left out"},
		{`{"MerchantTradeNo":"M 1","all":true}`, "MerchantTradeNo", "letters and digits"},
		{`{"MerchantTradeNo":"M1"}`, "TicketNo", "exactly one"},
		{`{"MerchantTradeNo":"M1","quantity":1,"all":true}`, "all", "exactly one"},
		{`{"MerchantTradeNo":"M1","TicketNo":["A1"],"quantity":1}`, "quantity", "exactly one"},
		{`{"MerchantTradeNo":"M1","TicketNo":[]}`, "TicketNo", "1 to 100"},
		{`{"MerchantTradeNo":"M1","TicketNo":"A1"}`, "TicketNo", "array"},
		{`{"MerchantTradeNo":"M1","TicketNo":["A1","A1"]}`, "TicketNo[1]", "twice"},
		{`{"MerchantTradeNo":"M1","TicketNo":[1]}`, "TicketNo[0]", "string"},
		{`{"MerchantTradeNo":"M1","TicketNo":[""]}`, "TicketNo[0]", "letters"},
		{`{"MerchantTradeNo":"M1","TicketNo":["A-1"]}`, "TicketNo[0]", "letters"},
		{`{"MerchantTradeNo":"M1","TicketNo":[` + long + `]}`, "TicketNo[0]", "16"},
		{`{"MerchantTradeNo":"M1","quantity":0}`, "quantity", "1 to 100"},
		{`{"MerchantTradeNo":"M1","quantity":101}`, "quantity", "1 to 100"},
		{`{"MerchantTradeNo":"M1","quantity":"1"}`, "quantity", "whole number"},
		{`{"MerchantTradeNo":"M1","all":false}`, "all", "true"},
		{`{"MerchantTradeNo":"M1","all":true,"Operator":"12345678901"}`, "Operator", "at most 10"},
		{`{"MerchantTradeNo":"M1","all":true,"StoreID":"T"}`, "StoreID", "2 to 20"},
		{`{"MerchantTradeNo":"M1","all":true,"ItemNo":"A1"}`, "ItemNo", "not a field"},
	} {
		r, err := ecticketdoc.ParseRefund("request", json.RawMessage(c.doc), ecticketdoc.Options{})
		if c.path == "" {
			if err != nil || r.OrderID() == "" {
				t.Errorf("%s: %v", c.doc, err)
			}
			continue
		}
		if err == nil || len(err.Violations) != 1 || r != nil {
			t.Errorf("%s: got %v, want one violation and no refund", c.doc, err)
		} else if v := err.Violations[0]; v.Path != "request."+c.path || !strings.Contains(v.Rule, c.says) {
			t.Errorf("%s: got %q, want request.%s: %s", c.doc, v, c.path, c.says)
		}
	}
}

func TestRefundShapeDoesNotTellTicketNumbers(t *testing.T) {
	r, err := ecticketdoc.ParseRefund("", json.RawMessage(`{"MerchantTradeNo":"M1","TicketNo":["CB2SY2022","CB2SY2023"],"Operator":"Op"}`), ecticketdoc.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if text := fmt.Sprint(r.Shape()); strings.Contains(text, "CB2SY") || !strings.Contains(text, "2 ticket numbers") {
		t.Errorf("shape: %s", text)
	}
	if got, want := string(r.Canonical()), `{"MerchantTradeNo":"M1","Operator":"Op","TicketNo":["CB2SY2022","CB2SY2023"]}`; got != want {
		t.Errorf("canonical %s, want %s", got, want)
	}
}

// Producers import this package: an HTTP client must not come with it.
func TestNoHTTPClientBehindTheDocuments(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	deps := strings.Fields(string(out))
	if len(deps) < 10 {
		t.Fatalf("this is no list of dependencies: %s", out)
	}
	for _, d := range deps {
		if d == "net/http" || d == "net" || strings.HasSuffix(d, "/ecticket") || strings.HasSuffix(d, "/ecticketsim") {
			t.Errorf("depends on %s", d)
		}
	}
}

// FuzzParse: no document makes the reader panic, and no violation holds a customer's data.
func FuzzParse(f *testing.F) {
	const canary = "CANARYvalue"
	for _, text := range examples {
		f.Add([]byte(text), true)
		f.Add([]byte(strings.NewReplacer("王珊珊", canary, "0912345678", canary, "abc@gmail.com", canary, "AngelaChan", canary+canary).Replace(text)), false)
	}
	f.Add([]byte(`{"TicketInfo":[{"ItemName":"CANARYvalue <x>","StartDate":"CANARYvalue"}],"RefundNotifyURL":"CANARYvalue://%zz"}`), false)
	f.Add([]byte(`{"MerchantTradeNo":"CANARYvalue!","TicketNo":["CANARYvalue-"],"quantity":9999999999999999999}`), false)
	f.Fuzz(func(t *testing.T, raw []byte, escrow bool) {
		o, err := ecticketdoc.Parse("request", raw, ecticketdoc.Options{MerchantID: "2000132", Escrow: escrow, Now: before})
		if (o == nil) == (err == nil) {
			t.Fatal("want either an order or violations")
		}
		r, rerr := ecticketdoc.ParseRefund("request", raw, ecticketdoc.Options{})
		if (r == nil) == (rerr == nil) {
			t.Fatal("want either a refund or violations")
		}
		for _, e := range []error{errorOf(err == nil, err), errorOf(rerr == nil, rerr)} {
			// An unknown field's name is reported, its value is not.
			if e != nil && strings.Contains(e.Error(), canary) && !strings.Contains(string(raw), canary+`":`) && !strings.Contains(string(raw), `\`) {
				t.Fatalf("the violation holds the value: %v", e)
			}
		}
		if o != nil {
			again, err := ecticketdoc.Parse("request", o.Canonical(), ecticketdoc.Options{Escrow: escrow, Now: before})
			if err != nil || string(again.Canonical()) != string(o.Canonical()) {
				t.Fatalf("the canonical form of a valid document is not valid: %v", err)
			}
		}
	})
}

func errorOf(none bool, err error) error {
	if none {
		return nil
	}
	return err
}
