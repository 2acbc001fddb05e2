package tasks

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"issuance/internal/ledger"
	"issuance/internal/seal"
	"issuance/providers"
)

// A worker checks a document again: dates pass, and another program may have enqueued it.
func TestADocumentIsCheckedAgain(t *testing.T) {
	o := parsed(t, printed(t, "ecticket-electronic"))
	if err := Recheck(o.Key(), o.Request, rules); err != nil {
		t.Error(err)
	}
	err := Recheck(o.Key(), o.Request, Rules{Now: func() time.Time { return before().AddDate(1, 0, 0) }})
	if e := invalid(t, err); !strings.Contains(e.Violations[0].Path, "StartDate") {
		t.Errorf("a start that has passed: %v", err)
	}
	if err := Recheck(key("O9"), o.Request, rules); err == nil {
		t.Error("a document of another order passes")
	}
	for _, request := range []string{"", "{", "null", `{"x":1}`} {
		if err := Recheck(o.Key(), []byte(request), rules); err == nil {
			t.Errorf("%q passes", request)
		}
	}
}

// The fingerprint of a document is found again from the stored request, for every example, across
// spellings and a rotation of keys; another document is told from it, an unknown key as such.
func TestTheSameOrderIsRecognised(t *testing.T) {
	was, is := parseRing(t, oldKey), parseRing(t, newKey+","+oldKey)
	for _, name := range []string{"ecticket-convenience", "ecticket-paper", "ecticket-electronic", "ecticket-serial", "pass2u"} {
		o := parsed(t, printed(t, name))
		fp := was.Fingerprint(o.canonical)
		if same, err := SameOrder(is, o.Provider, o.Request, fp); err != nil || !same {
			t.Errorf("%s: %t, %v", name, same, err)
		}
		changed := bytes.Replace(o.Request, []byte("gmail"), []byte("hmail"), 1)
		changed = bytes.Replace(changed, []byte(`"TicketAmount": 2`), []byte(`"TicketAmount": 3`), 1)
		changed = bytes.Replace(changed, []byte(`"TicketAmount": 10`), []byte(`"TicketAmount": 11`), 1)
		if same, err := SameOrder(is, o.Provider, changed, fp); err != nil || same {
			t.Errorf("%s, changed: %t, %v", name, same, err)
		}
		if _, err := SameOrder(parseRing(t, newKey), o.Provider, o.Request, fp); !errors.Is(err, seal.ErrUnknownKey) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := SameOrder(is, providers.ECTicket, []byte(`{"IssueType":["王小明"]}`), "x"); err == nil {
		t.Error("no document at all")
	} else {
		noCanary(t, "the error", err.Error())
	}
	if _, err := SameOrder(is, "x", []byte(`{}`), "x"); err == nil {
		t.Error("no provider of ours")
	}
}

// Spellings that mean the same have one fingerprint: order of fields, spaces, absent fields, the
// merchant's id.
func TestSpellingsOfOneDocumentAreOneDocument(t *testing.T) {
	canonical := func(request string) string {
		return string(parsed(t, []byte(`{"provider":"ecticket","request":`+request+`}`)).canonical)
	}
	const plain = `{"MerchantTradeNo":"O1","IssueType":"2","PrintType":"1","Operator":"A","TicketInfo":[{"ItemNo":"I1","TicketAmount":1}]}`
	for _, same := range []string{
		`{"TicketInfo":[{"TicketAmount":1,"ItemNo":"I1"}],"Operator":"\u0041","PrintType":"1","IssueType":"2","MerchantTradeNo":"O1"}`,
		strings.ReplaceAll(plain, ",", " ,\n"),
		strings.Replace(plain, "{", `{"MerchantID":"2000132","StoreID":"","CustomerName":null,`, 1),
	} {
		if canonical(same) != canonical(plain) {
			t.Errorf("%s\nis not\n%s", canonical(same), canonical(plain))
		}
	}
	if canonical(strings.Replace(plain, `:1}`, `:2}`, 1)) == canonical(plain) {
		t.Error("another number of tickets is the same document")
	}
}

// The same for refunds.
func TestTheSameRefundIsRecognised(t *testing.T) {
	was, is := parseRing(t, oldKey), parseRing(t, newKey+","+oldKey)
	for _, doc := range [][]byte{refund("O1", "R1"), printed(t, "pass2u-refund")} {
		r, err := ParseRefund(doc, rules)
		if err != nil {
			t.Fatal(err)
		}
		fp := was.Fingerprint(r.canonical)
		if same, err := SameRefund(is, r.Provider, r.Request, fp); err != nil || !same {
			t.Errorf("%s: %t, %v", r, same, err)
		}
		changed := bytes.Replace(bytes.Replace(r.Request, []byte("CANARY0001"), []byte("CANARY0002"), 1), []byte(":20"), []byte(":19"), 1)
		if same, err := SameRefund(is, r.Provider, changed, fp); err != nil || same {
			t.Errorf("%s, changed: %t, %v", r, same, err)
		}
		if _, err := SameRefund(parseRing(t, newKey), r.Provider, r.Request, fp); !errors.Is(err, seal.ErrUnknownKey) {
			t.Error(err)
		}
		if _, err := SameRefund(is, r.Provider, []byte(`{}`), fp); err == nil {
			t.Error("a broken document passes")
		}
	}
}

// What a refund asks for is read from its document.
func TestARefundsWishIsRead(t *testing.T) {
	if w, err := RefundTickets([]byte(`{"MerchantTradeNo":"O1","TicketNo":["A","B"]}`)); err != nil || !slices.Equal(w.TicketNo, []string{"A", "B"}) || w.All || w.Quantity != 0 {
		t.Errorf("%+v, %v", w, err)
	}
	if w, err := RefundTickets([]byte(`{"MerchantTradeNo":"O1","all":true}`)); err != nil || !w.All {
		t.Errorf("%+v, %v", w, err)
	}
	if _, err := RefundTickets([]byte(`{}`)); err == nil {
		t.Error("no wish")
	}
	if n, all, err := RefundQuantity(providers.Pass2U, []byte(`{"channelOrderId":"O1","quantity":3}`)); err != nil || n != 3 || all {
		t.Errorf("%d, %t, %v", n, all, err)
	}
	if _, all, err := RefundQuantity(providers.Pass2U, []byte(`{"channelOrderId":"O1","all":true}`)); err != nil || !all {
		t.Errorf("%t, %v", all, err)
	}
	if _, _, err := RefundQuantity(providers.Pass2U, []byte(`{}`)); err == nil {
		t.Error("no quantity")
	}
}

// Who refunds: the refund's own words, else the order's, else a default.
func TestWhoRefunds(t *testing.T) {
	for _, c := range []struct{ refund, order, operator, store string }{
		{`{"Operator":"Bob","StoreID":"S2"}`, `{"Operator":"Ann","StoreID":"S1"}`, "Bob", "S2"},
		{`{"Operator":"Bob"}`, `{"Operator":"Ann","StoreID":"S1"}`, "Bob", "S1"},
		{`{}`, `{"Operator":"Ann","StoreID":"S1"}`, "Ann", "S1"},
		{`{}`, `{}`, DefaultOperator, ""},
	} {
		if got := RefundOperator([]byte(c.refund), []byte(c.order)); got.Operator != c.operator || got.StoreID != c.store {
			t.Errorf("%s of %s: %+v", c.refund, c.order, got)
		}
	}
	if len(DefaultOperator) > 10 {
		t.Error("ECTicket takes at most 10 characters")
	}
}

// A refund of an order issued elsewhere says itself what the order is.
func TestAnOrderIssuedElsewhere(t *testing.T) {
	o, err := OutsideOrder(ledger.RefundKey{Key: key("O1"), RefundID: "R1"}, []byte(`{"FreeTradeNo":"O1","all":true}`))
	if err != nil || o.ID != "O1" || string(o.Request) != `{"FreeTradeNo":"O1"}` {
		t.Errorf("%s, %v", o.Request, err)
	}
	pass2u := ledger.RefundKey{Key: ledger.Key{Provider: providers.Pass2U, OrderID: "P100001"}, RefundID: "R1"}
	r, err := ParseRefund(printed(t, "pass2u-refund"), rules)
	if err != nil {
		t.Fatal(err)
	}
	o, err = OutsideOrder(pass2u, r.Request)
	if err != nil || o.Ref != "123932ewxrtg" ||
		string(o.Request) != `{"productSaleId":"02955ccca3352ef0734a4aecc9f86083","channelOrderId":"P100001","pickupType":"order"}` {
		t.Errorf("%+v, %v", o.Ref, err)
	}
	if _, err = OutsideOrder(pass2u, []byte(`{"channelOrderId":"P100001","all":true}`)); err == nil || !strings.Contains(err.Error(), "pass2uOrderId") {
		t.Errorf("%v", err)
	}
}

// Providers tell Taiwan's time.
func TestProviderTimeIsTaiwans(t *testing.T) {
	want := time.Date(2024, 5, 6, 23, 8, 0, 0, time.UTC)
	for _, s := range []string{"20240507 07:08", "20240507 07:08:00", "2024/05/07 07:08:00", "2024/05/07 07:08", "2024-05-06T23:08:00Z", "2024-05-07T07:08:00+08:00"} {
		if got, ok := ProviderTime(s); !ok || !got.Equal(want) {
			t.Errorf("%q is %s, %t", s, got, ok)
		}
	}
	for _, s := range []string{"", "20240507", "20241307 07:08", "now"} {
		if got, ok := ProviderTime(s); ok {
			t.Errorf("%q is %s", s, got)
		}
	}
}
