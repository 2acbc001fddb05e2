package ecticketdoc

import "issuance/internal/doccheck"

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

// Shape is what may be shown of the order, as JSON with sorted keys: kind, items and number of tickets, nothing
// about the customer and no address that ECPay is to call.
func (o *Order) Shape() []byte {
	b := append(make([]byte, 0, 256), '{')
	b = doccheck.AppendMember(b, "IsImmediate", o.IsImmediate)
	b = doccheck.AppendMember(b, "IssueType", o.IssueType)
	b = doccheck.AppendMember(b, "PaymentProvider", o.PaymentProvider)
	b = doccheck.AppendMember(b, "PrintType", o.PrintType)
	b = doccheck.AppendMember(b, "StoreID", o.StoreID)
	b = appendItems(b, o.TicketInfo)
	return append(doccheck.AppendInt(b, "tickets", o.TicketCount()), '}')
}

// Canonical is the order as canonical JSON, the same for every spelling of the same document:
// keys sorted, absent fields and MerchantID left out (the worker's configuration decides it).
// It holds the customer's data; it is meant for fingerprints, so its bytes must never change.
func (o *Order) Canonical() []byte {
	b := append(make([]byte, 0, 512), '{')
	b = doccheck.AppendMember(b, "CustomerAddress", o.CustomerAddress)
	b = doccheck.AppendMember(b, "CustomerEmail", o.CustomerEmail)
	b = doccheck.AppendMember(b, "CustomerName", o.CustomerName)
	b = doccheck.AppendMember(b, "CustomerPhone", o.CustomerPhone)
	b = doccheck.AppendMember(b, "FreeTradeNo", o.FreeTradeNo)
	b = doccheck.AppendMember(b, "IsImmediate", o.IsImmediate)
	b = doccheck.AppendMember(b, "IssueType", o.IssueType)
	b = doccheck.AppendMember(b, "MerchantTradeNo", o.MerchantTradeNo)
	b = doccheck.AppendMember(b, "Operator", o.Operator)
	b = doccheck.AppendMember(b, "PaymentProvider", o.PaymentProvider)
	b = doccheck.AppendMember(b, "PrintType", o.PrintType)
	b = doccheck.AppendMember(b, "RefundNotifyURL", o.RefundNotifyURL)
	b = doccheck.AppendMember(b, "StoreID", o.StoreID)
	b = appendItems(b, o.TicketInfo)
	return append(doccheck.AppendMember(b, "UseStatusNotifyURL", o.UseStatusNotifyURL), '}')
}

// appendItems appends TicketInfo, every item's fields sorted.
func appendItems(b []byte, items []Item) []byte {
	b = append(doccheck.AppendName(b, "TicketInfo"), '[')
	for i, it := range items {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, '{')
		b = doccheck.AppendMember(b, "ExpireDate", it.ExpireDate)
		b = doccheck.AppendMember(b, "ItemName", it.ItemName)
		b = doccheck.AppendMember(b, "ItemNo", it.ItemNo)
		b = doccheck.AppendMember(b, "StartDate", it.StartDate)
		b = doccheck.AppendInt(b, "TicketAmount", it.TicketAmount)
		if it.TicketPrice != nil {
			b = doccheck.AppendInt(b, "TicketPrice", *it.TicketPrice)
		}
		b = append(b, '}')
	}
	return append(b, ']')
}
