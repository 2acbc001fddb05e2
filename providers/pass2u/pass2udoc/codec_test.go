package pass2udoc_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"issuance/providers"
	"issuance/providers/pass2u/pass2udoc"
)

var codec = pass2udoc.Codec()

func parsed(t testing.TB, request string) *providers.OrderDocument {
	t.Helper()
	d, bad := codec.ParseOrder("request", json.RawMessage(request), providers.Rules{})
	if bad != nil {
		t.Fatal(bad)
	}
	return d
}

// A stub holds what queries and refunds ask for, and no address: to Pass2U that means "mail the order".
func TestAStubIsEnoughAndSmall(t *testing.T) {
	want := `{"productSaleId":"02955ccca3352ef0734a4aecc9f86083","channelOrderId":"P00001","pickupType":"voucher","quantity":2}`
	if got := string(parsed(t, printed).Stub); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	id := strings.Repeat("x", pass2udoc.MaxID)
	longest := parsed(t, fmt.Sprintf(`{"productSaleId":%q,"channelOrderId":%q,"quantity":%d,"pickupType":"voucher"}`, id, id, pass2udoc.MaxQuantity))
	if len(longest.Stub) > providers.MaxStub {
		t.Errorf("the longest stub has %d bytes", len(longest.Stub))
	}
}

// Fingerprints of records are made of these bytes: another form would make every repeated order another order.
func TestTheCanonicalFormNeverChanges(t *testing.T) {
	want := `{"channelOrderId":"P00001","mailTo":"kan@gmail.com","pickupType":"order","productSaleId":"02955ccca3352ef0734a4aecc9f86083","quantity":2}`
	got := string(parsed(t, `{"productSaleId":"02955ccca3352ef0734a4aecc9f86083","channelOrderId":"P00001","mailTo":"kan@gmail.com","quantity":2,"pickupType":"order"}`).Canonical)
	if got != want {
		t.Errorf("%s, want %s", got, want)
	}
	d, bad := codec.ParseRefund("request", json.RawMessage(`{"quanity":2,"channelOrderId":"P1"}`), providers.Rules{})
	if bad != nil || string(d.Canonical) != `{"channelOrderId":"P1","quantity":2}` {
		t.Errorf("a refund: %s, %v", d.Canonical, bad)
	}
}

// Each field of a refund that describes the order is held against the recorded one.
func TestARefundOfAnotherOrderIsNamedByItsField(t *testing.T) {
	stub := parsed(t, printed).Stub
	for refund, c := range map[string]struct{ ref, want string }{
		`{"channelOrderId":"P00001","all":true}`:                                                                     {"R1", ""},
		`{"productSaleId":"02955ccca3352ef0734a4aecc9f86083","pickupType":"voucher","pass2uOrderId":"R1"}`:           {"R1", ""},
		`{"productSaleId":"02955ccca3352ef0734a4aecc9f86083","pickupType":"voucher","pass2uOrderId":"R2"}`:           {"", ""}, // not known, so it cannot differ
		`{"productSaleId":"02955ccca3352ef0734a4aecc9f86083","pickupType":"voucher","pass2uOrderId":"R3"}`:           {"R1", "pass2uOrderId"},
		`{"productSaleId":"other","pickupType":"voucher","pass2uOrderId":"R1"}`:                                      {"R1", "productSaleId"},
		`{"productSaleId":"02955ccca3352ef0734a4aecc9f86083","pickupType":"order","pass2uOrderId":"R1","quanity":1}`: {"R1", "pickupType"},
	} {
		if got := codec.OtherOrder(json.RawMessage(refund), providers.Order{ID: "P00001", Request: stub, Ref: c.ref}); got != c.want {
			t.Errorf("%s with ref %q: %q, want %q", refund, c.ref, got, c.want)
		}
	}
}

// An order without a record can be asked for only when its refund says what a query needs.
func TestARefundDescribesAnOrderWithoutARecord(t *testing.T) {
	d, bad := codec.ParseRefund("request", json.RawMessage(`{"channelOrderId":"P1","quantity":1}`), providers.Rules{})
	if bad != nil || d.Outside != nil || !strings.Contains(d.Lacks, "productSaleId") {
		t.Errorf("%+v, %q, %v", d.Outside, d.Lacks, bad)
	}
	d, bad = codec.ParseRefund("request", json.RawMessage(`{"channelOrderId":"P1","quantity":1,"productSaleId":"S1"}`), providers.Rules{})
	if bad != nil || d.Lacks != "" || d.Outside.Ref != "" || string(d.Outside.Request) != `{"productSaleId":"S1","channelOrderId":"P1"}` {
		t.Errorf("%+v, %q, %v", d.Outside, d.Lacks, bad)
	}
	d, bad = codec.ParseRefund("request", json.RawMessage(printedRefund), providers.Rules{})
	if bad != nil || d.Lacks != "" || d.Outside.Ref == "" || d.Outside.ID != d.OrderID {
		t.Fatalf("%+v, %v", d, bad)
	}
	var request map[string]any
	if json.Unmarshal(d.Outside.Request, &request) != nil || len(request) != 3 || request["channelOrderId"] != d.OrderID || request["quantity"] != nil {
		t.Errorf("its request is %s", d.Outside.Request)
	}
}
