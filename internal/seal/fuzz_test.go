package seal

import (
	"bytes"
	"testing"
)

// Whatever is opened, nothing but what was sealed, in its place, comes out, and nothing panics.
func FuzzOpen(f *testing.F) {
	r := ring(f, newKey, oldKey)
	good := sealed(f, r, "secret", "c")
	for _, s := range []string{string(good), "", "s1", "s1..", "s1." + r.ID() + ".", "s1." + r.ID() + ".AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"s1.00000000.AAAA", "s2." + r.ID() + ".AAAA", string(good) + "A", string(good[:len(good)-1])} {
		f.Add(s, "c")
	}
	f.Fuzz(func(t *testing.T, s, context string) {
		plain, err := r.Open(Sealed(s), context)
		if err != nil {
			if plain != nil {
				t.Error("an error came with a value")
			}
			return
		}
		if context != "c" || !bytes.Equal(plain, []byte("secret")) {
			t.Errorf("%q opened as %q to %q", s, context, plain)
		}
	})
}

// Whatever is sealed opens to itself.
func FuzzRoundTrip(f *testing.F) {
	r := ring(f, newKey)
	f.Add([]byte("secret"), "ecticket/O1/document")
	f.Add([]byte{}, "")
	f.Fuzz(func(t *testing.T, plain []byte, context string) {
		s, err := r.Seal(plain, context)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := r.Open(s, context); err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%q, %v", got, err)
		}
	})
}
