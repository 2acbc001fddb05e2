package vault

import (
	"bytes"
	"fmt"
	"testing"

	"issuance/internal/seal"
)

const typical = `{"MerchantTradeNo":"A1","IssueType":"3","Operator":"Angela","CustomerName":"王珊珊",` +
	"\n\t" + `"TicketInfo":[{"ItemNo":"VQT04959","TicketAmount":2}],"later":{"ItemNo" : "x\"ItemNo\":\"y"}}`

// Whatever is sealed is opened as it was, byte for byte, whether its names are short, long, in values or
// none at all.
func TestADocumentIsOpenedByteForByte(t *testing.T) {
	for _, doc := range []string{typical, "", "{}", `"`, `""`, `"":`, `"ItemNo"`, `"ItemNo":`, `{"ItemNo":"ItemNo"}`, "\x00", "\x01", "\x01\x02", "\x02{}", `{"a":"` + "\x14" + `"}`, "\xff\x00", "王小明"} {
		if got := lengthen(shorten([]byte(doc))); string(got) != doc {
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

// Every name has a place of its own, and what an earlier version stored stays readable.
func TestTheShortNamesStayWhatTheyAre(t *testing.T) {
	for place, name := range names {
		if name == "" {
			continue
		}
		stored := fmt.Sprintf("\x01{%c1}", place)
		if want := `{"` + name + `":1}`; !stands(byte(place)) || places[name] != byte(place) || string(lengthen([]byte(stored))) != want {
			t.Errorf("place %d of %s is read as %q", place, name, lengthen([]byte(stored)))
		}
	}
	if got, want := string(lengthen([]byte("\x01{\x02\"A1\",\x05\"3\",\x13[{\x14\"I\",\x172}],\x1b\"C\"}"))),
		`{"MerchantTradeNo":"A1","IssueType":"3","TicketInfo":[{"ItemNo":"I","TicketAmount":2}],"channelOrderId":"C"}`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if n := len(shorten([]byte(typical))); n > len(typical)*7/10 {
		t.Errorf("%d bytes of %d are left", n, len(typical))
	}
}

func FuzzADocumentIsOpenedByteForByte(f *testing.F) {
	f.Add([]byte(typical))
	f.Add([]byte("\x01\x02\x00"))
	f.Fuzz(func(t *testing.T, doc []byte) {
		if got := lengthen(shorten(doc)); !bytes.Equal(got, doc) {
			t.Errorf("%q comes back as %q", doc, got)
		}
	})
}

func BenchmarkShorten(b *testing.B) {
	doc := []byte(typical)
	for b.Loop() {
		_ = shorten(doc)
	}
}
