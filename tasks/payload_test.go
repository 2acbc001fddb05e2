package tasks

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"issuance/internal/ledger"
	"issuance/internal/seal"
	"issuance/providers"
)

func parseRing(t testing.TB, keys string) *seal.Ring {
	t.Helper()
	r, err := seal.ParseRing(keys)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func parsed(t testing.TB, raw []byte) *Order {
	t.Helper()
	o, err := ParseOrder(raw, rules)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// A payload brings the document to the worker whole, and nobody else can read the customer in it.
func TestAPayloadCarriesTheDocumentSealed(t *testing.T) {
	ring := parseRing(t, newKey)
	now := time.Date(2024, 5, 6, 7, 8, 9, 0, time.FixedZone("", 8*3600))
	o := parsed(t, order("O1"))
	raw, _, err := o.payload(ring, Bulk, now)
	if err != nil {
		t.Fatal(err)
	}
	noCanary(t, "the payload", string(raw))
	p, err := DecodePayload(raw)
	if err != nil || p.Version != 1 || p.Key() != o.Key() || p.Lane != Bulk || !p.EnqueuedAt.Equal(now) || p.EnqueuedAt.Location() != time.UTC || p.RefundID != "" {
		t.Errorf("%+v, %v", p, err)
	}
	var shape map[string]any
	if err := json.Unmarshal(p.Shape, &shape); err != nil || shape["tickets"] != 2.0 {
		t.Errorf("shape %s, %v", p.Shape, err)
	}
	opened, err := OpenOrder(ring, p.Key(), p.Document)
	if err != nil || string(opened) != string(o.Request) {
		t.Errorf("opened %s, %v", opened, err)
	}
	if same, err := SameOrder(ring, p.Provider, opened, p.Fingerprint); err != nil || !same {
		t.Errorf("the document is not the one of its fingerprint: %t, %v", same, err)
	}
	noCanary(t, "the fingerprint", p.Fingerprint)

	r, err := ParseRefund(refund("O1", "R1"), rules)
	if err != nil {
		t.Fatal(err)
	}
	if raw, _, err = r.payload(ring, Checkout, now); err != nil {
		t.Fatal(err)
	}
	noCanary(t, "the refund's payload", string(raw))
	p, err = DecodePayload(raw)
	if err != nil || p.RefundKey() != r.Key() {
		t.Errorf("%+v, %v", p, err)
	}
	if opened, err = OpenRefund(ring, p.RefundKey(), p.Document); err != nil || string(opened) != string(r.Request) {
		t.Errorf("opened %s, %v", opened, err)
	}
	// A document that was moved to another order, or taken for an order's, does not open.
	if _, err := OpenOrder(ring, p.Key(), p.Document); err == nil {
		t.Error("a refund's document opened as the order's")
	}
	if _, err := OpenRefund(ring, ledger.RefundKey{Key: key("O2"), RefundID: "R1"}, p.Document); err == nil {
		t.Error("a document opened for another order")
	}
}

// A payload of a newer program is left to a newer worker, and tells whose it is; what is no payload
// at all is an error that tells nothing of it.
func TestForeignPayloads(t *testing.T) {
	p, err := DecodePayload([]byte(`{"v":2,"provider":"ecticket","order_id":"O1","document":{"new":"kind"},"more":1}`))
	var newer *NewerPayloadError
	if !errors.As(err, &newer) || newer.Version != 2 || p.Key() != key("O1") || !strings.Contains(err.Error(), "upgrade the worker") {
		t.Errorf("%+v, %v", p, err)
	}
	// Fields that a later program adds to this version are passed over.
	if p, err := DecodePayload([]byte(`{"v":1,"provider":"pass2u","order_id":"O1","more":{"x":1}}`)); err != nil || p.OrderID != "O1" {
		t.Errorf("%+v, %v", p, err)
	}
	for _, raw := range []string{"", "null", "{}", "王小明", `"王小明"`, `{"v":1}`, `{"v":0,"provider":"ecticket","order_id":"O1"}`, `{"v":-1,"provider":"ecticket","order_id":"O1"}`,
		`{"v":1,"provider":"王小明","order_id":"O1"}`, `{"v":1,"provider":"ecticket","order_id":""}`, `{"v":1,"provider":"ecticket","order_id":["王小明"]}`,
		`{"v":"1","provider":"ecticket","order_id":"O1"}`, `{"v":1,"provider":"ecticket","order_id":"O1"} 王小明`, `{"v":1,"provider":"ecticket","order_id":"O1","enqueued_at":"王小明"}`} {
		_, err := DecodePayload([]byte(raw))
		if err == nil || errors.As(err, &newer) && newer.Version <= 1 {
			t.Errorf("%s: %v", raw, err)
			continue
		}
		noCanary(t, "the error", err.Error())
	}
}

// A poll's payload names its order and nothing else.
func TestAPollsPayload(t *testing.T) {
	raw, err := PollPayload(key("O1"), before())
	if err != nil {
		t.Fatal(err)
	}
	p, err := DecodePayload(raw)
	if err != nil || p.Key() != key("O1") || p.Lane != Poll || p.Document != "" || !p.EnqueuedAt.Equal(before()) {
		t.Errorf("%+v, %v", p, err)
	}
}

// What the provider told is sealed for its order alone.
func TestResultsAndPlansAreSealedForTheirOrder(t *testing.T) {
	ring := parseRing(t, newKey)
	res := &providers.Result{Ref: "r", Tickets: []providers.Ticket{{TicketNo: canaryTicket, WriteOffNo: canaryTicket}}, Access: &providers.Access{URL: canaryTicket}}
	s, err := SealResult(ring, key("O1"), res)
	if err != nil {
		t.Fatal(err)
	}
	noCanary(t, "the sealed result", string(s))
	got, err := OpenResult(ring, key("O1"), s)
	if err != nil || fmt.Sprint(got.Tickets) != fmt.Sprint(res.Tickets) || *got.Access != *res.Access || got.Ref != "r" {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := OpenResult(ring, key("O2"), s); err == nil {
		t.Error("opened for another order")
	}
	if s, err := SealResult(ring, key("O1"), nil); err != nil || s != "" {
		t.Errorf("nothing is sealed to %q, %v", s, err)
	}
	rk := ledger.RefundKey{Key: key("O1"), RefundID: "R1"}
	plan, err := SealPlan(ring, rk, []string{canaryTicket, "T2"})
	if err != nil {
		t.Fatal(err)
	}
	noCanary(t, "the sealed plan", string(plan))
	if numbers, err := OpenPlan(ring, rk, plan); err != nil || len(numbers) != 2 || numbers[0] != canaryTicket {
		t.Errorf("%v, %v", numbers, err)
	}
	if _, err := OpenPlan(ring, ledger.RefundKey{Key: key("O1"), RefundID: "R2"}, plan); err == nil {
		t.Error("opened for another refund")
	}
	// A result is no plan, and the error does not tell what it is instead.
	wrong, err := ring.Seal([]byte(`{"x":"`+canaryTicket+`"}`), rk.SealContext(planField))
	if err != nil {
		t.Fatal(err)
	}
	if _, err = OpenPlan(ring, rk, wrong); err == nil {
		t.Error("an object is taken for a list")
	} else {
		noCanary(t, "the error", err.Error())
	}
}
