// Package seal encrypts customers' data and bearer secrets before they enter Redis, and binds
// each sealed value to the order it belongs to. It imports nothing of ours.
package seal

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"strings"
	"sync"
)

// Sealed is an encrypted value, safe to store: "s1.KEYID.BASE64URL". Only Ring.Seal makes one,
// so a plain string cannot be stored by accident.
type Sealed string

// Ring is a set of keys: the first seals, all open. Safe for concurrent use.
type Ring struct {
	keys []key
}

type key struct {
	id   string // 8 hex digits of a digest derived from the key
	aead cipher.AEAD
	mac  func([]byte) [sha256.Size]byte // a function, because nothing prints what a function holds
}

// Format keeps keys out of every print: a ring shows the ids of its keys, whatever the verb.
func (r Ring) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, "seal.Ring("+strings.Join(r.IDs(), " ")+")")
}

// KeySize is the length of a key in bytes (AES-256).
const KeySize = 32

// sandboxKey is public on purpose. A production worker refuses a ring that holds it.
var sandboxKey = []byte("issuance sandbox key: never real")

// Sandbox is the ring of the sandbox, whose key everybody knows.
func Sandbox() *Ring {
	r, err := NewRing(sandboxKey)
	if err != nil {
		panic(err) // the constant has the right length
	}
	return r
}

// SandboxKey is the sandbox's key as ISSUANCE_SEAL_KEYS takes it.
func SandboxKey() string { return base64.StdEncoding.EncodeToString(sandboxKey) }

// NewRing makes a ring of keys of KeySize bytes each. Trivial keys are refused. Its errors never hold
// a key.
func NewRing(keys ...[]byte) (*Ring, error) {
	if len(keys) == 0 {
		return nil, errors.New("no key given")
	}
	r := &Ring{}
	for i, k := range keys {
		if len(k) != KeySize {
			return nil, fmt.Errorf("key %d has %d bytes, it must have %d", i+1, len(k), KeySize)
		}
		if trivial(k) {
			return nil, fmt.Errorf("key %d is trivial, it must be random", i+1)
		}
		// One key in, two keys used: encryption and fingerprints must not share theirs.
		block, err := aes.NewCipher(derive(k, "issuance/seal/aes"))
		if err != nil {
			return nil, err
		}
		aead, err := cipher.NewGCM(block)
		if err != nil {
			return nil, err
		}
		r.keys = append(r.keys, key{
			id:   hex.EncodeToString(derive(k, "issuance/seal/id"))[:8],
			aead: aead,
			mac:  pooledMAC(derive(k, "issuance/seal/fingerprint")),
		})
	}
	return r, nil
}

// trivial reports whether a key repeats a pattern of at most 4 bytes, such as zeros. Such a key was
// typed, not drawn at random, and can be guessed.
func trivial(k []byte) bool {
	for n := 1; n <= 4; n++ {
		if bytes.Equal(k[n:], k[:len(k)-n]) {
			return true
		}
	}
	return false
}

// pooledMAC is HMAC-SHA-256 under one key. Setting one up costs more than what it digests here,
// so they are reused.
func pooledMAC(k []byte) func([]byte) [sha256.Size]byte {
	pool := sync.Pool{New: func() any { return hmac.New(sha256.New, k) }}
	return func(data []byte) (sum [sha256.Size]byte) {
		h := pool.Get().(hash.Hash)
		defer pool.Put(h)
		h.Reset()
		h.Write(data)
		h.Sum(sum[:0])
		return sum
	}
}

func derive(k []byte, label string) []byte {
	h := hmac.New(sha256.New, k)
	h.Write([]byte(label))
	return h.Sum(nil)
}

// ParseRing reads ISSUANCE_SEAL_KEYS: comma-separated, each the base64 of 32 bytes. Its errors
// never hold a key.
func ParseRing(s string) (*Ring, error) {
	var keys [][]byte
	for i, part := range strings.Split(s, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		k, ok := decode(part)
		if !ok {
			return nil, fmt.Errorf("key %d is not base64", i+1)
		}
		if len(k) != KeySize {
			return nil, fmt.Errorf("key %d has %d bytes, it must have %d", i+1, len(k), KeySize)
		}
		keys = append(keys, k)
	}
	return NewRing(keys...)
}

