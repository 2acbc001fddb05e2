// Package ecticketdoc holds the documents that ECPay ECTicket orders and refunds are given in, and
// the rules of "ECTicket, Issue" for them, all checked before anything leaves this machine.
//
// A document is the provider's own request body in the provider's own field names; "" and null
// count as absent, as they do at ECPay. Lengths are counted in characters, not bytes.
//
// The package is pure, so that producers of orders can import it: it uses no network and imports
// only packages providers and internal/doccheck.
package ecticketdoc

import (
	"time"

	"issuance/providers"
)

// Issue types.
const (
	ConvenienceStore = "1" // printed at a convenience store; at most 8 tickets an order
	Paper            = "2" // printed by ECPay or by the merchant; issued at once
	Electronic       = "3" // sent to the customer; may start on a later day
	SerialOnly       = "4" // serial numbers only; nobody but the merchant delivers them
)

// Values of IsImmediate.
const (
	Immediate = "1" // usable from the moment of issue
	Deferred  = "2" // usable from StartDate on
)

// Limits of "ECTicket, Issue".
const (
	MaxTickets            = 100 // tickets of one order
	MaxConvenienceTickets = 8   // tickets of one convenience store order
	MaxMerchantTradeNo    = 25  // characters of MerchantTradeNo
	MaxFreeTradeNo        = 20  // characters of FreeTradeNo
	MaxDocument           = 128 << 10
)

// Taiwan is the provider's time zone.
var Taiwan = providers.Taiwan

// Options are what a document is checked against besides its own fields.
type Options struct {
	// MerchantID is the configured one: a document may leave MerchantID out, but must not name
	// another. Default "": any MerchantID is taken.
	MerchantID string
	// Escrow says that the merchant works under use-then-redeem escrow, where PaymentProvider is
	// a known and required field. Default false (pure issuance).
	Escrow bool
	// Now is the moment the order is issued, for StartDate and ExpireDate. Default: time.Now().
	Now time.Time
	// MaxTradeNo is the longest MerchantTradeNo in characters. Set 20 when orders are paid
	// through ECPay, whose payments allow no more. Default 25.
	MaxTradeNo int
	// WellFormed says that the caller knows the document to be well-formed JSON, as whoever took
	// it out of an envelope does; it is then not looked at a second time. Default false.
	WellFormed bool
}

// Order is a checked order document (ECTicket, Issue, Data).
type Order struct {
	MerchantID         string `json:"MerchantID,omitempty"`
	MerchantTradeNo    string `json:"MerchantTradeNo,omitempty"`
	FreeTradeNo        string `json:"FreeTradeNo,omitempty"`
	IssueType          string `json:"IssueType,omitempty"`
	PrintType          string `json:"PrintType,omitempty"`
	IsImmediate        string `json:"IsImmediate,omitempty"`
	RefundNotifyURL    string `json:"RefundNotifyURL,omitempty"`
	UseStatusNotifyURL string `json:"UseStatusNotifyURL,omitempty"`
	StoreID            string `json:"StoreID,omitempty"`
	Operator           string `json:"Operator,omitempty"`
	CustomerName       string `json:"CustomerName,omitempty"`
	CustomerPhone      string `json:"CustomerPhone,omitempty"`
	CustomerEmail      string `json:"CustomerEmail,omitempty"`
	CustomerAddress    string `json:"CustomerAddress,omitempty"`
	PaymentProvider    string `json:"PaymentProvider,omitempty"` // escrow only
	TicketInfo         []Item `json:"TicketInfo"`
}

// Item is one line of an order.
type Item struct {
	ItemNo   string `json:"ItemNo,omitempty"`
	ItemName string `json:"ItemName,omitempty"`
	// TicketPrice is the face value in New Taiwan dollars; nil when absent, since 0 is a price.
	TicketPrice *int `json:"TicketPrice,omitempty"`
	// TicketAmount is the number of tickets. (ECTicket's answers use this name for the face value.)
	TicketAmount int    `json:"TicketAmount"`
	StartDate    string `json:"StartDate,omitempty"`  // yyyymmdd, Taiwan time
	ExpireDate   string `json:"ExpireDate,omitempty"` // yyyymmdd, gift vouchers only
}

// Refund is a checked refund document. Exactly one of TicketNo, Quantity and All says what to
// refund.
type Refund struct {
	MerchantID      string   `json:"-"` // names the account; no part of the canonical form
	MerchantTradeNo string   `json:"MerchantTradeNo,omitempty"`
	FreeTradeNo     string   `json:"FreeTradeNo,omitempty"`
	TicketNo        []string `json:"TicketNo,omitempty"`
	Quantity        int      `json:"quantity,omitempty"`
	All             bool     `json:"all,omitempty"`
	Operator        string   `json:"Operator,omitempty"` // default: the order's
	StoreID         string   `json:"StoreID,omitempty"`  // default: the head office
}
