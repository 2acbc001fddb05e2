package conformance

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"issuance/providers"
)

func documents(t *testing.T, s Subject) {
	t.Run("the printed examples are orders", func(t *testing.T) { examples(t, s) })
	t.Run("an order is read completely", func(t *testing.T) { orderDocument(t, s) })
	t.Run("a refund is read completely", func(t *testing.T) { refundDocument(t, s) })
	t.Run("one document has one canonical form", func(t *testing.T) { canonical(t, s) })
	t.Run("a refund means its own order", func(t *testing.T) { otherOrder(t, s) })
	t.Run("a number that is left out has a field", func(t *testing.T) { numberField(t, s) })
	t.Run("what is no document is never accepted", func(t *testing.T) { noDocument(t, s) })
	t.Run("violations hold no values", func(t *testing.T) { violations(t, s) })
	t.Run("times are read", func(t *testing.T) { times(t, s) })
	t.Run("a review says what to check", func(t *testing.T) { reviews(t, s) })
}

// numberField: the field is one of those that hold numbers, whatever the request is like, and the one that an example uses.
func numberField(t *testing.T, s Subject) {
	if s.Codec.NumberField == nil {
		return
	}
	for _, request := range []string{``, `null`, `[]`, `{}`, `{"` + s.Codec.Columns.ItemsField + `":[{}]}`} {
		if field := s.Codec.NumberField(json.RawMessage(request)); !slices.Contains(s.Codec.Columns.IDs, field) {
			t.Errorf("%q: the number belongs in %q", request, field)
		}
	}
	for name, request := range s.Examples {
		if field := s.Codec.NumberField(json.RawMessage(request)); !slices.Contains(fields(t, json.RawMessage(request)), field) {
			t.Errorf("%s: the number belongs in %q, where it is not", name, field)
		}
	}
}

// parse parses an order that must be valid.
func (s Subject) parse(t testing.TB, request json.RawMessage) *providers.OrderDocument {
	t.Helper()
	doc, bad := s.Codec.ParseOrder("request", request, s.rules())
	if bad != nil {
		t.Fatalf("%v", bad)
	}
	return doc
}

func (s Subject) parseRefund(t testing.TB, request json.RawMessage) *providers.RefundDocument {
	t.Helper()
	doc, bad := s.Codec.ParseRefund("request", request, s.rules())
	if bad != nil {
		t.Fatalf("%v", bad)
	}
	return doc
}

func examples(t *testing.T, s Subject) {
	if len(s.Examples) == 0 {
		t.Error("the subject brings no example")
	}
	for name, request := range s.Examples {
		doc, bad := s.Codec.ParseOrder("request", json.RawMessage(request), s.rules())
		if bad != nil || doc.ID == "" || doc.Tickets < 1 {
			t.Errorf("%s: %+v, %v", name, doc, bad)
		}
		named := fields(t, json.RawMessage(request))
		if !slices.ContainsFunc(s.Codec.Mentions, func(f string) bool { return slices.Contains(named, f) }) {
			t.Errorf("%s has none of the fields by which the provider is recognised", name)
		}
	}
}

func orderDocument(t *testing.T, s Subject) {
	for n := 1; n <= 3; n++ {
		request := s.Order("O1", n)
		doc := s.parse(t, request)
		if doc.ID != "O1" || doc.Tickets != n || doc.Calls < 1 {
			t.Errorf("read as %s with %d tickets and %d calls", doc.ID, doc.Tickets, doc.Calls)
		}
		if doc.Merchant != "" && !providers.ValidMerchant(doc.Merchant) {
			t.Errorf("merchant %q", doc.Merchant)
		}
		if got := s.Codec.Tickets(request); got != n {
			t.Errorf("%d tickets, not %d", got, n)
		}
		if got := s.Codec.Tickets(doc.Stub); got != n {
			t.Errorf("the stub orders %d tickets, not %d", got, n)
		}
		if a, b := s.Codec.Calls(request), s.Codec.Calls(doc.Stub); a != doc.Calls || b != doc.Calls {
			t.Errorf("%d calls by the document, %d by the request, %d by the stub", doc.Calls, a, b)
		}
		if of := s.Codec.ShapeOf; of != nil && !bytes.Equal(of(doc.Stub), doc.Shape) {
			t.Errorf("the stub shows %s, the shape is %s", of(doc.Stub), doc.Shape)
		}
		for name, text := range map[string][]byte{"shape": doc.Shape, "stub": doc.Stub} {
			var m map[string]any
			if err := json.Unmarshal(text, &m); err != nil || len(m) == 0 {
				t.Errorf("the %s is no object: %s", name, text)
			}
			s.safe(t, "the "+name, string(text))
		}
		if len(doc.Stub) > providers.MaxStub {
			t.Errorf("the stub has %d bytes", len(doc.Stub))
		}
		if known := s.rules(); known.WellFormed {
			t.Fatal("the rules skip the check")
		}
		rules := s.rules()
		rules.WellFormed = true
		if again, bad := s.Codec.ParseOrder("request", request, rules); bad != nil || !bytes.Equal(again.Canonical, doc.Canonical) {
			t.Errorf("known to be well-formed, it is read otherwise: %v", bad)
		}
	}
}

