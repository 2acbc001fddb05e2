package ecticketsim

import "time"

// Stranger is an order that another system has placed under the merchant's numbers.
type Stranger struct {
	MerchantID string // default: the documents' example merchant
	ID         string
	Gift       bool   // the number is a FreeTradeNo
	IssueType  string // default "3"
	// IssuedAt is when ECTicket received and issued it. Default: a year ago.
	IssuedAt time.Time
	// CustomerName, CustomerPhone and CustomerEmail are whose it is. Default: not said.
	CustomerName, CustomerPhone, CustomerEmail string
	// Items are what it holds. Default: one ticket of VNS21400.
	Items []StrangerItem
}

// StrangerItem is one line of such an order.
type StrangerItem struct {
	ItemNo   string // a product of the catalogue; empty for one of its own
	ItemName string // default: the product's
	Price    int    // default: the product's
	Count    int    // default 1
}

// AddStranger puts the order on the books, marked as OrderBook.Stranger. It panics when the number is
// taken.
func (s *Sim) AddStranger(x Stranger) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if x.MerchantID == "" {
		x.MerchantID = exampleMerchant
	}
	if x.IssueType == "" {
		x.IssueType = typeElectronic
	}
	if x.IssuedAt.IsZero() {
		x.IssuedAt = s.now().AddDate(-1, 0, 0)
	}
	if x.Items == nil {
		x.Items = []StrangerItem{{ItemNo: "VNS21400"}}
	}
	key := orderKey{x.MerchantID, x.ID}
	if s.orders[key] != nil {
		panic("ecticketsim: the number " + x.ID + " is taken")
	}
	at := x.IssuedAt.In(taiwan)
	o := &order{
		key: key, gift: x.Gift, stranger: true, ref: s.newRef(at), issueType: x.IssueType,
		status: Processing, receivedAt: at, customer: customer{x.CustomerName, x.CustomerPhone, x.CustomerEmail},
	}
	for _, it := range x.Items {
		l := line{itemNo: it.ItemNo, itemName: it.ItemName, price: it.Price, count: max(it.Count, 1), ticketType: pickupVoucher}
		if known, ok := s.catalogue.get(it.ItemNo); ok {
			l.ticketType = known.TicketType
			if l.itemName == "" {
				l.itemName = known.ItemName
			}
			if l.price == 0 {
				l.price = known.ItemAmount
			}
		}
		o.lines = append(o.lines, l)
	}
	s.orders[key] = o
	s.received = append(s.received, o)
	s.settle(o, at, 0)
}
