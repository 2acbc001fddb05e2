package ledger

import (
	"encoding/base64"
	"strings"

	"issuance/internal/seal"
)

// pack is a sealed value as Redis holds it: its base64 as bytes, which takes a quarter less, behind a NUL that
// no text holds. What is not of that form stays as it is.
func pack(s seal.Sealed) string {
	dot := strings.LastIndexByte(string(s), '.')
	if len(s)-dot < shortestBox {
		return string(s)
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(string(s[dot+1:]))
	if err != nil || strings.ContainsAny(string(s), "\x00\r\n") { // base64 skips ends of lines
		return string(s)
	}
	return string(s[:dot+1]) + "\x00" + string(raw)
}

// shortestBox is how long the base64 of a sealed value is at least: nonce and tag.
const shortestBox = 38

// unpack reads what pack wrote.
func unpack(s string) seal.Sealed {
	head, raw, packed := strings.Cut(s, "\x00")
	if !packed {
		return seal.Sealed(s)
	}
	return seal.Sealed(head + base64.RawURLEncoding.EncodeToString([]byte(raw)))
}
