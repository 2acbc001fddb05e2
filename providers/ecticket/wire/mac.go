package wire

import (
	"cmp"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net/url"
	"slices"
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

// Variants lists every documented variant, the likeliest first: the one public client that is known
// to work writes a space as "%20" and "~" as itself.
func Variants() []Variant {
	return []Variant{
		{PercentSpace: true, LiteralTilde: true},
		{PercentSpace: true},
		{LiteralTilde: true},
		{},
		{PercentSpace: true, LiteralTilde: true, LiteralMarks: true},
		{PercentSpace: true, LiteralMarks: true},
		{LiteralTilde: true, LiteralMarks: true},
		{LiteralMarks: true},
	}
}

// String names the variant by what it writes: for example "space=%20 tilde=~ marks=%XX".
func (v Variant) String() string { return v.name(" ~!") }

// Any is what VerifyMAC calls a text that every variant writes alike.
const Any = "any"

// name names what distinguishes the variant in a text: only characters that it holds say something.
func (v Variant) name(text string) string {
	space, tilde, marks := holds(text)
	var parts []string
	part := func(there, chosen bool, one, other string) {
		switch {
		case there && chosen:
			parts = append(parts, one)
		case there:
			parts = append(parts, other)
		}
	}
	part(space, v.PercentSpace, "space=%20", "space=+")
	part(tilde, v.LiteralTilde, "tilde=~", "tilde=%7e")
	part(marks, v.LiteralMarks, "marks=literal", "marks=%XX")
	return cmp.Or(strings.Join(parts, " "), Any)
}

// holds reports which of the characters that the variants write differently are in a text.
func holds(text string) (space, tilde, marks bool) {
	return strings.Contains(text, " "), strings.Contains(text, "~"), strings.ContainsAny(text, "!'()*")
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
// under any documented variant of URL encoding. variant names what the text shows of the one that
// fits, such as "space=%20", or Any when every variant fits; at most 27 names are in use. plaintext
// must be what Open returned, byte for byte. The time taken does not depend on how much of mac is
// right.
func VerifyMAC(k Keys, plaintext []byte, mac string) (variant string, ok bool) {
	got, err := hex.DecodeString(mac)
	if err != nil || len(got) != sha256.Size {
		return "", false
	}
	variants := Variants()
	found := len(variants)
	text := k.HashKey + string(plaintext) + k.HashIV
	space, tilde, marks := holds(text)
	for i, v := range slices.Backward(variants) {
		if !v.PercentSpace && !space || !v.LiteralTilde && !tilde || v.LiteralMarks && !marks {
			continue // it writes this text as an earlier variant does
		}
		want := v.sum(k, plaintext)
		found = subtle.ConstantTimeSelect(subtle.ConstantTimeCompare(want[:], got), i, found)
	}
	if found == len(variants) {
		return "", false
	}
	return variants[found].name(text), true
}