// decode reads base64 with either alphabet, padded or not.
func decode(s string) ([]byte, bool) {
	for _, e := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding, base64.RawStdEncoding, base64.RawURLEncoding} {
		if b, err := e.DecodeString(s); err == nil {
			return b, true
		}
	}
	return nil, false
}

// HoldsSandboxKey reports whether the publicly known key is in the ring.
func (r *Ring) HoldsSandboxKey() bool {
	return slices.Contains(r.IDs(), Sandbox().ID())
}

// ID is the public id of the key that seals, for logs, announcements and watching a rotation. It
// reveals nothing of the key.
func (r *Ring) ID() string { return r.keys[0].id }

// IDs are the public ids of all keys, the sealing one first.
func (r *Ring) IDs() []string {
	ids := make([]string, len(r.keys))
	for i, k := range r.keys {
		ids[i] = k.id
	}
	return ids
}

// Seal encrypts plaintext with the first key. Open succeeds only with the same context, which
// should name the order and the field ("ecticket/ORDER/document").
func (r *Ring) Seal(plaintext []byte, context string) (Sealed, error) {
	k := r.keys[0]
	head := sealedVersion + k.id + "."
	size := k.aead.NonceSize() + len(plaintext) + k.aead.Overhead()
	text := make([]byte, len(head)+base64.RawURLEncoding.EncodedLen(size))
	box := make([]byte, k.aead.NonceSize(), size)
	if _, err := rand.Read(box); err != nil {
		return "", fmt.Errorf("seal: %w", err)
	}
	box = k.aead.Seal(box, box, plaintext, []byte(context))
	base64.RawURLEncoding.Encode(text[copy(text, head):], box)
	return Sealed(text), nil
}

// sealedVersion starts every sealed value.
const sealedVersion = "s1."

// ErrUnknownKey says that a value was sealed with a key the ring does not hold.
var ErrUnknownKey = errors.New("sealed with a key that is not in ISSUANCE_SEAL_KEYS")

// Open decrypts what Seal made with the same context and any key of the ring.
func (r *Ring) Open(s Sealed, context string) ([]byte, error) {
	parts := strings.Split(string(s), ".")
	if len(parts) != 3 || parts[0] != "s1" {
		return nil, errors.New("seal: not a sealed value of a known version")
	}
	box, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil {
		return nil, errors.New("seal: damaged value")
	}
	for _, k := range r.keys {
		if k.id != parts[1] {
			continue
		}
		if len(box) < k.aead.NonceSize() {
			return nil, errors.New("seal: damaged value")
		}
		plain, err := k.aead.Open(nil, box[:k.aead.NonceSize()], box[k.aead.NonceSize():], []byte(context))
		if err != nil {
			return nil, errors.New("seal: the value is damaged or belongs to another order")
		}
		return plain, nil
	}
	return nil, fmt.Errorf("seal: %w", ErrUnknownKey)
}

// Fingerprint is a keyed digest of data: equal documents have equal fingerprints, and only who has the
// key can test guesses about a customer's data.
func (r *Ring) Fingerprint(data []byte) string { return r.keys[0].fingerprint(data) }

// SameFingerprint reports whether fp is the fingerprint of data under any key of the ring.
// known is false when the key that made fp is not in the ring.
func (r *Ring) SameFingerprint(fp string, data []byte) (same, known bool) {
	id, _, _ := strings.Cut(fp, ".")
	for _, k := range r.keys {
		if k.id == id {
			return hmac.Equal([]byte(fp), []byte(k.fingerprint(data))), true
		}
	}
	return false, false
}

func (k key) fingerprint(data []byte) string {
	sum := k.mac(data)
	return k.id + "." + hex.EncodeToString(sum[:16])
}
