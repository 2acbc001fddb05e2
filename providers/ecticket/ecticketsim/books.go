package ecticketsim

import (
	"maps"
	"time"
)

// Books is what an auditor may see: one consistent moment, with no customers' data and no
// redemption codes.
type Books struct {
	// Orders are in the order of arrival.
	Orders []OrderBook
	// Duplicates counts Issue calls refused because their number had been used.
	Duplicates int
	// Calls counts the calls per operation, refused ones included.
	Calls map[string]int
	// Notices are in the order in which they came up, of orders that name an address.
	Notices []NoticeBook
	// Bans are in the order in which they began.
	Bans []Ban
	// Outages are in the order in which they began.
	Outages []Outage
}

// OrderBook is what became of one trade number.
type OrderBook struct {
	MerchantID string
	ID         string
	Gift       bool   // the number is a FreeTradeNo
	Escrow     bool   // it came by the escrow mode's path
	Stranger   bool   // another system's order (AddStranger)
	Ref        string // TicketTradeNo
	IssueType  string
	Status     int // Issued, Failed or Processing
	Remark     string
	ReceivedAt time.Time
	IssuedAt   time.Time // zero unless issued
	// TimesIssued is how often tickets were made for the number; more than 1 must never be.
	TimesIssued int
	// IssueCalls counts the well-formed Issue calls that named the number, from the accepted one
	// on; all but one were refused.
	IssueCalls int
	// Ordered is the number of tickets asked for.
	Ordered int
	Tickets []TicketBook
}

// TicketBook is what became of one ticket.
type TicketBook struct {
	TicketNo  string
	ItemNo    string
	FaceValue int // New Taiwan dollars
	UseStatus int // Unused, Redeemed, Refunded or Invalid
	// Refunds, RefundCancels and Redemptions count accepted ones; the office's refunds are not
	// among Refunds.
	Refunds, RefundCancels, Redemptions int
	RefundedAt                          time.Time // zero unless refunded now
}

// Books takes a snapshot.
func (s *Sim) Books() Books {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	b := Books{Duplicates: s.refused, Calls: maps.Clone(s.calls), Orders: make([]OrderBook, 0, len(s.received))}
	for _, o := range s.received {
		b.Orders = append(b.Orders, o.book(now))
	}
	for _, n := range s.notices {
		b.Notices = append(b.Notices, n.NoticeBook)
	}
	for _, ban := range s.limits.bans {
		b.Bans = append(b.Bans, *ban)
	}
	b.Outages = s.outages.All()
	return b
}

// Order finds an order by its number; ok is false when it never arrived.
func (b Books) Order(id string) (o OrderBook, ok bool) {
	for _, o := range b.Orders {
		if o.ID == id {
			return o, true
		}
	}
	return OrderBook{}, false
}

func (o *order) book(now time.Time) OrderBook {
	out := OrderBook{
		MerchantID: o.key.merchant, ID: o.key.id, Gift: o.gift, Escrow: o.escrow, Stranger: o.stranger, Ref: o.ref,
		IssueType: o.issueType, Status: o.status, Remark: o.remark,
		ReceivedAt: o.receivedAt, IssuedAt: o.issuedAt, TimesIssued: o.timesIssued, IssueCalls: o.issueCalls,
		Ordered: o.ticketCount(), Tickets: make([]TicketBook, 0, len(o.tickets)),
	}
	for _, t := range o.tickets {
		row := TicketBook{
			TicketNo: t.no.String(), ItemNo: t.line.itemNo, FaceValue: t.line.price, UseStatus: t.use(now),
			Refunds: int(t.refunds), RefundCancels: int(t.cancels), Redemptions: int(t.redeems),
		}
		if t.refunded != nil {
			row.RefundedAt = t.refunded.at
		}
		out.Tickets = append(out.Tickets, row)
	}
	return out
}
