package ecticketdoc

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"unicode/utf8"

	"issuance/internal/doccheck"
	"issuance/providers"
)

// ParseRefund reads a refund document: the order's number, and exactly one of TicketNo (these
// tickets), quantity (so many unused ones) and all (every unused one). path is put before the
// fields' paths, such as "request". It returns the refund, or every violation at once and none.
// Of opt, MerchantID and WellFormed count.
func ParseRefund(path string, raw json.RawMessage, opt Options) (*Refund, *providers.InvalidError) {
	var c doccheck.Check
	o, ok := object(&c, path, raw, opt.WellFormed, "MerchantID", "MerchantTradeNo", "FreeTradeNo", "TicketNo", "quantity", "all", "Operator", "StoreID")
	if !ok {
		return nil, c.Err()
	}
	r := Refund{MerchantID: merchant(o, opt)}
	switch paid, gift := o.Has("MerchantTradeNo"), o.Has("FreeTradeNo"); {
	case paid && gift:
		o.Violate("FreeTradeNo", "must be left out when MerchantTradeNo is given: an order has one number")
	case !paid && !gift:
		o.Violate("MerchantTradeNo", "is required (or FreeTradeNo): the order to refund")
	}
	r.MerchantTradeNo = code(o, "MerchantTradeNo", 1, MaxMerchantTradeNo)
	r.FreeTradeNo = code(o, "FreeTradeNo", 1, MaxFreeTradeNo)

	given := 0
	for _, name := range []string{"TicketNo", "quantity", "all"} {
		if o.Has(name) {
			if given++; given > 1 {
				o.Violate(name, "must be left out: give exactly one of TicketNo, quantity and all")
			}
		}
	}
	if given == 0 {
		o.Violate("TicketNo", "is required (or quantity, or all): give exactly one of TicketNo, quantity and all")
	}
	r.TicketNo = ticketNumbers(&c, o)
	if n, ok := o.Int("quantity"); ok {
		if n < 1 || n > MaxTickets {
			o.Violate("quantity", fmt.Sprintf("must be 1 to %d tickets", MaxTickets))
		}
		r.Quantity = n
	}
	if all, ok := o.Bool("all"); ok {
		if !all {
			o.Violate("all", "must be true, or left out")
		}
		r.All = all
	}
	r.Operator = code(o, "Operator", 1, 10)
	r.StoreID = code(o, "StoreID", 2, 20)
	if err := c.Err(); err != nil {
		return nil, err
	}
	return &r, nil
}

func ticketNumbers(c *doccheck.Check, o doccheck.Object) []string {
	elements, ok := o.Array("TicketNo")
	if !ok {
		return nil
	}
	if len(elements) == 0 || len(elements) > MaxTickets {
		o.Violate("TicketNo", fmt.Sprintf("must list 1 to %d ticket numbers", MaxTickets))
		return nil
	}
	var numbers []string
	for i, raw := range elements {
		at := fmt.Sprintf("%s[%d]", o.Path("TicketNo"), i)
		var s string
		switch err := json.Unmarshal(raw, &s); {
		case err != nil || !alnum(s) || utf8.RuneCountInString(s) > 16:
			c.Violate(at, "must be a ticket number: a string of 1 to 16 letters and digits", doccheck.Shape(raw))
		case slices.Contains(numbers, s):
			c.Violate(at, "must not be listed twice", doccheck.Shape(raw))
		default:
			numbers = append(numbers, s)
		}
	}
	return numbers
}

// OrderID is the number of the order to refund.
func (r *Refund) OrderID() string {
	if r.MerchantTradeNo != "" {
		return r.MerchantTradeNo
	}
	return r.FreeTradeNo
}

// Canonical is the refund as canonical JSON, the same for every spelling of the same document.
func (r *Refund) Canonical() []byte { return sortKeys(encode(r)) }

// encode writes strings and numbers, which always have a JSON.
func encode(v any) []byte {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return raw
}

// sortKeys sorts the keys of an object by way of a map; numbers are kept as they are written.
func sortKeys(raw []byte) []byte {
	var m map[string]any
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if err := dec.Decode(&m); err != nil {
		panic(err) // it was marshalled just now
	}
	return encode(m)
}

// Shape is what may be shown of the refund: how many tickets, never which.
func (r *Refund) Shape() map[string]any {
	m := map[string]any{}
	put(m, "Operator", r.Operator)
	put(m, "StoreID", r.StoreID)
	switch {
	case r.All:
		m["all"] = true
	case r.Quantity > 0:
		m["quantity"] = r.Quantity
	default:
		m["TicketNo"] = fmt.Sprintf("%d ticket numbers", len(r.TicketNo))
	}
	return m
}

func put(m map[string]any, name, value string) {
	if value != "" {
		m[name] = value
	}
}
