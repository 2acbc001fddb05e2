package ecticketsim

import (
	"encoding/json"
	"time"
)

// The ticket of the documents' example of QueryTicketStatus.
const (
	exampleMerchant = "2000132"
	exampleStore    = "TP1001"
	exampleTicketNo = "CB2SY20220302153"
)

// ticketInfo is the answer of QueryTicketStatus, in its documented spelling and order.
type ticketInfo struct {
	reply
	UseStatus        int
	ItemNo           string
	ItemName         string `json:",omitempty"`
	TicketAmount     int    // face value
	StartDate        string
	ExpireDate       string
	EscrowExpireDate string
	WriteOffDate     string
	RefundDate       string
	IssueType        string
	InstructionsList []description
	MerchantTradeNo  string
	FreeTradeNo      string
	IssueMID         string
	IssueStoreID     string
	RedeemMID        string
	RedeemStoreID    string
	RefundMID        string
	RefundStoreID    string
	WriteOffNo       string `json:",omitempty"` // serial-number tickets only
}

type description struct{ Description string }

func (s *Sim) queryTicketStatus(in inbound) any {
	var q struct{ TicketNo, WriteOffNo string }
	if err := json.Unmarshal(in.plain, &q); err != nil {
		return refuse(RtnField, "a field is of the wrong type")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t, no := s.findTicket(in.request.MerchantID, q.TicketNo, q.WriteOffNo)
	if no != nil {
		return *no
	}
	o, l := t.order, t.line
	lag := s.lagging(o).TicketStatus
	if after(o.issuedAt, in.now, lag) {
		return refuse(RtnNotFound, "no such ticket")
	}
	refunded := t.refunded
	if refunded != nil && after(refunded.at, in.now, lag) {
		refunded = nil
	}
	out := ticketInfo{
		reply:            success("Success"),
		UseStatus:        t.useAt(in.now, lag),
		ItemNo:           l.itemNo,
		ItemName:         l.itemName,
		TicketAmount:     l.price,
		StartDate:        l.start,
		ExpireDate:       l.expire,
		WriteOffDate:     minute(t.redeemed),
		RefundDate:       minute(refunded),
		IssueType:        o.issueType,
		InstructionsList: []description{},
		IssueMID:         o.key.merchant,
		IssueStoreID:     o.store,
	}
	out.MerchantTradeNo, out.FreeTradeNo = o.numbers()
	if l.ticketType == pickupVoucher {
		out.EscrowExpireDate = o.escrowExpire
	}
	for _, text := range l.instructions {
		out.InstructionsList = append(out.InstructionsList, description{text})
	}
	if t.redeemed != nil {
		out.RedeemMID, out.RedeemStoreID = t.redeemed.merchant, t.redeemed.store
	}
	if refunded != nil {
		out.RefundMID, out.RefundStoreID = refunded.merchant, refunded.store
	}
	if o.issueType == typeSerial {
		out.WriteOffNo = t.code.String()
	}
	return out
}

// addExampleTicket adds the ticket of the documents' example of QueryTicketStatus. Its order is
// not filed: its number is also that of the documents' examples of Issue, which must stay usable.
func (s *Sim) addExampleTicket() {
	issued := time.Date(2022, time.March, 2, 15, 30, 0, 0, taiwan)
	o := &order{
		key:          orderKey{exampleMerchant, "CBX20220302153064851"},
		issueType:    typePaper,
		store:        exampleStore,
		status:       Issued,
		issuedAt:     issued,
		escrowExpire: "20221231",
		lines: []line{{
			itemNo: "VQT04959", ticketType: pickupVoucher, price: 200, count: 1, start: "20220302",
			instructions: []string{"Description1", "Description2", "Description3"},
		}},
	}
	t := &ticket{order: o, line: &o.lines[0], redeems: 1}
	t.redeemed = &event{at: time.Date(2022, time.March, 5, 16, 30, 0, 0, taiwan), merchant: exampleMerchant, store: exampleStore}
	copy(t.no[:], exampleTicketNo)
	s.addTicket(t, "20220302")
}
