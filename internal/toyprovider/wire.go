package toyprovider

// question is the body of every call.
type question struct {
	Number string `json:"number,omitempty"`
	Seats  int    `json:"seats,omitempty"`
	Buyer  string `json:"buyer,omitempty"`
	Ticket string `json:"ticket,omitempty"`
	By     string `json:"by,omitempty"`
}

// answer is that of every call. It names what was asked for.
type answer struct {
	Number  string   `json:"number,omitempty"`
	Ticket  string   `json:"ticket,omitempty"`
	Error   string   `json:"error,omitempty"` // one of the constants, or any text
	ID      string   `json:"id,omitempty"`
	State   string   `json:"state,omitempty"` // of an order
	Reason  string   `json:"reason,omitempty"`
	Tickets []ticket `json:"tickets,omitempty"`
}

type ticket struct {
	No         string `json:"no"`
	State      string `json:"state"` // of a ticket
	RefundedAt string `json:"refunded_at,omitempty"`
	RefundedBy string `json:"refunded_by,omitempty"`
}

// States of orders and tickets.
const (
	stateAccepted = "accepted"
	stateIssued   = "issued"
	stateFailed   = "failed"
	stateUnused   = "unused"
	stateRefunded = "refunded"
)

// Errors.
const (
	errorTaken   = "number taken"
	errorUnknown = "no such order"
	errorTicket  = "no such ticket"
	errorState   = "not refundable"
)
