package shortnames

import (
	"bytes"
	"fmt"
	"testing"

	"issuance/providers"
	_ "issuance/providers/codecs"
)

var some = []string{"MerchantTradeNo", "IssueType", "Operator", "CustomerName", "TicketInfo", "ItemNo", "TicketAmount"}

const typical = `{"MerchantTradeNo":"A1","IssueType":"3","Operator":"Angela","CustomerName":"王珊珊",` +
	"\n\t" + `"TicketInfo":[{"ItemNo":"VQT04959","TicketAmount":2}],"later":{"ItemNo" : "x\"ItemNo\":\"y"}}`

// Whatever is stored is read back as it was, byte for byte, whether its names are short, long, in values or
// none at all.
func TestATextIsReadBackByteForByte(t *testing.T) {
	for _, doc := range []string{typical, "", "{}", `"`, `""`, `"":`, `"ItemNo"`, `"ItemNo":`, `{"ItemNo":"ItemNo"}`, "\x00", "\x01", "\x01\x02", "\x02{}", `{"a":"` + "\x14" + `"}`, "\xff\x00", "王小明"} {
		if got := Lengthen(some, Shorten(some, []byte(doc))); string(got) != doc {
			t.Errorf("%q comes back as %q", doc, got)
		}
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
		if got := Lengthen(Of(c.provider), []byte(c.stored)); string(got) != c.opened {
			t.Errorf("%s: %s, want %s", c.provider, got, c.opened)
		}
	}
	if len(marks) != providers.MaxStoredNames {
		t.Errorf("%d marks", len(marks))
	}
	for _, c := range providers.Codecs() {
		for place, name := range c.StoredNames {
			if stored := fmt.Sprintf("\x01{%c1}", marks[place]); string(Lengthen(c.StoredNames, []byte(stored))) != `{"`+name+`":1}` || string(Shorten(c.StoredNames, []byte(`{"`+name+`":1}`))) != stored {
				t.Errorf("%s: %s has no place of its own", c.Name, name)
			}
		}
	}
	if n := len(Shorten(some, []byte(typical))); n > len(typical)*7/10 {
		t.Errorf("%d bytes of %d are left", n, len(typical))
	}
}

func FuzzATextIsReadBackByteForByte(f *testing.F) {
	f.Add([]byte(typical))
	f.Add([]byte("\x01\x02\x00"))
	f.Fuzz(func(t *testing.T, doc []byte) {
		if got := Lengthen(some, Shorten(some, doc)); !bytes.Equal(got, doc) {
			t.Errorf("%q comes back as %q", doc, got)
		}
	})
}

func BenchmarkShorten(b *testing.B) {
	doc := []byte(typical)
	for b.Loop() {
		_ = Shorten(some, doc)
	}
}
