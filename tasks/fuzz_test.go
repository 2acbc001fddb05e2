package tasks

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

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

// wellTold fails unless an error is an InvalidError on one printable line.
func wellTold(t *testing.T, raw []byte, err error) {
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

// Whatever is read as an order is one: it can be named, sealed, opened and recognised again.
func FuzzParseOrder(f *testing.F) {
	for _, s := range badDocuments {
		f.Add([]byte(s))
	}
	for _, name := range []string{"ecticket-convenience", "ecticket-paper", "ecticket-electronic", "ecticket-serial", "pass2u"} {
		f.Add(printed(f, name))
	}
	f.Add(order("O1"))
	ring := parseRing(f, newKey)
	f.Fuzz(func(t *testing.T, raw []byte) {
		o, err := ParseOrder(raw, rules)
		if err != nil {
			wellTold(t, raw, err)
			return
		}
		if !o.Provider.Known() || !safeID(o.ID) || o.Tickets < 1 || !json.Valid(o.Request) || !json.Valid(o.shape) {
			t.Fatalf("%q is read as %#v with %d tickets", raw, o, o.Tickets)
		}
		payload, _, err := o.payload(ring, Checkout, before())
		if err != nil {
			t.Fatal(err)
		}
		p, err := DecodePayload(payload)
		if err != nil || p.Key() != o.Key() {
			t.Fatalf("%q: %v", raw, err)
		}
		if err := Recheck(o.Key(), o.Request, rules); err != nil {
			t.Fatalf("%q is no order the second time: %v", raw, err)
		}
		if same, err := SameOrder(ring, o.Provider, o.Request, p.Fingerprint); err != nil || !same {
			t.Fatalf("%q is not recognised again: %v", raw, err)
		}
	})
}

// The same for refunds.
func FuzzParseRefund(f *testing.F) {
	for _, s := range badDocuments {
		f.Add([]byte(s))
	}
	f.Add(refund("O1", "R1"))
	f.Add(printed(f, "pass2u-refund"))
	f.Add([]byte(`{"provider":"ecticket","refund_id":"R1","request":{"FreeTradeNo":"O1","all":true}}`))
	ring := parseRing(f, newKey)
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := ParseRefund(raw, rules)
		if err != nil {
			wellTold(t, raw, err)
			return
		}
		if !r.Provider.Known() || !safeID(r.OrderID) || !safeID(r.RefundID) || !json.Valid(r.shape) {
			t.Fatalf("%q is read as %#v", raw, r)
		}
		payload, _, err := r.payload(ring, Bulk, before())
		if err != nil {
			t.Fatal(err)
		}
		p, err := DecodePayload(payload)
		if err != nil || p.RefundKey() != r.Key() {
			t.Fatalf("%q: %v", raw, err)
		}
		if same, err := SameRefund(ring, r.Provider, r.Request, p.Fingerprint); err != nil || !same {
			t.Fatalf("%q is not recognised again: %v", raw, err)
		}
	})
}

// Whatever stands in a queue: no panic, and what is taken names an order.
func FuzzDecodePayload(f *testing.F) {
	for _, s := range badDocuments {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		p, err := DecodePayload(raw)
		var newer *NewerPayloadError
		switch {
		case errors.As(err, &newer):
			if newer.Version <= PayloadVersion {
				t.Fatalf("%q: %v", raw, err)
			}
		case err == nil:
			if !p.Provider.Known() || p.OrderID == "" || p.Version != PayloadVersion || !json.Valid(raw) {
				t.Fatalf("%q is taken for %+v", raw, p)
			}
		case len(raw) > 8 && strings.Contains(err.Error(), string(raw)):
			t.Fatalf("the error tells the payload: %v", err)
		}
	})
}
