package ledger

import (
	"strings"
	"testing"
	"time"

	"issuance/internal/keys"
	"issuance/internal/seal"
	"issuance/providers"
	_ "issuance/providers/codecs"
	"issuance/tasks/order"
)

// A sealed value is stored in a quarter less than its text, and read back as it was; so is any other text.
func TestASealedValueIsReadBackAsItWas(t *testing.T) {
	ring := seal.Sandbox()
	for n := range 200 {
		s, err := ring.Seal([]byte(strings.Repeat("x", n)), "c")
		must(t, err)
		p := pack(s)
		if unpack(p) != s || len(p) > (len(s)-12)*3/4+6 {
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

// A fingerprint is stored in half of its text, and read back as it was; so is any other text.
func TestAFingerprintIsReadBackAsItWas(t *testing.T) {
	f := seal.Sandbox().Fingerprint([]byte("a document"))
	if p := packFingerprint(f); unpackFingerprint(p) != f || len(p) != 21 {
		t.Errorf("%s is stored as %q, and read back as %s", f, p, unpackFingerprint(p))
	}
	for _, s := range []string{"", "fp", "abcdef01.", "ABCDEF01.abcd", "abcdef01.ABCD", "abcdef01.abc", "abcdef0.abcd", ".", "abcdef01"} {
		if got := unpackFingerprint(packFingerprint(s)); got != s {
			t.Errorf("%q is read back as %q", s, got)
		}
	}
}

// Shape and stub are stored with short names, stay what they were to whoever reads or searches them, and to the scripts.
func TestShapeAndStubAreStoredWithShortNames(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		k := b.order()
		k.Account = providers.Account{Provider: providers.Pass2U, Merchant: "main"}
		shape, stub := `{"productSaleId":"P1","quantity":2}`, `{"channelOrderId":"X","productSaleId":"P1"}`
		in := document(k)
		in.Shape, in.Stub = []byte(shape), []byte(stub)
		if known, err := b.Record(b.ctx, in); err != nil || !known.New {
			t.Fatalf("%+v, %v", known, err)
		}
		c := b.claim(t, k)
		for range 2 { // the second finds the stub of the first
			a, _, err := b.Submit(b.ctx, k, c.Record.Fence, Intent{Host: "h", Lease: time.Minute, Ticket: -1})
			applied(t, a, err)
		}
		holds := func(when string) {
			t.Helper()
			if r := b.load(t, k); string(r.Shape) != shape || string(r.Stub) != stub {
				t.Errorf("%s: %s, %s", when, r.Shape, r.Stub)
			}
			stored := b.rdb.HGet(b.ctx, keys.Record(k), "shape").Val() + b.rdb.HGet(b.ctx, keys.Details(k), "shape").Val() + b.rdb.HGet(b.ctx, keys.Record(k), "stub").Val()
			if strings.Contains(stored, "productSaleId") || !strings.Contains(stored, "P1") {
				t.Errorf("%s: stored as %q", when, stored)
			}
			q := Query{Item: "P1", Account: k.Account}
			if found, err := q.read(b.ctx, b.rdb, []order.Ref{k}); err != nil || len(found) != 1 {
				t.Errorf("%s: a search for its item finds %v, %v", when, found, err)
			}
		}
		holds("open")
		a, err := b.Finish(b.ctx, k, c.Record.Fence, Ending{State: order.Issued})
		applied(t, a, err)
		holds("settled")
	})
}

func FuzzPackedValues(f *testing.F) {
	for _, s := range []string{"", "s1.k.", "s1.k." + strings.Repeat("A", 37), "s1.k." + strings.Repeat("A", 40), "s1.k." + strings.Repeat("A", 39) + "B", ".", "s1.k.doc", "s1.abcdef01." + strings.Repeat("A", 40), "s1.ABCDEF01." + strings.Repeat("A", 40),
		"s1.abcdef01." + strings.Repeat("A", 20) + "\n" + strings.Repeat("A", 20),
		strings.Repeat("-", 50), "." + strings.Repeat("_", 44)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if strings.HasPrefix(s, packedMark) {
			t.Skip() // no sealed value begins with it
		}
		if got := unpackFingerprint(packFingerprint(s)); got != s {
			t.Errorf("the fingerprint %q is read back as %q", s, got)
		}
		if got := unpack(pack(seal.Sealed(s))); got != seal.Sealed(s) {
			t.Errorf("%q is read back as %q", s, got)
		}
	})
}
