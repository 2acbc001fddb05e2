// Package pass2udoc reads the two documents a producer writes for Pass2U: an order (the body
// of "Generate an order API") and a refund ("Refund tickets of an order API"). It reports every
// broken rule at once.
//
// It is pure: producers import it, so it depends on nothing but package providers, package
// internal/doccheck and the standard library's data packages, never on net/http.
package pass2udoc

import (
	"encoding/json"
	"fmt"
	"strings"

	"issuance/internal/doccheck"
)

// The two ways in which a holder gets at the tickets.
const (
	// PickupOrder: the holder opens the order's page and enters a passcode. Answers show
	// neither the tickets nor their number.
	PickupOrder = "order"
	// PickupVoucher: one link per ticket, no passcode.
	PickupVoucher = "voucher"
)

// Limits. Pass2U documents none of them, so they are wide: their only purpose is to stop
// documents that cannot be meant.
const (
	// MaxID is the length of the longest productSaleId, channelOrderId and pass2uOrderId.
	MaxID = 64
	// MaxMailTo is the length of the longest e-mail address (RFC 5321).
	MaxMailTo = 254
	// MaxQuantity is the highest number of tickets of one order or refund.
	MaxQuantity = 10_000
)

const (
	idRule       = "must be 1 to 64 printable ASCII characters without spaces"
	orderIDRule  = "must be 1 to 64 of the characters A-Z a-z 0-9 - _ ."
	firstRule    = "must begin with a letter or a digit"
	mailRule     = "must be one e-mail address of at most 254 characters"
	pickupRule   = `must be "order" or "voucher"`
	quantityRule = "must be a whole number from 1 to 10000"
)

// object reads raw as an object of the known fields.
func object(c *doccheck.Check, path string, raw json.RawMessage, wellFormed bool, known ...string) (doccheck.Object, bool) {
	if wellFormed {
		return c.WellFormedObject(path, raw, known...)
	}
	return c.Object(path, raw, known...)
}

// text returns a string field that, when it is there, must satisfy valid.
func text(o doccheck.Object, name, rule string, valid func(string) bool) string {
	s, ok := o.String(name)
	if ok && !valid(s) {
		o.Violate(name, rule)
	}
	return s
}

// quantity returns a whole-number field that, when it is there, must lie in 1..MaxQuantity.
// Other types are reported by the same rule, so that one look shows what is allowed.
func quantity(o doccheck.Object, name string) int {
	if !o.Has(name) {
		return 0
	}
	var n int
	if err := json.Unmarshal(o.Raw(name), &n); err != nil || n < 1 || n > MaxQuantity {
		o.Violate(name, quantityRule)
		return 0
	}
	return n
}

// validID accepts any printable ASCII but the space: Pass2U's samples are letters and digits,
// and no limit is documented.
func validID(s string) bool {
	return len(s) <= MaxID && strings.IndexFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) < 0
}

// validOrderID: the characters are INFERRED, the document names none. They are kept to what a
// Redis key and a task id can hold without quoting: no space, no brace, no colon.
func validOrderID(s string) bool {
	return len(s) <= MaxID && strings.IndexFunc(s, func(r rune) bool {
		return !(r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || strings.ContainsRune("-_.", r))
	}) < 0
}

// probeID is the number that is looked up when nothing but an answer is wanted: none that an order may have.
const probeID = "-ISSUANCE-PROBE"

// ownID reads the number of a new order. It begins with a letter or a digit, so that it is no option of a command line, no
// dot segment of a path, and not probeID.
func ownID(o doccheck.Object, name string) string {
	id := text(o, name, orderIDRule, validOrderID)
	if id != "" && validOrderID(id) && strings.ContainsAny(id[:1], "-_.") {
		o.Violate(name, firstRule)
	}
	return id
}

func validPickup(s string) bool { return s == PickupOrder || s == PickupVoucher }

// validMail is a plausibility check: one @ with something before it and a dotted name behind,
// and no character that would make it a list or a second header.
func validMail(s string) bool {
	if len(s) > MaxMailTo || strings.IndexFunc(s, func(r rune) bool {
		return r <= ' ' || r == 0x7f || strings.ContainsRune(`<>()[],;:"\`, r)
	}) >= 0 {
		return false
	}
	local, domain, ok := strings.Cut(s, "@")
	if !ok || local == "" || len(local) > 64 || strings.Contains(domain, "@") {
		return false
	}
	labels := strings.Split(domain, ".")
	for _, l := range labels {
		if l == "" || strings.HasPrefix(l, "-") || strings.HasSuffix(l, "-") {
			return false
		}
	}
	return len(labels) > 1
}

// encode renders fields as JSON, a map's with sorted keys.
func encode(fields any) []byte {
	b, err := json.Marshal(fields)
	if err != nil {
		panic(fmt.Sprintf("pass2udoc: strings, numbers and booleans always marshal: %v", err))
	}
	return b
}

// put adds a field unless it is empty.
func put(fields map[string]any, name, value string) {
	if value != "" {
		fields[name] = value
	}
}
