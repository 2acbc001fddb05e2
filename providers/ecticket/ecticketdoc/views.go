package ecticketdoc

import (
	"bytes"
	"encoding/json"
)

// ID is the order's number: MerchantTradeNo, or FreeTradeNo when all items are gift vouchers.
func (o *Order) ID() string {
	if o.MerchantTradeNo != "" {
		return o.MerchantTradeNo
	}
	return o.FreeTradeNo
}

// Gift reports whether every item is a gift voucher, which is what FreeTradeNo says.
func (o *Order) Gift() bool { return o.MerchantTradeNo == "" && o.FreeTradeNo != "" }

// TicketCount is the number of tickets of the order.
func (o *Order) TicketCount() int {
	n := 0
	for _, it := range o.TicketInfo {
		n += it.TicketAmount
	}
	return n
}

// Sensitive lists the customer's data in the order: values that must not appear in a text.
func (o *Order) Sensitive() []string {
	var out []string
	for _, s := range []string{o.CustomerName, o.CustomerPhone, o.CustomerEmail, o.CustomerAddress} {
		if s != "" {
			out = append(out, s)
		}
	}
	return out
}

// Shape is what may be shown of the order: kind, items and number of tickets, nothing about the
// customer and no address that ECPay is to call.
func (o *Order) Shape() map[string]any {
	m := map[string]any{"tickets": o.TicketCount()}
	put(m, "IssueType", o.IssueType)
	put(m, "PrintType", o.PrintType)
	put(m, "IsImmediate", o.IsImmediate)
	put(m, "StoreID", o.StoreID)
	put(m, "PaymentProvider", o.PaymentProvider)
	items := make([]map[string]any, len(o.TicketInfo))
	for i, it := range o.TicketInfo {
		items[i] = map[string]any{"TicketAmount": it.TicketAmount}
		put(items[i], "ItemNo", it.ItemNo)
		put(items[i], "ItemName", it.ItemName)
		put(items[i], "StartDate", it.StartDate)
		put(items[i], "ExpireDate", it.ExpireDate)
		if it.TicketPrice != nil {
			items[i]["TicketPrice"] = *it.TicketPrice
		}
	}
	m["TicketInfo"] = items
	return m
}

func put(m map[string]any, name, value string) {
	if value != "" {
		m[name] = value
	}
}

// Canonical is the order as canonical JSON, the same for every spelling of the same document:
// keys sorted, absent fields and MerchantID left out (the worker's configuration decides it).
// It holds the customer's data; it is meant for fingerprints.
func (o *Order) Canonical() []byte {
	c := *o
	c.MerchantID = ""
	return canonical(&c)
}

// canonical sorts keys by way of a map; numbers are kept as they are written.
func canonical(v any) []byte {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err) // strings and numbers always marshal
	}
	var m map[string]any
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if err := dec.Decode(&m); err != nil {
		panic(err) // it was marshalled just now
	}
	if raw, err = json.Marshal(m); err != nil {
		panic(err)
	}
	return raw
}
