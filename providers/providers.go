// Package providers says what every ticket provider must offer: a client (Provider and its optional
// powers), the closed set of answers that its calls may end in, and the Codec of its documents. A
// provider's own package (providers/ecticket, providers/pass2u) turns HTTP statuses, codes and error
// texts into these answers; everybody else acts on the answer's kind alone and never on a provider's
// text. Package providers/codecs registers the providers of the product.
//
// It imports nothing of ours, so that producers of orders can depend on it without an HTTP client
// behind it.
package providers

import (
	"context"
	"encoding/json"
	"time"
)

// Name is a provider's name as it is written in documents, queue names and task types.
type Name string

// The providers of the product; which of them a program knows is decided by what is registered.
const (
	ECTicket Name = "ecticket" // ECPay ECTicket
	Pass2U   Name = "pass2u"   // Pass2U, "票務宝"
)

// Order is what a provider's client needs to know of one order.
type Order struct {
	// ID is the order's number: MerchantTradeNo, FreeTradeNo or channelOrderId.
	ID string
	// Request is the order's request body in the provider's own field names.
	// It holds customer data: never log it, never put it into an error.
	Request json.RawMessage
	// Ref is the provider's own id of the order, empty until it is known.
	Ref string
}

// Result is what the provider reported about an order it has issued. Tickets and
// Access hold bearer secrets; they are sealed before they are stored.
type Result struct {
	Ref     string   `json:"ref,omitempty"`
	Tickets []Ticket `json:"tickets,omitempty"`
	// Access opens the order as a whole (Pass2U pickupType "order").
	Access *Access `json:"access,omitempty"`
	// ExpiresAt is the provider's own text, RFC 3339 at Pass2U.
	ExpiresAt string `json:"expires_at,omitempty"`
	// CreatedAt is the provider's own text, RFC 3339 at Pass2U.
	CreatedAt string `json:"created_at,omitempty"`
}

// Access is the page and the passcode that open a whole order.
type Access struct {
	URL      string `json:"url"`
	Passcode string `json:"passcode"`
}

// Ticket is one issued ticket.
type Ticket struct {
	TicketNo   string    `json:"ticket_no,omitempty"`    // ECTicket: number of the ticket
	WriteOffNo string    `json:"write_off_no,omitempty"` // ECTicket: redemption code, a bearer secret
	ItemNo     string    `json:"item_no,omitempty"`
	ItemName   string    `json:"item_name,omitempty"`
	FaceValue  int       `json:"face_value,omitempty"` // New Taiwan dollars
	UseStatus  UseStatus `json:"use_status"`
	// RefundedElsewhere: it is refunded, and by no refund that is recorded here.
	RefundedElsewhere bool `json:"refunded_elsewhere,omitempty" doc:"it is refunded, by nobody here"`
	// RefundID is the refund, recorded here, that has refunded it. Only statuses have it.
	RefundID   string `json:"refund_id,omitempty" doc:"the refund, recorded here, that has refunded the ticket, though use_status may still be that of before"`
	StartDate  string `json:"start_date,omitempty"`  // provider's own text, yyyymmdd
	ExpireDate string `json:"expire_date,omitempty"` // provider's own text, yyyymmdd
	RefundedAt string `json:"-"`                     // ECTicket: provider's own text, where a list shows it
	Barcode    string `json:"barcode,omitempty"`     // Pass2U: what the shop scans, a bearer secret
	URL        string `json:"url,omitempty"`         // Pass2U: opening it counts as pick-up; never fetch it
}

// UseStatus says what has become of a ticket.
type UseStatus string

// Use statuses. A status the provider invents later is kept in its own spelling.
const (
	Unused   UseStatus = "unused"    // may be redeemed or refunded
	PickedUp UseStatus = "picked_up" // Pass2U: the holder has opened it; may still be redeemed or refunded
	Redeemed UseStatus = "redeemed"
	Refunded UseStatus = "refunded"
	Invalid  UseStatus = "invalid" // ECTicket: an expired gift voucher; Pass2U: expired
)

// UseStatuses lists those that the product knows.
func UseStatuses() []UseStatus { return []UseStatus{Unused, PickedUp, Redeemed, Refunded, Invalid} }

// Provider is what the issuing handler and the poller ask of a provider.
// All methods are safe for concurrent use, make their calls under the account's
// call budget, and return within the client's timeout.
type Provider interface {
	// Account is whose calls it makes, fully named.
	Account() Account
	// Host is where it calls, such as "ecticket.ecpay.com.tw": an intent records it (Site), because a
	// provider's stage and its production know nothing of each other's orders.
	Host() string
	// Issue sends the order once. It may take effect even when the outcome is Unknown.
	Issue(ctx context.Context, o Order) Outcome
	// LookUp asks what the provider knows of the order. It changes nothing.
	LookUp(ctx context.Context, o Order) Finding
	// Tickets fetches the tickets of an issued order, all pages. It changes nothing.
	// The outcome's kind is Done when the list is complete.
	Tickets(ctx context.Context, o Order) ([]Ticket, Outcome)
	// Traits are the provider's fixed properties.
	Traits() Traits
	// NeedsTickets reports whether the order is complete only with its tickets fetched,
	// because nobody else delivers them (ECTicket serial-number orders), and how many
	// there must be.
	NeedsTickets(o Order) (need bool, count int)
}

// AtOnceIssuer is a Provider that issues some orders at once (ECTicket: paper) although others have to
// be followed up: such an order is asked for right after it was accepted.
type AtOnceIssuer interface {
	IssuesAtOnce(o Order) bool
}

// Traits are fixed properties of a provider.
type Traits struct {
	// SettleAfter is how long after sending a request with an unknown outcome may still
	// take effect at the provider. Only a look-up made later than this proves that it did not.
	SettleAfter time.Duration
	// RejectionMayHideDuplicate is true when a rejection's code cannot be distinguished from "this
	// order number exists already": a rejection is then confirmed by a look-up.
	RejectionMayHideDuplicate bool
}
