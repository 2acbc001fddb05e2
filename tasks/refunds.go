package tasks

import (
	"cmp"
	"encoding/json"
	"errors"
	"time"

	"issuance/internal/ledger"
	"issuance/internal/seal"
	"issuance/providers"
	"issuance/providers/ecticket/ecticketdoc"
	"issuance/providers/pass2u/pass2udoc"
)

// UpgradePatience is how long a payload of a newer version waits for a newer worker, as in a
// rolling upgrade, before a person has to look.
const UpgradePatience = 15 * time.Minute

// TicketWish is which tickets a refund document asks for: named ones, a number, or all.
type TicketWish struct {
	TicketNo []string
	Quantity int
	All      bool
}

// RefundTickets reads which tickets an ECTicket refund asks for.
func RefundTickets(request json.RawMessage) (TicketWish, error) {
	d, err := ecticketdoc.ParseRefund("request", request, ecticketdoc.Options{})
	if err != nil {
		return TicketWish{}, err
	}
	return TicketWish{TicketNo: d.TicketNo, Quantity: d.Quantity, All: d.All}, nil
}

// RefundQuantity reads how many tickets a Pass2U refund asks for.
func RefundQuantity(_ providers.Name, request json.RawMessage) (n int, all bool, err error) {
	d, invalid := pass2udoc.ParseRefund("request", request)
	if invalid != nil {
		return 0, false, invalid
	}
	return d.Quantity, d.All, nil
}

// DefaultOperator stands in ECTicket's records where no document names who refunds.
const DefaultOperator = "issuance"

// RefundOperator is who refunds: the refund document's Operator and StoreID, else those of the
// order, else DefaultOperator and the head office.
func RefundOperator(refund, order json.RawMessage) providers.TicketRefund {
	type who struct{ Operator, StoreID string }
	var r, o who
	// Documents that do not parse have been refused before; what is missing is defaulted.
	_ = json.Unmarshal(refund, &r)
	_ = json.Unmarshal(order, &o)
	return providers.TicketRefund{Operator: cmp.Or(r.Operator, o.Operator, DefaultOperator), StoreID: cmp.Or(r.StoreID, o.StoreID)}
}

// OutsideOrder is an order that was issued elsewhere, as far as its refund document tells. The
// error says what the document lacks.
func OutsideOrder(k ledger.RefundKey, refund json.RawMessage) (providers.Order, error) {
	o := providers.Order{ID: k.OrderID}
	var request any
	switch k.Provider {
	case providers.ECTicket:
		d, err := ecticketdoc.ParseRefund("request", refund, ecticketdoc.Options{})
		if err != nil {
			return o, err
		}
		request = struct {
			MerchantTradeNo string `json:"MerchantTradeNo,omitempty"`
			FreeTradeNo     string `json:"FreeTradeNo,omitempty"`
		}{d.MerchantTradeNo, d.FreeTradeNo}
	case providers.Pass2U:
		d, err := pass2udoc.ParseRefund("request", refund)
		if err != nil {
			return o, err
		}
		if d.Pass2uOrderID == "" {
			return o, errors.New("a refund of an order issued elsewhere needs pass2uOrderId, productSaleId and pickupType")
		}
		o.Ref = d.Pass2uOrderID
		request = struct {
			ProductSaleID  string `json:"productSaleId"`
			ChannelOrderID string `json:"channelOrderId"`
			PickupType     string `json:"pickupType"`
		}{d.ProductSaleID, d.ChannelOrderID, d.PickupType}
	}
	raw, err := json.Marshal(request)
	o.Request = raw
	return o, err
}

// SameRefund reports whether a request is the document that made the fingerprint; see SameOrder.
func SameRefund(ring *seal.Ring, p providers.Name, request json.RawMessage, fingerprint string) (bool, error) {
	var canonical []byte
	switch p {
	case providers.ECTicket:
		d, err := ecticketdoc.ParseRefund("request", request, ecticketdoc.Options{})
		if err != nil {
			return false, err
		}
		canonical = d.Canonical()
	case providers.Pass2U:
		d, err := pass2udoc.ParseRefund("request", request)
		if err != nil {
			return false, err
		}
		canonical = d.Canonical()
	}
	same, known := ring.SameFingerprint(fingerprint, canonical)
	if !known {
		return false, seal.ErrUnknownKey
	}
	return same, nil
}

// ProviderTime reads a provider's time of day, which is Taiwan's.
func ProviderTime(s string) (time.Time, bool) {
	for _, layout := range []string{"20060102 15:04", "20060102 15:04:05", "2006/01/02 15:04:05", "2006/01/02 15:04", time.RFC3339} {
		if t, err := time.ParseInLocation(layout, s, ecticketdoc.Taiwan); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}
