package ecticketsim

import (
	"encoding/json"
	"fmt"
)

// issueInfo is the answer of Issue: the order was received, not that it was issued.
type issueInfo struct {
	reply
	MerchantTradeNo string
	FreeTradeNo     string
	TicketTradeNo   string
	TicketData      []issueLine
}

type issueLine struct {
	ItemNo       string `json:",omitempty"` // all but serial-number orders
	TicketAmount int    // number of tickets
	ItemName     string `json:",omitempty"` // serial-number orders
	TicketPrice  *int   `json:",omitempty"` // serial-number orders
}

// issue receives an order. Its fields are checked before its number, so that a repeated order
// that has become invalid meanwhile (a StartDate gone by) is refused with another code than a
// duplicate: the documents do not exclude that.
func (s *Sim) issue(in inbound) any {
	var doc issueRequest
	broken := "a field is of the wrong type"
	if json.Unmarshal(in.plain, &doc) == nil {
		broken = doc.violation(in.escrow, in.now.Format(dayFormat))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if broken != "" {
		return refuse(RtnField, broken)
	}
	key := orderKey{in.request.MerchantID, doc.id()}
	old := s.orders[key]
	if old != nil {
		old.issueCalls++
	}
	if doc.StoreID != "" && !s.stores[doc.StoreID] {
		return refuse(RtnStore, "StoreID is not an active branch")
	}
	lines, no := s.resolve(&doc)
	if no != nil {
		return *no
	}
	if old != nil {
		s.refused++
		return refuse(RtnDuplicate, "the trade number was used before; it can never be reused")
	}
	o := &order{
		key:        key,
		gift:       doc.gift(),
		escrow:     in.escrow,
		ref:        s.newRef(in.now),
		issueType:  doc.IssueType,
		printType:  doc.PrintType,
		payment:    doc.PaymentProvider,
		store:      doc.StoreID,
		customer:   customer{doc.CustomerName, doc.CustomerPhone, doc.CustomerEmail},
		status:     Processing,
		receivedAt: in.now,
		issueCalls: 1,
		lines:      lines,
		platform:   in.request.PlatformID,
		refundURL:  doc.RefundNotifyURL, useStatusURL: doc.UseStatusNotifyURL,
	}
	s.orders[key] = o
	s.received = append(s.received, o)
	if o.issueType == typePaper {
		s.settle(o, in.now, in.off) // the documents: paper is issued on the call
	}
	if o.status == Processing {
		s.pending = append(s.pending, o)
	}
	out := issueInfo{reply: success("success"), TicketTradeNo: o.ref}
	out.MerchantTradeNo, out.FreeTradeNo = o.numbers()
	for _, it := range doc.TicketInfo {
		row := issueLine{TicketAmount: *it.TicketAmount}
		if o.issueType == typeSerial {
			row.ItemName, row.TicketPrice = it.ItemName, it.TicketPrice
		} else {
			row.ItemNo = it.ItemNo
		}
		out.TicketData = append(out.TicketData, row)
	}
	return out
}

// resolve looks the items up in the catalogue and checks that their ticket types fit the trade
// number and the dates. Serial-number items need no listing; one with an ExpireDate is a gift
// voucher, since only those have one.
func (s *Sim) resolve(doc *issueRequest) ([]line, *reply) {
	lines := make([]line, 0, len(doc.TicketInfo))
	pickups := 0
	for i, it := range doc.TicketInfo {
		l := line{itemNo: it.ItemNo, itemName: it.ItemName, ticketType: pickupVoucher, count: *it.TicketAmount, expire: it.ExpireDate}
		if doc.deferred() {
			l.start = it.StartDate
		}
		if doc.IssueType == typeSerial {
			l.itemNo, l.price = "", *it.TicketPrice // required here
			if it.ExpireDate != "" {
				l.ticketType = giftVoucher
			}
		} else {
			known, ok := s.catalogue.get(it.ItemNo)
			if !ok || known.ItemStatus != listed {
				return nil, itemRefusal(i, "does not exist or is delisted")
			}
			l.itemName, l.ticketType, l.price = known.ItemName, known.TicketType, known.ItemAmount
			l.instructions = known.instructions(doc.IssueType)
		}
		switch gift := l.ticketType == giftVoucher; {
		case gift && it.ExpireDate == "":
			return nil, itemRefusal(i, "is a gift voucher and needs an ExpireDate")
		case !gift && it.ExpireDate != "":
			return nil, itemRefusal(i, "is a pickup voucher and must have no ExpireDate")
		case !gift:
			pickups++
		}
		lines = append(lines, l)
	}
	switch {
	case doc.gift() && pickups > 0:
		r := refuse(RtnItem, "an order with a pickup voucher needs a MerchantTradeNo, not a FreeTradeNo")
		return nil, &r
	case !doc.gift() && pickups == 0:
		r := refuse(RtnItem, "an order of gift vouchers only needs a FreeTradeNo, not a MerchantTradeNo")
		return nil, &r
	}
	return lines, nil
}

func itemRefusal(i int, why string) *reply {
	r := refuse(RtnItem, fmt.Sprintf("TicketInfo[%d] %s", i, why))
	return &r
}