func refundDocument(t *testing.T, s Subject) {
	for n := 0; n <= 3; n++ {
		request := s.Refund("O1", n)
		doc := s.parseRefund(t, request)
		if doc.OrderID != "O1" || doc.Wish.All != (n == 0) || doc.Wish.Quantity+len(doc.Wish.TicketNo) != n {
			t.Errorf("refund of %d: read as %+v of %s", n, doc.Wish, doc.OrderID)
		}
		if (doc.Outside == nil) == (doc.Lacks == "") {
			t.Errorf("an order issued elsewhere is described as %+v, and the document lacks %q", doc.Outside, doc.Lacks)
		}
		if o := doc.Outside; o != nil && (o.ID != "O1" || !json.Valid(o.Request)) {
			t.Errorf("an order issued elsewhere is %s", o.ID)
		}
		var m map[string]any
		if err := json.Unmarshal(doc.Shape, &m); err != nil || len(m) == 0 {
			t.Errorf("the shape is no object: %s", doc.Shape)
		}
		order := s.Order("O1", 3)
		operator, store := s.Codec.RefundedBy(request, order)
		if o, st := s.Codec.RefundedBy(request, s.parse(t, order).Stub); o != operator || st != store {
			t.Errorf("refunded by %q at %q, by the stub %q at %q", operator, store, o, st)
		}
	}
}

func canonical(t *testing.T, s Subject) {
	for name, request := range s.Examples {
		a, b := s.parse(t, json.RawMessage(request)), s.parse(t, respelled(t, json.RawMessage(request)))
		if !bytes.Equal(a.Canonical, b.Canonical) || !bytes.Equal(a.Shape, b.Shape) || !bytes.Equal(a.Stub, b.Stub) {
			t.Errorf("%s: another spelling is another document:\n%s\n%s", name, a.Canonical, b.Canonical)
		}
		for _, raw := range []json.RawMessage{json.RawMessage(request), respelled(t, json.RawMessage(request)), a.Canonical} {
			if again, err := s.Codec.Canonical(raw); err != nil || !bytes.Equal(again, a.Canonical) {
				t.Errorf("%s: the canonical form alone is %s (%v), with the rest %s", name, again, err, a.Canonical)
			}
		}
	}
	one, other, more := s.parse(t, s.Order("O1", 1)), s.parse(t, s.Order("O2", 1)), s.parse(t, s.Order("O1", 2))
	if bytes.Equal(one.Canonical, other.Canonical) || bytes.Equal(one.Canonical, more.Canonical) {
		t.Error("two different orders have one canonical form")
	}
	for n := 0; n <= 2; n++ {
		a, b := s.parseRefund(t, s.Refund("O1", n)), s.parseRefund(t, respelled(t, s.Refund("O1", n)))
		if !bytes.Equal(a.Canonical, b.Canonical) {
			t.Errorf("another spelling is another refund:\n%s\n%s", a.Canonical, b.Canonical)
		}
		if c := s.parseRefund(t, s.Refund("O1", n+1)); bytes.Equal(a.Canonical, c.Canonical) {
			t.Error("two different refunds have one canonical form")
		}
	}
	if _, err := s.Codec.Canonical(json.RawMessage(`{"`)); err == nil {
		t.Error("what cannot be read has a canonical form")
	}
}

func otherOrder(t *testing.T, s Subject) {
	request := s.Order("O1", 2)
	for _, o := range []providers.Order{{ID: "O1", Request: request}, {ID: "O1", Request: s.parse(t, request).Stub}, {ID: "O1", Request: request, Ref: "R1"}} {
		if field := s.Codec.OtherOrder(s.Refund("O1", 1), o); field != "" {
			t.Errorf("the refund's %s is taken for another order's", field)
		}
	}
}

