package tasks

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"issuance/internal/queue"
	"issuance/internal/seal"
	"issuance/internal/vault"
	"issuance/providers"
)

// badDocuments are seeds: what people and programs get wrong.
var badDocuments = []string{
	"", "null", "[]", "{}", "{", `{"provider":"ecticket"}`, `{"provider":"ecticket","request":null}`, `{"provider":"ecticket","request":[]}`,
	`{"provider":"ecticket","request":{"MerchantTradeNo":1,"TicketInfo":"x"}}`, `{"provider":"ecticket","request":{"TicketInfo":[null,{},{"TicketAmount":1e9}]}}`,
	`{"provider":"pass2u","request":{"quantity":"2","pickupType":2}}`, `{"provider":"pass2u","request":{"quantity":-1}} x`,
	`{"provider":"ecticket","provider":"pass2u","request":{}}`, `{"provider":"pass2u","refund_id":"R:1","request":{"channelOrderId":"}","all":false}}`,
	`{"provider":"ecticket","refund_id":"R1","request":{"MerchantTradeNo":"O1","TicketNo":["A","A",1,null]}}`,
	`{"provider":"ecticket","refund_id":"R1","request":{"MerchantTradeNo":"O1","all":true,"quantity":1}}`,
	"{\"provider\":\"\xff\"}", `{"provider":"ecticket","request":{"\u0000":1}}`, `{"v":1,"provider":"ecticket","order_id":"O1"}`, `{"v":2,"x":[`, `{"v":99999999999999999999}`,
}

// wellReported fails unless an error is an InvalidError on one printable line.
func wellReported(t *testing.T, raw []byte, err error) {
	t.Helper()
	var e *providers.InvalidError
	if !errors.As(err, &e) || len(e.Violations) == 0 {
		t.Fatalf("%q: %v", raw, err)
	}
	if text := err.Error(); strings.ContainsAny(text, "\n\r\x00") || !utf8.ValidString(text) {
		t.Fatalf("%q: the error is not one printable line: %q", raw, text)
	}
}

// safeID reports whether an id may stand in a Redis key and a task id.
func safeID(id string) bool {
	return id != "" && len(id) <= 64 && !strings.ContainsAny(id, ":{}/ \t\r\n")
}

// recognised fails unless a document's task names it, and what is recorded of it is opened and recognised again.
func recognised(t *testing.T, ring *seal.Ring, r Ref, doc sealable) {
	t.Helper()
	c := Client{ring: ring}
	it, err := c.seal(r, doc, enqueueing{lane: Bulk})
	if err != nil {
		t.Fatal(err)
	}
	if named, _, err := queue.Decode(queue.Encode(r, "")); err != nil || named != r {
		t.Fatalf("the task of %s names %s, %v", r, named, err)
	}
	if request, err := vault.OpenDocument(ring, r, it.intake.Document); err != nil || string(request) != string(doc.request) {
		t.Fatalf("%s is sealed as another document: %v", r, err)
	}
	if same, known := ring.SameFingerprint(it.intake.Fingerprint, doc.canonical); !same || !known {
		t.Fatalf("%s is not recognised again", r)
	}
}

// Whatever is read as an order is one: it can be named, sealed, opened and recognised again.
func FuzzParseOrder(f *testing.F) {
	for _, s := range badDocuments {
		f.Add([]byte(s))
	}
	for _, name := range []string{"ecticket-convenience", "ecticket-paper", "ecticket-electronic", "ecticket-serial", "pass2u"} {
		f.Add(printed(f, name))
	}
	f.Add(orderDoc("O1"))
	ring, err := seal.ParseRing(newKey)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		o, err := ParseOrder(raw, rules)
		if err != nil {
			wellReported(t, raw, err)
			return
		}
		if !o.Account.Provider.Known() || !safeID(o.ID) || o.Tickets < 1 || !json.Valid(o.Request) || !json.Valid(o.shape) {
			t.Fatalf("%q is read as %#v with %d tickets", raw, o, o.Tickets)
		}
		recognised(t, ring, o.Ref(), sealable{o.Request, o.canonical, o.shape, o.stub})
		codec, _ := providers.CodecOf(o.Account.Provider)
		again, invalid := codec.ParseOrder("request", o.Request, rules.forProvider(o.Account.Provider))
		if invalid != nil || again.ID != o.ID || string(again.Canonical) != string(o.canonical) {
			t.Fatalf("%q is another order the second time: %v", raw, invalid)
		}
		if canonical, err := codec.Canonical(o.Request); err != nil || string(canonical) != string(o.canonical) {
			t.Fatalf("%q has another canonical form the second time: %v", raw, err)
		}
	})
}

// The same for refunds.
func FuzzParseRefund(f *testing.F) {
	for _, s := range badDocuments {
		f.Add([]byte(s))
	}
	f.Add(refundDoc("O1", "R1"))
	f.Add(printed(f, "pass2u-refund"))
	f.Add([]byte(`{"provider":"ecticket","refund_id":"R1","request":{"FreeTradeNo":"O1","all":true}}`))
	ring, err := seal.ParseRing(newKey)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := ParseRefund(raw, rules)
		if err != nil {
			wellReported(t, raw, err)
			return
		}
		if !r.Account.Provider.Known() || !safeID(r.OrderID) || !safeID(r.RefundID) || !json.Valid(r.shape) {
			t.Fatalf("%q is read as %#v", raw, r)
		}
		recognised(t, ring, r.Ref(), sealable{r.Request, r.canonical, r.shape, nil})
	})
}
