package pass2udoc

import (
	"encoding/json"

	"issuance/internal/doccheck"
	"issuance/providers"
)

// Refund is a refund of one order: a number of tickets, which Pass2U picks at random, or all
// that are left.
type Refund struct {
	ChannelOrderID string
	// Quantity is the number of tickets to refund, 0 with All.
	Quantity int
	// All refunds every ticket that can still be refunded.
	All bool

	// ProductSaleID describes an order of which there is no record: Pass2U answers no question without it.
	ProductSaleID string
	// Pass2uOrderID and PickupType may be given beside it; Pass2U is asked for what is left out.
	Pass2uOrderID string
	PickupType    string
	// MailTo is accepted because the printed example holds it. It is not sent on: to Pass2U
	// it means "mail the order", which nobody wants at a refund. Customer data.
	MailTo string
}

const (
	elsewhereRule = "is needed beside pass2uOrderId and pickupType: Pass2U finds no order without it"
	howManyRule   = "must say how many tickets: quantity (1 to 10000) or all (true), one of the two"
)

// ParseRefund reads a refund. path is put before every field name in violations, such as
// "request". Exactly one of quantity and all must be there; "quanity", the misspelling in
// Pass2U's field table, is understood as quantity. All violations are reported at once; the
// refund is nil then.
func ParseRefund(path string, raw json.RawMessage) (*Refund, *providers.InvalidError) {
	var c doccheck.Check
	o, ok := object(&c, path, raw, false, "channelOrderId", "quantity", "quanity", "all",
		"pass2uOrderId", "productSaleId", "pickupType", "mailTo")
	if !ok {
		return nil, c.Err()
	}
	o.Require("channelOrderId", orderIDRule)
	r := &Refund{ChannelOrderID: text(o, "channelOrderId", orderIDRule, validOrderID)}
	r.Quantity, r.All = howMany(o)

	if o.Has("pass2uOrderId") || o.Has("pickupType") {
		o.Require("productSaleId", elsewhereRule)
	}
	r.Pass2uOrderID = text(o, "pass2uOrderId", idRule, validID)
	r.ProductSaleID = text(o, "productSaleId", idRule, validID)
	r.PickupType = text(o, "pickupType", pickupRule, validPickup)
	r.MailTo = text(o, "mailTo", mailRule, validMail)
	if err := c.Err(); err != nil {
		return nil, err
	}
	return r, nil
}

// howMany reads quantity, quanity and all, of which exactly one may be given.
func howMany(o doccheck.Object) (n int, all bool) {
	key := "quantity"
	if o.Has("quanity") {
		key = "quanity"
		o.Forbid("quantity", "must not be given beside quanity, which means the same")
	}
	n = quantity(o, key)
	if o.Has("all") {
		switch yes, ok := o.Bool("all"); {
		case ok && !yes:
			o.Violate("all", "must be true, or be left out")
		case o.Has(key):
			o.Violate("all", howManyRule)
		default:
			all = yes
		}
	} else if !o.Has(key) {
		o.Violate("quantity", howManyRule)
	}
	return n, all
}

// OrderID is the number of the order to refund.
func (r *Refund) OrderID() string { return r.ChannelOrderID }

// IssuedElsewhere reports whether the refund itself describes its order.
func (r *Refund) IssuedElsewhere() bool { return r.ProductSaleID != "" }

// Shape is what may be shown of the refund: no customer data.
func (r *Refund) Shape() map[string]any {
	if r.All {
		return map[string]any{"all": true}
	}
	return map[string]any{"quantity": r.Quantity}
}

// Canonical is the refund as JSON with sorted keys and without absent fields, for
// fingerprints. mailTo is left out, since it changes nothing.
func (r *Refund) Canonical() []byte {
	fields := map[string]any{}
	if r.All {
		fields["all"] = true
	} else {
		fields["quantity"] = r.Quantity
	}
	put(fields, "channelOrderId", r.ChannelOrderID)
	put(fields, "pass2uOrderId", r.Pass2uOrderID)
	put(fields, "productSaleId", r.ProductSaleID)
	put(fields, "pickupType", r.PickupType)
	return encode(fields)
}

// String keeps customer data out of accidental prints.
func (r Refund) String() string { return "pass2u refund of order " + r.ChannelOrderID }

// GoString does the same for %#v.
func (r Refund) GoString() string { return r.String() }
