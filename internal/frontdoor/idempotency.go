package frontdoor

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"issuance/internal/doccheck"
	"issuance/providers"
)

// idempotencyKey is the header of a caller's own id of its request.
const idempotencyKey = "Idempotency-Key"

// strayKeyOf refuses a key that nothing would follow from: a caller that relies on it would sell twice under two numbers.
func strayKeyOf(op *huma.Operation) ProblemViolation {
	v := ProblemViolation{Where: inKey, Rule: "is taken by POST /v1/orders alone; leave it out, as repeating this request is safe without it"}
	if strings.Contains(op.Path, "{") {
		v.Rule = "is taken by POST /v1/orders alone; leave it out, as the path says what the request is about, and repeating it is safe"
	}
	return v
}

// KeyHeader holds a caller's own id of its request.
type KeyHeader struct {
	Key string `header:"Idempotency-Key" minLength:"1" doc:"the request's own id, of at most 255 characters and best of ASCII, from which the order's number is made; the document must have none then. It must be the same when the request is repeated; \"cart-1\" in quotes, which do not count, is the same as cart-1"`

	sent []string // every one of the request's
}

// Resolve implements huma.Resolver: it reads what a parameter cannot hold, that there are several keys or an empty one.
func (k *KeyHeader) Resolve(c huma.Context) []error {
	k.sent = headersOf(c, idempotencyKey)
	return nil
}

// keyed is a document of which a key may identify the order.
type keyed struct {
	document []byte // with the number that was made from the key
	detail   string // what is wrong with the key, in words; "" for nothing
	wrong    []ProblemViolation
	numbers  []string // pointers to the document's own numbers, which should not be there
}

// key reads the key, and puts the number that is made of it into a document.
func (k *KeyHeader) key(document []byte, token string) keyed {
	document, marked := unmarked(document)
	out := keyed{document: document, wrong: marked}
	if len(k.sent) == 0 {
		return out
	}
	key := unquoted(strings.TrimSpace(k.sent[0]))
	switch {
	case len(k.sent) > 1:
		out.refuse("there are several Idempotency-Key headers; send one", sentOften(idempotencyKey, len(k.sent)))
	case key == "":
		out.refuse("the Idempotency-Key is empty; send one, or an order number in the document", ProblemViolation{Where: inKey, Rule: keyRule, Shape: "empty"})
	case utf8.RuneCountInString(key) > mostKey:
		out.refuse("the Idempotency-Key is too long", ProblemViolation{Where: inKey, Rule: keyRule, Shape: doccheck.ShapeOf(key)})
	}
	out.derive(token, key)
	return out
}

// mostKey is how many characters a key may have, without quotes around it.
const mostKey = 255

const keyRule = "must have 1 to 255 characters, or be left out"

const inKey = "header Idempotency-Key"

func (k *keyed) refuse(text string, v ProblemViolation) {
	k.wrong = append(k.wrong, v)
	if k.detail == "" {
		k.detail = text + "; nothing was enqueued"
	}
}

// violations are those of the key and of the document, whose own number is not looked at where there must be none.
func (k *keyed) violations(err error) []ProblemViolation {
	if err == nil {
		return k.wrong
	}
	list := explain(err, accountInBody).Violations
	return append(k.wrong, slices.DeleteFunc(list, func(v ProblemViolation) bool { return slices.Contains(k.numbers, v.Pointer) })...)
}

// unquoted is a key as a string of RFC 9651, or as it is.
func unquoted(key string) string {
	if len(key) < 2 || key[0] != '"' || key[len(key)-1] != '"' {
		return key
	}
	return strings.NewReplacer(`\\`, `\`, `\"`, `"`).Replace(key[1 : len(key)-1])
}

// numberLength is how long a number that is made from a key is: 20 digits of 36, some 103 bits. Every provider takes
// numbers of capital letters and digits of this length.
const numberLength = 20

// derive puts a number made from a caller's key into the document. One that has a number already is refused: which of the
// two identifies the order would be a guess.
func (k *keyed) derive(token, key string) {
	var fields map[string]json.RawMessage
	var provider string
	if json.Unmarshal(k.document, &fields) != nil || json.Unmarshal(fields["provider"], &provider) != nil {
		return // the parser says what is wrong with it
	}
	request := fields["request"]
	codec, known := providers.CodecOf(providers.Name(provider))
	if !known {
		return // as above
	}
	in, ok := numbersOf(codec, request)
	if !ok {
		return // as above
	}
	given := in.null // whoever makes a document writes null where a number was to be
	for _, own := range in.own {
		given = append(given, own.field)
	}
	for _, field := range given {
		k.refuse("the document has an order number beside the Idempotency-Key; send one of both, as each identifies the order",
			ProblemViolation{Where: inBody, Pointer: "/request/" + field, Rule: "must be left out beside an Idempotency-Key"})
		k.numbers = append(k.numbers, "/request/"+field)
	}
	if len(given) > 0 {
		return
	}
	field, _ := shownField(codec, request) // without an error
	with := filled(codec, request, field, numberOf(token, provider, string(fields["account"]), key))
	at := bytes.LastIndex(k.document, request) // once, as parsing finds the last of equal names, too
	k.document = slices.Concat(k.document[:at], with, k.document[at+len(request):])
}

// numberOf is the number of a key: the same for the same caller, account and key alone.
func numberOf(token, provider, account, key string) string {
	h := sha256.New()
	for _, part := range []string{"order number", token, provider, account, key} {
		fmt.Fprintf(h, "%d:%s,", len(part), part)
	}
	sum := h.Sum(nil)
	const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	out := make([]byte, 0, numberLength)
	for i := 0; len(out) < numberLength; i++ {
		if i == len(sum) {
			next := sha256.Sum256(sum)
			sum, i = next[:], 0
		}
		if sum[i] < 252 { // 7*36: every digit is as likely
			out = append(out, digits[sum[i]%36])
		}
	}
	return string(out)
}
