package pass2udoc

import (
	"encoding/json"
	"errors"
	"time"

	"issuance/providers"
)

// DefaultMerchant names the account where nobody does: Pass2U has no merchant ids.
const DefaultMerchant = "main"

// Codec is what the product knows of Pass2U's documents.
func Codec() providers.Codec {
	return providers.Codec{
		Name:            providers.Pass2U,
		Title:           "Pass2U",
		DefaultMerchant: DefaultMerchant,
		ParseOrder:      parseOrder,
		ParseRefund:     parseRefund,
		Canonical:       canonical,
		ShapeOf:         shapeOf,
		OtherOrder:      otherOrder,
		RefundedBy:      func(json.RawMessage, json.RawMessage) (operator, storeID string) { return "", "" },
		Tickets:         func(request json.RawMessage) int { return read(request).Quantity },
		Calls:           func(json.RawMessage) int { return calls },
		Mentions:        []string{"channelOrderId", "productSaleId", "pass2uOrderId"},
		StoredNames:     []string{"productSaleId", "channelOrderId", "mailTo", "quantity", "pickupType"},
		Columns: providers.Columns{
			Scalars: []string{"productSaleId", "channelOrderId", "mailTo", "quantity", "pickupType"},
			Numbers: []string{"quantity"},
			IDs:     []string{"channelOrderId"},
		},
		Templates: []providers.Template{{Name: "pass2u", Meaning: "Pass2U; pickupType is voucher or order",
			Columns: [][2]string{{"channelOrderId", "EXAMPLE-0001"}, {"productSaleId", "02955ccca3352ef0734a4aecc9f86083"},
				{"quantity", "2"}, {"pickupType", "voucher"}, {"mailTo", ""}}}},
		Probe:          probe,
		Check:          check,
		RulesInChinese: rulesInChinese, AnswersInChinese: answersInChinese,
		Time: func(text string) (time.Time, bool) {
			t, err := time.Parse(time.RFC3339, text)
			return t, err == nil
		},
	}
}

func probe() providers.Order {
	o := Order{ProductSaleID: "00000000000000000000000000000000", ChannelOrderID: probeID, Quantity: 1, PickupType: PickupVoucher}
	return providers.Order{ID: o.ID(), Request: o.Stub()}
}

// calls: generate answers with the tickets.
const calls = 1

func parseOrder(path string, request json.RawMessage, r providers.Rules) (*providers.OrderDocument, *providers.InvalidError) {
	o, err := parse(path, request, r.WellFormed)
	if err != nil {
		return nil, err
	}
	return &providers.OrderDocument{
		ID: o.ID(), Tickets: o.Quantity, Calls: calls, Canonical: o.Canonical(), Shape: o.Shape(), Stub: o.Stub(),
	}, nil
}

func parseRefund(path string, request json.RawMessage, _ providers.Rules) (*providers.RefundDocument, *providers.InvalidError) {
	d, err := ParseRefund(path, request)
	if err != nil {
		return nil, err
	}
	doc := &providers.RefundDocument{
		OrderID: d.OrderID(), Wish: providers.TicketWish{Quantity: d.Quantity, All: d.All},
		Canonical: d.Canonical(), Shape: encode(d.Shape()),
	}
	if !d.IssuedElsewhere() {
		doc.Lacks = "a refund of an order without a record needs productSaleId"
		return doc, nil
	}
	stub := Order{ProductSaleID: d.ProductSaleID, ChannelOrderID: d.ChannelOrderID, PickupType: d.PickupType}
	doc.Outside = &providers.Order{ID: d.OrderID(), Request: stub.Stub(), Ref: d.Pass2uOrderID}
	return doc, nil
}

func shapeOf(stub json.RawMessage) []byte {
	o := read(stub)
	return o.Shape()
}

// read reads a request that was validated before, or its stub. What cannot be read is empty.
func read(request json.RawMessage) (o Order) {
	if json.Unmarshal(request, &o) != nil {
		return Order{}
	}
	return o
}

func canonical(request json.RawMessage) ([]byte, error) {
	var o Order
	if err := json.Unmarshal(request, &o); err != nil {
		return nil, errors.New("the document cannot be read") // the library's error may hold a value
	}
	return o.Canonical(), nil
}

func otherOrder(refund json.RawMessage, o providers.Order) string {
	var wants struct {
		ProductSaleID string `json:"productSaleId"`
		PickupType    string `json:"pickupType"`
		Pass2uOrderID string `json:"pass2uOrderId"`
	}
	// It was checked before; a document that cannot be read names no field here.
	_ = json.Unmarshal(refund, &wants)
	has := read(o.Request)
	switch {
	case wants.ProductSaleID != "" && wants.ProductSaleID != has.ProductSaleID:
		return "productSaleId"
	case wants.PickupType != "" && wants.PickupType != has.PickupType:
		return "pickupType"
	case wants.Pass2uOrderID != "" && o.Ref != "" && wants.Pass2uOrderID != o.Ref:
		return "pass2uOrderId"
	}
	return ""
}

// Stub is providers.OrderDocument.Stub: what queries and refunds ask for. mailTo is left out: to
// Pass2U it means "mail the order".
func (o *Order) Stub() []byte {
	return encode(struct {
		ProductSaleID  string `json:"productSaleId"`
		ChannelOrderID string `json:"channelOrderId"`
		PickupType     string `json:"pickupType,omitempty"`
		Quantity       int    `json:"quantity,omitempty"`
	}{o.ProductSaleID, o.ChannelOrderID, o.PickupType, o.Quantity})
}
