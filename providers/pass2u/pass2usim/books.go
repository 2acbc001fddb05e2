package pass2usim

import "maps"

// tally are the counters that belong to no order; guarded by Sim.mu.
type tally struct {
	calls                                  map[Op]int
	bans, whileBanned, linksOpened, strays int
}

// Books is what really happened, for auditors: one consistent snapshot.
type Books struct {
	// Orders by channelOrderId.
	Orders map[string]OrderBook
	// Calls counts the calls of each operation, refused ones included.
	Calls map[Op]int
	// Bans counts how often a ban began, CallsWhileBanned the calls made in spite of one.
	Bans, CallsWhileBanned int
	// LinksOpened counts fetches of voucher and order links. No machine may ever open one.
	LinksOpened int
	// Strays counts requests to paths or with methods that are not served.
	Strays int
	// Outages are in the order in which they began.
	Outages []Outage
	// Stock left per campaign.
	Stock map[string]int
}

// OrderBook is one order.
type OrderBook struct {
	Pass2uOrderID, ProductSaleID, PickupType string
	// Stranger is set for another system's order (AddStranger).
	Stranger bool
	// Generated counts how often a generate took effect. It must be 1.
	Generated int
	// Quantity is the number of tickets issued.
	Quantity int
	// Statuses counts the tickets by status: notPickedup, pickedup, redeemed, refunded, expired.
	Statuses map[string]int
	// Refunds holds the number of tickets of each refund that took effect, in order.
	Refunds []int
	// Calls counts the calls made for this order, of each operation.
	Calls map[Op]int
	// MailTo is the last address given, Mails how often the order was mailed.
	MailTo string
	Mails  int
}

// Refunded is the number of tickets refunded.
func (b OrderBook) Refunded() int { return b.Statuses[refunded.String()] }

// Books returns a snapshot; it shares nothing with the simulator.
func (s *Sim) Books() Books {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := Books{Orders: make(map[string]OrderBook, len(s.byChannel)), Calls: maps.Clone(s.tally.calls), Bans: s.tally.bans,
		CallsWhileBanned: s.tally.whileBanned, LinksOpened: s.tally.linksOpened, Strays: s.tally.strays, Outages: s.outages.All(), Stock: map[string]int{}}
	for id, c := range s.campaigns {
		b.Stock[id] = c.left
	}
	for id, o := range s.byChannel {
		b.Orders[id] = s.book(o)
	}
	return b
}

// Order returns one order's books; ok is false when there is none.
func (s *Sim) Order(channelOrderID string) (b OrderBook, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.byChannel[channelOrderID]
	if o == nil {
		return OrderBook{}, false
	}
	return s.book(o), true
}

func (s *Sim) book(o *order) OrderBook {
	b := OrderBook{Pass2uOrderID: o.ref, ProductSaleID: o.saleID, PickupType: "order", Stranger: o.stranger, Generated: o.generated,
		Quantity: len(o.vouchers), Statuses: map[string]int{}, Refunds: append([]int(nil), o.refunds...),
		Calls: map[Op]int{}, MailTo: o.mailTo, Mails: o.mails}
	if o.byVoucher {
		b.PickupType = "voucher"
	}
	for _, v := range o.vouchers {
		b.Statuses[v.status.String()]++
	}
	for _, op := range []Op{Generate, Query, Refund} {
		if n := s.asked[askedKey{op, o.channelID}]; n > 0 {
			b.Calls[op] = n
		}
	}
	return b
}