func noDocument(t *testing.T, s Subject) {
	for _, text := range []string{"", " ", "null", "true", "1", `"x"`, "[]", "{", "{}", "{}{}", `{"a":1}`, "[{}]", "\xff", `{"` + strings.Repeat("[", 1000)} {
		if doc, bad := s.Codec.ParseOrder("request", json.RawMessage(text), s.rules()); bad == nil || doc != nil || len(bad.Violations) == 0 {
			t.Errorf("%q is an order", text)
		}
		if doc, bad := s.Codec.ParseRefund("request", json.RawMessage(text), s.rules()); bad == nil || doc != nil || len(bad.Violations) == 0 {
			t.Errorf("%q is a refund", text)
		}
		if n := s.Codec.Tickets(json.RawMessage(text)); n != 0 {
			t.Errorf("%q orders %d tickets", text, n)
		}
		if n := s.Codec.Calls(json.RawMessage(text)); n < 1 {
			t.Errorf("%q takes %d calls", text, n)
		}
	}
	if _, bad := s.Codec.ParseOrder("request", with(t, s.Order("O1", 1), "nosuchfield", 1), s.rules()); bad == nil || bad.Violations[0].Path != "request.nosuchfield" {
		t.Errorf("a field that nobody knows: %v", bad)
	}
}

// violations puts a canary into every field in turn: whatever is said about it, the canary is not.
func violations(t *testing.T, s Subject) {
	const canary = "CANARY <秘密> 0912345678"
	wrong := 0
	check := func(field string, bad *providers.InvalidError) {
		if bad == nil {
			return
		}
		wrong++
		if text := bad.Error() + fmt.Sprintf("%+v", bad.Violations); strings.Contains(text, "CANARY") || strings.Contains(text, "秘密") || strings.Contains(text, "0912") {
			t.Errorf("%s: %s", field, text)
		}
	}
	for _, value := range []any{canary, []string{canary}, map[string]string{"x": canary}, 912345678901} {
		for _, field := range append(fields(t, s.Order("O1", 1)), "nosuchfield") {
			_, bad := s.Codec.ParseOrder("request", with(t, s.Order("O1", 1), field, value), s.rules())
			check(field, bad)
		}
		for _, field := range append(fields(t, s.Refund("O1", 1)), "nosuchfield") {
			_, bad := s.Codec.ParseRefund("request", with(t, s.Refund("O1", 1), field, value), s.rules())
			check(field, bad)
		}
	}
	if wrong < 8 {
		t.Errorf("only %d of the documents were wrong", wrong)
	}
}

func times(t *testing.T, s Subject) {
	if len(s.Times) == 0 {
		t.Error("the subject brings no time")
	}
	for _, text := range s.Times {
		if at, ok := s.Codec.Time(text); !ok || at.Year() < 2000 {
			t.Errorf("%q is read as %v, %t", text, at, ok)
		}
	}
	for _, text := range []string{"", "soon", "20269999 99:99"} {
		if at, ok := s.Codec.Time(text); ok || !at.IsZero() {
			t.Errorf("%q is read as %v", text, at)
		}
	}
}

func reviews(t *testing.T, s Subject) {
	account := providers.Account{Provider: s.Codec.Name, Merchant: "M1"}
	seen := map[string]bool{}
	for _, f := range []providers.ReviewFacts{
		{OrderID: "O1", Late: "20 minutes", Baseline: -1},
		{OrderID: "O1", Late: "20 minutes", RefundID: "R1", Planned: 2, Baseline: -1},
		{OrderID: "O1", Late: "20 minutes", RefundID: "R1", Planned: 0, Baseline: 1, Others: []string{"R0 (review, 1 ticket)"}},
	} {
		f.Account = account
		text := s.Codec.Check(f)
		ends := "issued"
		if f.RefundID != "" {
			ends = "partially_refunded"
		}
		for _, want := range []string{f.OrderID, f.Late, ends, "failed"} {
			if !strings.Contains(text, want) {
				t.Errorf("%+v: nothing is said of %q: %s", f, want, text)
			}
		}
		seen[text] = true
	}
	if len(seen) < 2 {
		t.Error("a refund is checked like an order")
	}
}
