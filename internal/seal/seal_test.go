package seal

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

// Three keys for these tests only.
var (
	oldKey   = []byte("the old key of tests: 32 bytes..")
	newKey   = []byte("the new key of tests: 32 bytes..")
	otherKey = []byte("another key of tests: 32 bytes..")
)

func ring(t testing.TB, keys ...[]byte) *Ring {
	t.Helper()
	r, err := NewRing(keys...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func sealed(t testing.TB, r *Ring, plain, context string) Sealed {
	t.Helper()
	s, err := r.Seal([]byte(plain), context)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// What is sealed opens to what it was, whatever it was, and looks different each time.
func TestWhatIsSealedOpens(t *testing.T) {
	r := ring(t, newKey)
	for _, plain := range []string{"", "x", "王珊珊 0912345678", strings.Repeat("a", 200_000), "\x00\xff"} {
		s := sealed(t, r, plain, "ecticket/O1/document")
		if len(plain) > 3 && strings.Contains(string(s), plain) {
			t.Errorf("%q stands in %q", plain, s)
		}
		if !strings.HasPrefix(string(s), "s1."+r.ID()+".") {
			t.Errorf("%.20q does not name its key", s)
		}
		got, err := r.Open(s, "ecticket/O1/document")
		if err != nil || string(got) != plain {
			t.Errorf("%.20q opens to %.20q, %v", plain, got, err)
		}
		if sealed(t, r, plain, "ecticket/O1/document") == s {
			t.Error("sealing twice gave the same value: equal orders could be recognised")
		}
	}
}

// A sealed value belongs to one order and one field; moved elsewhere it does not open.
func TestASealedValueOpensOnlyInItsPlace(t *testing.T) {
	r := ring(t, newKey)
	s := sealed(t, r, "secret", "ecticket/O1/document")
	for _, context := range []string{"", "ecticket/O2/document", "ecticket/O1/result", "pass2u/O1/document", "ecticket/O1/document "} {
		if got, err := r.Open(s, context); err == nil {
			t.Errorf("opened as %q: %q", context, got)
		}
	}
}

// A value that was damaged, cut or made up is refused, and the error shows nothing of it.
func TestADamagedValueIsRefused(t *testing.T) {
	r := ring(t, newKey)
	s := string(sealed(t, r, "secret", "c"))
	head := "s1." + r.ID() + "."
	box, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(s, head))
	if err != nil {
		t.Fatal(err)
	}
	var wrong []string
	for i := range box {
		b := bytes.Clone(box)
		b[i] ^= 1
		wrong = append(wrong, head+base64.RawURLEncoding.EncodeToString(b), head+base64.RawURLEncoding.EncodeToString(box[:i]))
	}
	wrong = append(wrong, "", "s1", "s1..", head, head+"!", "s2."+strings.TrimPrefix(s, "s1."), s+".x", "plain text", head+"AAAA")
	for _, w := range wrong {
		got, err := r.Open(Sealed(w), "c")
		if err == nil {
			t.Errorf("%.30q opened to %q", w, got)
		} else if strings.Contains(err.Error(), "secret") || len(w) > 20 && strings.Contains(err.Error(), w[12:]) {
			t.Errorf("the error shows the value: %v", err)
		}
	}
}

// During a rotation the first key seals and every key opens; a key that is gone is named as the reason.
func TestKeysRotate(t *testing.T) {
	before, during, after := ring(t, oldKey), ring(t, newKey, oldKey), ring(t, newKey)
	old, fresh := sealed(t, before, "secret", "c"), sealed(t, during, "secret", "c")
	if during.ID() != after.ID() || during.ID() == before.ID() {
		t.Error("the first key of the ring does not seal")
	}
	for name, try := range map[string]struct {
		r *Ring
		s Sealed
	}{"old value during": {during, old}, "new value during": {during, fresh}, "new value after": {after, fresh}} {
		if got, err := try.r.Open(try.s, "c"); err != nil || string(got) != "secret" {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	for name, try := range map[string]struct {
		r *Ring
		s Sealed
	}{"old value after": {after, old}, "new value before": {before, fresh}} {
		if _, err := try.r.Open(try.s, "c"); !errors.Is(err, ErrUnknownKey) || !strings.Contains(err.Error(), "ISSUANCE_SEAL_KEYS") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := after.Open(sealed(t, after, "x", "other"), "c"); errors.Is(err, ErrUnknownKey) {
		t.Error("a value of a known key is blamed on an unknown one")
	}
}

// Fingerprints show whether documents are the same, across a rotation, and nothing else without the
// key.
func TestFingerprintsSurviveARotation(t *testing.T) {
	before, during, after := ring(t, oldKey), ring(t, newKey, oldKey), ring(t, newKey)
	doc, other := []byte(`{"a":1}`), []byte(`{"a":2}`)
	fp := before.Fingerprint(doc)
	if fp != before.Fingerprint(doc) || fp == before.Fingerprint(other) || fp == after.Fingerprint(doc) {
		t.Error("fingerprints are not those of the document under the key")
	}
	for _, c := range []struct {
		r           *Ring
		doc         []byte
		same, known bool
	}{{before, doc, true, true}, {during, doc, true, true}, {during, other, false, true}, {after, doc, false, false}} {
		if same, known := c.r.SameFingerprint(fp, c.doc); same != c.same || known != c.known {
			t.Errorf("%s: same %t, known %t, want %t, %t", c.r.ID(), same, known, c.same, c.known)
		}
	}
	for _, wrong := range []string{"", ".", "x", strings.Split(fp, ".")[0], strings.Split(fp, ".")[0] + ".", fp + "0"} {
		if same, _ := before.SameFingerprint(wrong, doc); same {
			t.Errorf("%q passes for the document's", wrong)
		}
	}
}

// A ring never prints what its keys are made of, however it is printed and wherever it stands.
func TestARingPrintsNoKeys(t *testing.T) {
	r := ring(t, newKey, otherKey)
	var secrets []string
	for _, k := range [][]byte{newKey, otherKey} {
		for _, b := range [][]byte{k, derive(k, "issuance/seal/aes"), derive(k, "issuance/seal/fingerprint")} {
			dec := strings.Trim(fmt.Sprintf("%d", b[:6]), "[]") // as %v prints bytes
			secrets = append(secrets, string(b), hex.EncodeToString(b[:6]), strings.ToUpper(hex.EncodeToString(b[:6])),
				base64.StdEncoding.EncodeToString(b)[:10], dec, strings.ReplaceAll(dec, " ", ", "))
		}
	}
	type holder struct {
		Ring  *Ring
		Value Ring
		ring  *Ring
		value Ring
	}
	h := holder{r, *r, r, *r}
	var out strings.Builder
	for _, v := range []any{r, *r, h, &h, []*Ring{r}, map[string]Ring{"k": *r}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		_ = json.NewEncoder(&out).Encode(v)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("m", "v", v)
		slog.New(slog.NewTextHandler(&out, nil)).Info("m", "v", v)
	}
	for _, s := range secrets {
		if strings.Contains(out.String(), s) {
			t.Errorf("a ring prints %q", s)
		}
	}
	if want := "seal.Ring(" + r.ID() + " " + ring(t, otherKey).ID() + ")"; fmt.Sprint(r) != want {
		t.Errorf("a ring is printed as %q, want %q", fmt.Sprint(r), want)
	}
}

// The public key of the sandbox is found wherever it stands in a ring.
func TestTheSandboxKeyIsRecognised(t *testing.T) {
	fromEnv, err := ParseRing(SandboxKey())
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		r    *Ring
		want bool
	}{
		"sandbox": {Sandbox(), true}, "its environment": {fromEnv, true}, "among others": {ring(t, newKey, sandboxKey), true},
		"production": {ring(t, newKey, oldKey), false},
	} {
		if got := c.r.HoldsSandboxKey(); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

// ISSUANCE_SEAL_KEYS is read as it is usually written, and what is wrong is said without the key.
func TestParseRing(t *testing.T) {
	std := base64.StdEncoding.EncodeToString
	tricky := append(bytes.Repeat([]byte{0xfb, 0xef}, KeySize/2-1), 0xff, 0xfe) // + and / in base64
	for _, s := range []string{std(newKey), " " + std(newKey) + " , " + std(oldKey) + "\n", std(newKey) + ",", std(tricky),
		base64.URLEncoding.EncodeToString(tricky), base64.RawURLEncoding.EncodeToString(tricky), base64.RawStdEncoding.EncodeToString(tricky)} {
		if _, err := ParseRing(s); err != nil {
			t.Errorf("%q: %v", s, err)
		}
	}
	r, err := ParseRing(std(newKey) + "," + std(oldKey))
	if err != nil || r.ID() != ring(t, newKey).ID() || len(r.keys) != 2 {
		t.Errorf("%v, %v", r, err)
	}
	const secret = "c2VjcmV0LXNlYWwta2V5"
	for _, s := range []string{"", " , ", secret, std(newKey[:31]), std(append(newKey, 1)), secret + "*", std(newKey) + "," + secret,
		std(newKey) + ";" + std(oldKey)} {
		_, err := ParseRing(s)
		if err == nil {
			t.Errorf("%q is taken for keys", s)
			continue
		}
		for _, part := range []string{secret, "secret-seal-key", std(newKey)[:20], std(oldKey)[:20]} {
			if strings.Contains(err.Error(), part) {
				t.Errorf("the error shows the key: %v", err)
			}
		}
	}
	if _, err := ParseRing(std(newKey) + ",," + secret); err == nil || !strings.Contains(err.Error(), "key 3") {
		t.Errorf("the wrong key is the third: %v", err)
	}
}
