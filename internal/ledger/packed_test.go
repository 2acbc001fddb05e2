package ledger

import (
	"strings"
	"testing"

	"issuance/internal/seal"
)

// A sealed value is stored in a quarter less than its text, and read back as it was; so is any other text.
func TestASealedValueIsReadBackAsItWas(t *testing.T) {
	ring := seal.Sandbox()
	for n := range 200 {
		s, err := ring.Seal([]byte(strings.Repeat("x", n)), "c")
		must(t, err)
		p := pack(s)
		if unpack(p) != s || len(p) > len(s)*3/4+8 {
			t.Fatalf("%d bytes of text are stored in %d, and read back as %q, want %q", len(s), len(p), unpack(p), s)
		}
	}
	each(t, func(t *testing.T, b *bench) {
		s, err := ring.Seal([]byte("a document"), "c")
		must(t, err)
		k := b.order()
		in := document(k)
		in.Document = s
		for range 2 {
			if known, err := b.Record(b.ctx, in); err != nil || !known.New {
				t.Errorf("%+v, %v", known, err)
			}
		}
		if got := b.load(t, k).Document; got != s {
			t.Errorf("%q, want %q", got, s)
		}
	})
}

func FuzzPackedValues(f *testing.F) {
	for _, s := range []string{"", "s1.k.", "s1.k." + strings.Repeat("A", 37), "s1.k." + strings.Repeat("A", 40), "s1.k." + strings.Repeat("A", 39) + "B", ".", "s1.k.doc",
		strings.Repeat("-", 50), "." + strings.Repeat("_", 44)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if strings.Contains(s, "\x00") {
			t.Skip() // no sealed value holds one
		}
		if got := unpack(pack(seal.Sealed(s))); got != seal.Sealed(s) {
			t.Errorf("%q is read back as %q", s, got)
		}
	})
}
