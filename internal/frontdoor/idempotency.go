package frontdoor

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"issuance/providers"
)

// KeyHeader holds a caller's own id of its request.
type KeyHeader struct {
	Key string `header:"Idempotency-Key" minLength:"1" maxLength:"255" doc:"the request's own id, from which the order's number is made; the document must have none then. It must be the same when the request is repeated; \"cart-1\" in quotes is the same as cart-1"`

	sent []string // every one of the request's
}

// Resolve implements huma.Resolver: it reads what a parameter cannot hold, that there are several keys or an empty one.
func (k *KeyHeader) Resolve(c huma.Context) []error {
	k.sent = nil // huma calls it for what embeds it, too
	c.EachHeader(func(name, value string) {
		if strings.EqualFold(name, "Idempotency-Key") {
			k.sent = append(k.sent, value)
		}
	})
	return nil
}

// key is the key without its quotes; "" where none was sent.
func (k *KeyHeader) key() (string, *Problem) {
	if len(k.sent) == 0 {
		return "", nil
	}
	if len(k.sent) > 1 {
		return "", refusedKey("there are several Idempotency-Key headers; send one")
	}
	key := unquoted(strings.TrimSpace(k.sent[0]))
	if key == "" {
		return "", refusedKey("the Idempotency-Key is empty; send one, or an order number in the document")
	}
	return key, nil
}

func refusedKey(text string) *Problem {
	return problem(http.StatusUnprocessableEntity, codeInvalid, "%s", text)
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

// derived puts a number made from a caller's key into a document. One that has a number already is refused: which of the
// two identifies the order would be a guess.
func derived(document []byte, token, key string) ([]byte, *Problem) {
	var fields map[string]json.RawMessage
	var provider string
	if json.Unmarshal(document, &fields) != nil || json.Unmarshal(fields["provider"], &provider) != nil || !providers.Name(provider).Known() {
		return document, nil // the parser says what is wrong with it
	}
	request := fields["request"]
	var own map[string]json.RawMessage
	if json.Unmarshal(request, &own) != nil || own == nil {
		return document, nil // as above
	}
	codec, _ := providers.CodecOf(providers.Name(provider))
	if p := keyBeside(codec.Columns.IDs, own); p != nil {
		return nil, p
	}
	with := inserted(request, codec.Columns.IDs[0], numberOf(token, provider, string(fields["account"]), key))
	at := bytes.LastIndex(document, request) // once, as parsing finds the last of equal names, too
	return slices.Concat(document[:at], with, document[at+len(request):]), nil
}

// keyBeside is the problem of a request that has an order's number beside a key; nil for others.
func keyBeside(ids []string, request map[string]json.RawMessage) *Problem {
	for _, id := range ids {
		if _, there := request[id]; there {
			p := refusedKey("the document has an order number beside the Idempotency-Key; send one of both, as each identifies the order; nothing was enqueued")
			p.Violations = []ProblemViolation{{Pointer: "/request/" + id, Rule: "must be left out beside an Idempotency-Key"}}
			return p
		}
	}
	return nil
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
