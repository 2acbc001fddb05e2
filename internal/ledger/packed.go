package ledger

import (
	"encoding/base64"
	"encoding/hex"
	"strings"

	"issuance/internal/seal"
	"issuance/internal/shortnames"
	"issuance/providers"
)

// Texts of a record are stored in as few bytes as they take, because each is in Redis's memory for months and several times
// in its log. What is packed begins with a byte that no such text begins with; what has not the form that is
// packed stays as it is.
const packedMark = "\x01"

const (
	sealedForm  = "s1."
	keyIDLength = 8  // hex digits
	shortestBox = 38 // base64 of a sealed value, at least: nonce and tag
)

// pack is a sealed value as Redis holds it: the id of its key and its base64 as bytes, which takes a quarter less.
func pack(s seal.Sealed) string {
	body, isSealed := strings.CutPrefix(string(s), sealedForm)
	id, box, _ := strings.Cut(body, ".")
	if !isSealed || len(box) < shortestBox || strings.ContainsAny(box, "\r\n") { // base64 skips ends of lines
		return string(s)
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(box)
	key, ok := packKeyID(id)
	if err != nil || !ok {
		return string(s)
	}
	return packedMark + key + string(raw)
}

// unpack reads what pack wrote.
func unpack(s string) seal.Sealed {
	raw, packed := strings.CutPrefix(s, packedMark)
	if !packed || len(raw) < keyIDLength/2 {
		return seal.Sealed(s)
	}
	id, box := raw[:keyIDLength/2], raw[keyIDLength/2:]
	return seal.Sealed(sealedForm + hex.EncodeToString([]byte(id)) + "." + base64.RawURLEncoding.EncodeToString([]byte(box)))
}

// packKeyID is the id of a seal key as bytes.
func packKeyID(id string) (string, bool) {
	raw, err := hex.DecodeString(id)
	return string(raw), err == nil && len(id) == keyIDLength && id == strings.ToLower(id)
}

// packFingerprint is a fingerprint, of a key's id and a digest in hex digits, as Redis holds it.
func packFingerprint(s string) string {
	id, digest, dot := strings.Cut(s, ".")
	key, ok := packKeyID(id)
	raw, err := hex.DecodeString(digest)
	if !dot || !ok || err != nil || digest != strings.ToLower(digest) {
		return s
	}
	return packedMark + key + string(raw)
}

// unpackFingerprint reads what packFingerprint wrote.
func unpackFingerprint(s string) string {
	raw, packed := strings.CutPrefix(s, packedMark)
	if !packed || len(raw) < keyIDLength/2 {
		return s
	}
	return hex.EncodeToString([]byte(raw[:keyIDLength/2])) + "." + hex.EncodeToString([]byte(raw[keyIDLength/2:]))
}

// packText is a JSON text of a provider's fields, such as a stub, as Redis holds it; an empty one is none.
func packText(p providers.Name, text []byte) string {
	if len(text) == 0 {
		return ""
	}
	return string(shortnames.Shorten(shortnames.Of(p), text))
}

// unpackText reads what packText wrote.
func unpackText(p providers.Name, s string) []byte {
	if s == "" {
		return nil
	}
	return shortnames.Lengthen(shortnames.Of(p), []byte(s))
}

// shapeOf is an order's or a refund's shape, from what Redis holds of it: where a stub shows it all, it is not stored.
func shapeOf(p providers.Name, shape, stub string) []byte {
	if shape != "" || stub == "" {
		return unpackText(p, shape)
	}
	return shown(p, unpackText(p, stub))
}

// shown is the shape that a stub shows, nil where the provider's codec does not say.
func shown(p providers.Name, stub []byte) []byte {
	if codec, _ := providers.CodecOf(p); codec.ShapeOf != nil && len(stub) > 0 {
		return codec.ShapeOf(stub)
	}
	return nil
}
