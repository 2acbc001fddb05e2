package providers

import (
	"context"
	"time"
)

// TicketRefunder refunds one named ticket at a time (ECTicket). Safe for concurrent use.
type TicketRefunder interface {
	// Tickets lists the order's tickets with their use status, all pages.
	Tickets(ctx context.Context, o Order) ([]Ticket, Outcome)
	// TicketStatus asks for one ticket. The outcome's kind is Done when the answer is authentic.
	TicketStatus(ctx context.Context, ticketNo string) (TicketStatus, Outcome)
	// RefundTicket refunds one ticket once. Unknown means: ask TicketStatus before acting again.
	RefundTicket(ctx context.Context, r TicketRefund) Outcome
}

// TicketRefund names the ticket to refund and who does it.
type TicketRefund struct {
	TicketNo string
	Operator string // ECTicket: at most 10 letters and digits
	StoreID  string // ECTicket: empty for the head office
}

// TicketStatus is the provider's word on one ticket (ECTicket QueryTicketStatus).
type TicketStatus struct {
	Ticket
	OrderID       string // MerchantTradeNo or FreeTradeNo
	IssueType     string
	EscrowExpire  string
	RedeemedAt    string // provider's own text, "yyyymmdd hh:mm", Taiwan time
	RedeemedBy    string // merchant id
	RedeemStoreID string
	RefundedAt    string // provider's own text, "yyyymmdd hh:mm", Taiwan time
	RefundedBy    string // merchant id, empty when not refunded
	ByPlatform    bool   // RefundedBy is the platform that calls for the account
	RefundStoreID string
	IssuedBy      string // merchant id
	IssueStoreID  string
	Instructions  []string
}

// CountRefunder refunds a number of tickets that the provider picks itself (Pass2U), so the
// number refunded before and after is the only proof. Safe for concurrent use.
type CountRefunder interface {
	// RefundBaseline asks how many of the order's tickets are refunded now.
	RefundBaseline(ctx context.Context, o Order) (Baseline, Outcome)
	// RefundCount refunds n tickets of the order's choice once. It must never be repeated
	// while an earlier one is in doubt.
	RefundCount(ctx context.Context, o Order, n int) Outcome
}

// Respeller is a CountRefunder of a provider whose documents spell a refund in two ways.
type Respeller interface {
	// Respells reports whether a rejection of this code may be for the spelling: no account is known to take it.
	Respells(code string) bool
	// RefundCountRespelled is RefundCount in the other spelling. It is another request: the rejection of the one before
	// does not prove that nothing of that took effect.
	RefundCountRespelled(ctx context.Context, o Order, n int) Outcome
}

// Baseline is what can be proven of an order's refunds at one moment.
type Baseline struct {
	// Provable is false when the counts are meaningless: with a Total of 0 because the provider shows
	// no ticket of such orders (Pass2U pickupType "order"), else because its list is incomplete or
	// holds a status that nobody knows.
	Provable bool
	Total    int
	Refunded int
	// RefundedAt is when the refunded tickets were, by the provider's clock to the second, as far as it shows that.
	RefundedAt []time.Time
	// Refundable counts tickets neither refunded, redeemed nor expired.
	Refundable int
}
