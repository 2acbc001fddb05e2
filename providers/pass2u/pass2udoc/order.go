package pass2udoc

import (
	"encoding/json"

	"issuance/internal/doccheck"
	"issuance/providers"
)

// Order is the body of "Generate an order API", in Pass2U's own field names.
type Order struct {
	// ProductSaleID names the sale campaign; it comes with the sales notice's e-mail.
	ProductSaleID string `json:"productSaleId"`
	// ChannelOrderID is the caller's own order number. Pass2U takes each only once.
	ChannelOrderID string `json:"channelOrderId"`
	// MailTo, when set, makes Pass2U send the order to that address. Customer data.
	MailTo string `json:"mailTo,omitempty"`
	// Quantity is the number of tickets.
	Quantity int `json:"quantity"`
	// PickupType is PickupOrder or PickupVoucher.
	PickupType string `json:"pickupType"`
}

// Parse reads an order. path is put before every field name in violations, such as "request".
// "" and null count as absent. All violations are reported at once; the order is nil then.
func Parse(path string, raw json.RawMessage) (*Order, *providers.InvalidError) {
	return parse(path, raw, false)
}

// parse is Parse; wellFormed says that the caller knows raw to be well-formed JSON.
func parse(path string, raw json.RawMessage, wellFormed bool) (*Order, *providers.InvalidError) {
	var c doccheck.Check
	o, ok := object(&c, path, raw, wellFormed, "productSaleId", "channelOrderId", "mailTo", "quantity", "pickupType")
	if !ok {
		return nil, c.Err()
	}
	o.Require("productSaleId", idRule)
	o.Require("channelOrderId", orderIDRule)
	o.Require("quantity", quantityRule)
	o.Require("pickupType", pickupRule)
	order := &Order{
		ProductSaleID:  text(o, "productSaleId", idRule, validID),
		ChannelOrderID: ownID(o, "channelOrderId"),
		MailTo:         text(o, "mailTo", mailRule, validMail),
		Quantity:       quantity(o, "quantity"),
		PickupType:     text(o, "pickupType", pickupRule, validPickup),
	}
	if err := c.Err(); err != nil {
		return nil, err
	}
	return order, nil
}

// ID is the order's number.
func (o *Order) ID() string { return o.ChannelOrderID }

// Sensitive lists the values that must not appear in a log, an error or a user interface.
func (o *Order) Sensitive() []string {
	if o.MailTo == "" {
		return nil
	}
	return []string{o.MailTo}
}

// Shape is what may be shown of the order, as JSON with sorted keys: no customer data.
func (o *Order) Shape() []byte {
	return encode(struct {
		PickupType    string `json:"pickupType"`
		ProductSaleID string `json:"productSaleId"`
		Quantity      int    `json:"quantity"`
	}{o.PickupType, o.ProductSaleID, o.Quantity})
}

// Canonical is the order as JSON with sorted keys and without absent fields, for fingerprints:
// two documents that mean the same have the same bytes, which must never change. It holds
// customer data.
func (o *Order) Canonical() []byte {
	return encode(struct {
		ChannelOrderID string `json:"channelOrderId,omitempty"`
		MailTo         string `json:"mailTo,omitempty"`
		PickupType     string `json:"pickupType,omitempty"`
		ProductSaleID  string `json:"productSaleId,omitempty"`
		Quantity       int    `json:"quantity"`
	}{o.ChannelOrderID, o.MailTo, o.PickupType, o.ProductSaleID, o.Quantity})
}

// String keeps customer data out of accidental prints.
func (o Order) String() string { return "pass2u order " + o.ChannelOrderID }

// GoString does the same for %#v.
func (o Order) GoString() string { return o.String() }
