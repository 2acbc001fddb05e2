package vault

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"issuance/internal/seal"
	"issuance/providers"
	_ "issuance/providers/codecs"
)

var some = []string{"MerchantTradeNo", "IssueType", "Operator", "CustomerName", "TicketInfo", "ItemNo", "TicketAmount"}

const typical = `{"MerchantTradeNo":"A1","IssueType":"3","Operator":"Angela","CustomerName":"王珊珊",` +
	"\n\t" + `"TicketInfo":[{"ItemNo":"VQT04959","TicketAmount":2}],"later":{"ItemNo" : "x\"ItemNo\":\"y"}}`

// Whatever is sealed is opened as it was, byte for byte, whether its names are short, long, in values or
// none at all.
func TestADocumentIsOpenedByteForByte(t *testing.T) {
	for _, doc := range []string{typical, "", "{}", `"`, `""`, `"":`, `"ItemNo"`, `"ItemNo":`, `{"ItemNo":"ItemNo"}`, "\x00", "\x01", "\x01\x02", "\x02{}", `{"a":"` + "\x14" + `"}`, "\xff\x00", "王小明"} {
		if got := lengthen(some, shorten(some, []byte(doc))); string(got) != doc {
			t.Errorf("%q comes back as %q", doc, got)
		}
		ring := seal.Sandbox()
		s, err := SealDocument(ring, a1, []byte(doc))
		must(t, err)
		if got, err := OpenDocument(ring, a1, s); err != nil || string(got) != doc {
			t.Errorf("%q is opened as %q, %v", doc, got, err)
		}
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

// What an earlier version stored stays readable, with more names and with none.
func TestTheShortNamesStayWhatTheyAre(t *testing.T) {
	for _, c := range []struct {
		provider       providers.Name
		stored, opened string
	}{
		{providers.ECTicket, "\x01{\x02\"A1\",\x05\"3\",\x13[{\x14\"I\",\x172}],\x1a[\"T\"]}", `{"MerchantTradeNo":"A1","IssueType":"3","TicketInfo":[{"ItemNo":"I","TicketAmount":2}],"TicketNo":["T"]}`},
		{providers.Pass2U, "\x01{\x02\"S\",\x03\"C\",\x052,\x06\"mail\"}", `{"productSaleId":"S","channelOrderId":"C","quantity":2,"pickupType":"mail"}`},
		{"none", "\x01{\"a\":1}", `{"a":1}`},
	} {
		if got := lengthen(names(c.provider), []byte(c.stored)); string(got) != c.opened {
			t.Errorf("%s: %s, want %s", c.provider, got, c.opened)
		}
	}
	if len(marks) != providers.MaxStoredNames {
		t.Errorf("%d marks", len(marks))
	}
	for _, c := range providers.Codecs() {
		for place, name := range c.StoredNames {
			if stored := fmt.Sprintf("\x01{%c1}", marks[place]); string(lengthen(c.StoredNames, []byte(stored))) != `{"`+name+`":1}` || string(shorten(c.StoredNames, []byte(`{"`+name+`":1}`))) != stored {
				t.Errorf("%s: %s has no place of its own", c.Name, name)
			}
		}
	}
	if n := len(shorten(some, []byte(typical))); n > len(typical)*7/10 {
		t.Errorf("%d bytes of %d are left", n, len(typical))
	}
}

func FuzzADocumentIsOpenedByteForByte(f *testing.F) {
	f.Add([]byte(typical))
	f.Add([]byte("\x01\x02\x00"))
	f.Fuzz(func(t *testing.T, doc []byte) {
		if got := lengthen(some, shorten(some, doc)); !bytes.Equal(got, doc) {
			t.Errorf("%q comes back as %q", doc, got)
		}
	})
}

func BenchmarkShorten(b *testing.B) {
	doc := []byte(typical)
	for b.Loop() {
		_ = shorten(some, doc)
	}
}
