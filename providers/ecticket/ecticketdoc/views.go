package ecticketdoc

import "encoding/json"

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

// ShapeJSON is Shape as JSON with sorted keys, without the detour over a map.
func (o *Order) ShapeJSON() []byte {
	return encode(struct {
		IsImmediate, IssueType, PaymentProvider, PrintType, StoreID string `json:",omitempty"`

		TicketInfo []sortedItem
		Tickets    int `json:"tickets"`
	}{o.IsImmediate, o.IssueType, o.PaymentProvider, o.PrintType, o.StoreID, sorted(o.TicketInfo), o.TicketCount()})
}

// Canonical is the order as canonical JSON, the same for every spelling of the same document:
// keys sorted, absent fields and MerchantID left out (the worker's configuration decides it).
// It holds the customer's data; it is meant for fingerprints, so its bytes must never change.
func (o *Order) Canonical() []byte {
	return encode(struct {
		CustomerAddress, CustomerEmail, CustomerName, CustomerPhone, FreeTradeNo, IsImmediate, IssueType, MerchantTradeNo,
		Operator, PaymentProvider, PrintType, RefundNotifyURL, StoreID string `json:",omitempty"`

		TicketInfo         []sortedItem
		UseStatusNotifyURL string `json:",omitempty"`
	}{o.CustomerAddress, o.CustomerEmail, o.CustomerName, o.CustomerPhone, o.FreeTradeNo, o.IsImmediate, o.IssueType, o.MerchantTradeNo,
		o.Operator, o.PaymentProvider, o.PrintType, o.RefundNotifyURL, o.StoreID, sorted(o.TicketInfo), o.UseStatusNotifyURL})
}

// sortedItem is an Item whose fields are sorted by name.
type sortedItem struct {
	ExpireDate   string `json:",omitempty"`
	ItemName     string `json:",omitempty"`
	ItemNo       string `json:",omitempty"`
	StartDate    string `json:",omitempty"`
	TicketAmount int
	TicketPrice  *int `json:",omitempty"`
}

func sorted(items []Item) []sortedItem {
	out := make([]sortedItem, len(items))
	for i, it := range items {
		out[i] = sortedItem{it.ExpireDate, it.ItemName, it.ItemNo, it.StartDate, it.TicketAmount, it.TicketPrice}
	}
	return out
}

// encode writes strings and numbers, which always have a JSON.
func encode(v any) []byte {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return raw
}
