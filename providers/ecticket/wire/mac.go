package wire

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net/url"
	"strings"
)

// Variant is one way to URL-encode. ECTicket's documents recommend two functions that differ
// (PHP's urlencode and .NET's Uri.EscapeDataString) and show no example that says which one
// ECTicket itself uses, so all of them are accepted.
type Variant struct {
	PercentSpace bool // space as "%20" instead of "+"
	LiteralTilde bool // "~" as itself instead of "%7E"
	LiteralMarks bool // ! ' ( ) * as themselves instead of "%XX"
}

// Variants lists every documented variant, PHP's urlencode first.
func Variants() []Variant {
	return []Variant{
		{},
		{LiteralTilde: true},
		{PercentSpace: true},
		{PercentSpace: true, LiteralTilde: true},
		{LiteralMarks: true},
		{LiteralTilde: true, LiteralMarks: true},
		{PercentSpace: true, LiteralMarks: true},
		{PercentSpace: true, LiteralTilde: true, LiteralMarks: true},
	}
}

// String names the variant by what it writes: for example "space=%20 tilde=~ marks=%XX".
func (v Variant) String() string {
	space, tilde, marks := "+", "%7e", "%XX"
	if v.PercentSpace {
		space = "%20"
	}
	if v.LiteralTilde {
		tilde = "~"
	}
	if v.LiteralMarks {
		marks = "literal"
	}
	return "space=" + space + " tilde=" + tilde + " marks=" + marks
}

var literalMarks = strings.NewReplacer("%21", "!", "%27", "'", "%28", "(", "%29", ")", "%2A", "*")

// encode URL-encodes text with upper-case hex. url.QueryEscape writes "+" for a space, "%2B" for
// a plus and "%25" for a percent sign, so the replacements below cannot meet other text.
func (v Variant) encode(text []byte) string {
	s := url.QueryEscape(string(text))
	if v.PercentSpace {
		s = strings.ReplaceAll(s, "+", "%20")
	}
	if !v.LiteralTilde {
		s = strings.ReplaceAll(s, "~", "%7E")
	}
	if v.LiteralMarks {
		s = literalMarks.Replace(s)
	}
	return s
}

// sum is SHA256(lower(URLEncode(HashKey + plaintext + HashIV))). Lower-casing takes the whole
// text, as the documents' worked example shows.
func (v Variant) sum(k Keys, plaintext []byte) [sha256.Size]byte {
	text := make([]byte, 0, len(k.HashKey)+len(plaintext)+len(k.HashIV))
	text = append(text, k.HashKey...)
	text = append(text, plaintext...)
	text = append(text, k.HashIV...)
	return sha256.Sum256([]byte(strings.ToLower(v.encode(text))))
}

func (v Variant) mac(k Keys, plaintext []byte) string {
	sum := v.sum(k, plaintext)
	return strings.ToUpper(hex.EncodeToString(sum[:]))
}

// VerifyMAC reports whether mac, 64 hex digits of any case, is the CheckMacValue of plaintext
// under any documented variant of URL encoding, and names the first that fits. plaintext must be
// what Open returned, byte for byte. The time taken does not depend on how much of mac is right.
func VerifyMAC(k Keys, plaintext []byte, mac string) (variant string, ok bool) {
	got, err := hex.DecodeString(mac)
	if err != nil || len(got) != sha256.Size {
		return "", false
	}
	variants := Variants()
	found := len(variants)
	text := k.HashKey + string(plaintext) + k.HashIV
	space, tilde, marks := strings.Contains(text, " "), strings.Contains(text, "~"), strings.ContainsAny(text, "!'()*")
	for i := len(variants) - 1; i >= 0; i-- {
		if v := variants[i]; v.PercentSpace && !space || v.LiteralTilde && !tilde || v.LiteralMarks && !marks {
			continue // it writes this text as an earlier variant does
		}
		want := variants[i].sum(k, plaintext)
		found = subtle.ConstantTimeSelect(subtle.ConstantTimeCompare(want[:], got), i, found)
	}
	if found == len(variants) {
		return "", false
	}
	return variants[found].String(), true
}
