package seal

import (
	"bytes"
	"slices"
	"testing"
)

// What an earlier version has written stays readable: sealed values open, fingerprints and ids are
// the same. Other derivation labels, another format or another cipher would make every stored
// document unreadable.
func TestWhatWasWrittenBeforeStaysReadable(t *testing.T) {
	r := ring(t, newKey, oldKey)
	if want := []string{"bcd4c750", "07a869c0"}; !slices.Equal(r.IDs(), want) || r.ID() != want[0] {
		t.Errorf("the ids are %q, want %q", r.IDs(), want)
	}
	for _, golden := range []struct {
		sealed Sealed
		plain  string
	}{
		{"s1.bcd4c750.hu0vPSFn3rj3HJ2rDlWfH7E-7TBYysz_-iZ-U_-H6lCS118", `{"a":1}`},
		{"s1.07a869c0.DCvoD7LBHX5avU6nVg7q0L6IxyM_-kq95ECStgCGsM8nRMhxqg", "王珊珊"},
		{"s1.bcd4c750.p7o9IlQWJia_ICDEvJGzlt0e2eEbswK5sHgwZQ", ""},
	} {
		got, err := r.Open(golden.sealed, "ecticket:2000132/O1/document")
		if err != nil || !bytes.Equal(got, []byte(golden.plain)) {
			t.Errorf("%s opens to %q, %v; want %q", golden.sealed, got, err, golden.plain)
		}
	}
	for golden, doc := range map[string]string{
		"bcd4c750.33d4d977587760951d32b04bd12a0fb5": `{"a":1}`,
		"07a869c0.b8dbfd71976c133403217f736b50604d": `{"a":1}`,
	} {
		if same, known := r.SameFingerprint(golden, []byte(doc)); !same || !known {
			t.Errorf("%s is no longer the fingerprint of %s", golden, doc)
		}
	}
	if got, want := r.Fingerprint([]byte(`{"a":1}`)), "bcd4c750.33d4d977587760951d32b04bd12a0fb5"; got != want {
		t.Errorf("the fingerprint is %s, want %s", got, want)
	}
}

// A key that was typed, not drawn at random, is refused, and the error does not show it.
func TestTrivialKeysAreRefused(t *testing.T) {
	for _, pattern := range []string{"\x00", "\xff", "a", "ab", "abc", "1234", "\x00\x00\x00\x01"} {
		k := bytes.Repeat([]byte(pattern), KeySize)[:KeySize]
		if _, err := NewRing(newKey, k); err == nil || err.Error() != "key 2 is trivial, it must be random" {
			t.Errorf("a key of %q: %v", pattern, err)
		}
		k[KeySize-1] ^= 1
		if _, err := NewRing(k); err != nil {
			t.Errorf("a key that is not only %q: %v", pattern, err)
		}
	}
}

// An id is short, the same wherever the key stands, and different for different keys.
func TestIDsNameKeys(t *testing.T) {
	a, b := ring(t, newKey, oldKey), ring(t, oldKey, otherKey)
	if a.IDs()[1] != b.ID() || len(a.ID()) != 8 || a.ID() == b.ID() || len(b.IDs()) != 2 {
		t.Errorf("%v, %v", a.IDs(), b.IDs())
	}
}
