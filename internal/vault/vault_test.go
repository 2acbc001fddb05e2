package vault

import (
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"issuance/internal/seal"
	"issuance/providers"
	_ "issuance/providers/codecs"
	"issuance/tasks/order"
)

var (
	shop = providers.Account{Provider: providers.ECTicket, Merchant: "2000132"}
	a1   = order.Ref{Account: shop, OrderID: "A1"}
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// What is sealed is opened as it was, and shows nothing of it.
func TestWhatIsSealedIsOpenedAgain(t *testing.T) {
	ring := seal.Sandbox()
	doc := json.RawMessage(`{"MerchantTradeNo":"A1","CustomerName":"Ms Chen"}`)
	s, err := SealDocument(ring, a1, doc)
	must(t, err)
	if got, err := OpenDocument(ring, a1, s); err != nil || string(got) != string(doc) || strings.Contains(string(s), "Chen") {
		t.Errorf("%s, %v", got, err)
	}
	res := &providers.Result{}
	must(t, json.Unmarshal([]byte(`{"tickets":[{"ticket_no":"T1"}]}`), res))
	s, err = SealResult(ring, a1, res)
	must(t, err)
	got, err := OpenResult(ring, a1, s)
	must(t, err)
	if d := cmp.Diff(res, got); d != "" {
		t.Error(d)
	}
	if s, err := SealResult(ring, a1, nil); err != nil || s != "" {
		t.Errorf("no result is sealed as %q, %v", s, err)
	}
	plan := []string{"T1", "T2"}
	s, err = SealPlan(ring, a1.Refund("R1"), plan)
	must(t, err)
	if got, err := OpenPlan(ring, a1.Refund("R1"), s); err != nil || cmp.Diff(plan, got) != "" {
		t.Errorf("%v, %v", got, err)
	}
}

// A sealed value opens for its own record and field only: it cannot be moved to another order, another
// merchant's order of the same number, a refund, or another field.
func TestASealedValueBelongsToItsRecordAndField(t *testing.T) {
	ring := seal.Sandbox()
	s, err := SealDocument(ring, a1, json.RawMessage(`["T1"]`))
	must(t, err)
	others := []order.Ref{a1.Refund("R1"), {Account: shop, OrderID: "A2"}, {Account: providers.Account{Provider: providers.ECTicket, Merchant: "3002607"}, OrderID: "A1"},
		{Account: providers.Account{Provider: providers.Pass2U, Merchant: "2000132"}, OrderID: "A1"}, a1.Refund("document")}
	for _, r := range others {
		if _, err := OpenDocument(ring, r, s); err == nil {
			t.Errorf("the document of %s opens for %s", a1, r)
		}
	}
	if _, err := OpenPlan(ring, a1, s); err == nil {
		t.Error("a document opens as a plan")
	}
	if _, err := OpenResult(ring, a1, s); err == nil {
		t.Error("a document opens as a result")
	}
}

// A value sealed with a key that the ring does not hold says so; what is no such value shows nothing of itself.
func TestAMissingKeyIsSaid(t *testing.T) {
	key := func(b byte) *seal.Ring {
		k := make([]byte, 32)
		for i := range k {
			k[i] = b + byte(i)
		}
		r, err := seal.NewRing(k)
		must(t, err)
		return r
	}
	s, err := SealDocument(key(1), a1, json.RawMessage(`{}`))
	must(t, err)
	if _, err := OpenDocument(key(7), a1, s); !errors.Is(err, seal.ErrUnknownKey) {
		t.Errorf("%v", err)
	}
	s, err = key(1).Seal([]byte("secret, and no JSON"), binding(a1, planField))
	must(t, err)
	if _, err := OpenPlan(key(1), a1, s); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("%v", err)
	}
}

// A document is sealed in short and opened byte for byte, whether its names are short, long, or none at all.
func TestADocumentIsOpenedByteForByte(t *testing.T) {
	ring := seal.Sandbox()
	for _, doc := range []string{`{"MerchantTradeNo":"A1","later":{"ItemNo" : "x\"ItemNo\":\"y"}}`, "", "{}", `"ItemNo":`, "\x00", "\x01\x02", "\xff\x00"} {
		s, err := SealDocument(ring, a1, []byte(doc))
		must(t, err)
		if got, err := OpenDocument(ring, a1, s); err != nil || string(got) != doc {
			t.Errorf("%q is opened as %q, %v", doc, got, err)
		}
	}
	if s, err := ring.Seal([]byte("\x01{\x02\"A1\"}"), binding(a1, documentField)); err != nil {
		t.Error(err)
	} else if got, err := OpenDocument(ring, a1, s); err != nil || string(got) != `{"MerchantTradeNo":"A1"}` {
		t.Errorf("%s, %v", got, err)
	}
}

// Every name of a result has a place, which stays what it is, and tickets take a fraction of their names.
func TestResultsAreStoredWithShortNames(t *testing.T) {
	var in func(typ reflect.Type)
	in = func(typ reflect.Type) {
		for i := range typ.NumField() {
			f := typ.Field(i)
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if name != "-" && !slices.Contains(resultNames, name) {
				t.Errorf("%s of %s has no place", name, typ)
			}
			if of := f.Type; of.Kind() == reflect.Slice || of.Kind() == reflect.Pointer {
				in(of.Elem())
			}
		}
	}
	in(reflect.TypeFor[providers.Result]())
	ring := seal.Sandbox()
	stored, opened := "\x01{\x02\"P1\",\x03[{\x11\"unused\",\x16\"B1\",\x07\"http://x/1\"}],\x06\"now\"}", providers.Result{Ref: "P1", CreatedAt: "now",
		Tickets: []providers.Ticket{{UseStatus: providers.Unused, Barcode: "B1", URL: "http://x/1"}}}
	s, err := ring.Seal([]byte(stored), binding(a1, resultField))
	must(t, err)
	got, err := OpenResult(ring, a1, s)
	must(t, err)
	if d := cmp.Diff(&opened, got); d != "" {
		t.Error(d)
	}
	again, err := SealResult(ring, a1, got)
	must(t, err)
	if text, err := ring.Open(again, binding(a1, resultField)); err != nil || string(text) != stored {
		t.Errorf("%q, %v", text, err)
	}
}
