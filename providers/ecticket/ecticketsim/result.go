package ecticketsim

import (
	"encoding/json"

	"issuance/providers/ecticket/wire"
)

type orderQuery struct {
	MerchantTradeNo, FreeTradeNo string
	PageNum                      *wire.Int
}

func (s *Sim) queryIssueResult(in inbound) any {
	var q orderQuery
	if err := json.Unmarshal(in.plain, &q); err != nil {
		return refuse(RtnField, "a field is of the wrong type")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	o, no := s.find(in.request.MerchantID, q.MerchantTradeNo, q.FreeTradeNo)
	if no != nil {
		return *no
	}
	out := struct {
		reply
		MerchantTradeNo string
		FreeTradeNo     string
		Status          int
		Remark          string
	}{reply: success("Success"), Status: o.status, Remark: o.remark}
	out.MerchantTradeNo, out.FreeTradeNo = o.numbers()
	return out
}

// orderInfo is the answer of QueryOrderInfo, in its documented spelling.
type orderInfo struct {
	reply
	MerchantID        string
	MerchantTradeNo   string
	FreeTradeNo       string
	TicketTradeNo     string
	PaymentProvider   string
	PaymentType       string
	CreditTradeID     int
	Status            int
	Remark            string
	IssueDate         string
	IssueType         string
	PrintType         string
	CustomerName      string
	CustomerPhone     string
	CustomerEmail     string
	EscrowExpiredDate string
	TotalCount        int
	TradeAmount       int
	RedeemCount       int
	RedeemAmount      int
	RefundCount       int
	RefundAmount      int
	TotalRefundFee    int
	UnUsedCount       int
	UnUsedAmount      int
	ExpiredCount      int
	TicketList        []orderTicket
}

type orderTicket struct {
	TicketNo     string
	UseStatus    int
	ItemNo       string
	ItemName     string
	TicketType   string
	TicketAmount int // face value
	StartDate    string
	ExpiredDate  string
	WriteOffDate string
	RefundDate   string
	WriteOffNo   string `json:",omitempty"` // serial-number orders only
}

func (s *Sim) queryOrderInfo(in inbound) any {
	var q orderQuery
	if err := json.Unmarshal(in.plain, &q); err != nil {
		return refuse(RtnField, "a field is of the wrong type")
	}
	page := 1 // older versions of the document have no PageNum
	if q.PageNum != nil {
		page = int(*q.PageNum)
	}
	if page < 1 {
		return refuse(RtnField, "PageNum starts with 1")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	o, no := s.find(in.request.MerchantID, q.MerchantTradeNo, q.FreeTradeNo)
	if no != nil {
		return *no
	}
	from, to, ok := pageBounds(page, s.cfg.TicketsPerPage, len(o.tickets))
	if !ok && page > 1 {
		return refuse(RtnNoData, "no data: the page is beyond the last one")
	}
	out := orderInfo{
		reply:           success("Success"),
		MerchantID:      o.key.merchant,
		TicketTradeNo:   o.ref,
		PaymentProvider: o.payment,
		Status:          o.status,
		Remark:          o.remark,
		IssueType:       o.issueType,
		PrintType:       o.printType,
		CustomerName:    o.customer.name,
		CustomerPhone:   o.customer.phone,
		CustomerEmail:   o.customer.email,
		TotalCount:      o.ticketCount(),
		TicketList:      []orderTicket{},
	}
	out.MerchantTradeNo, out.FreeTradeNo = o.numbers()
	for _, l := range o.lines {
		out.TradeAmount += l.price * l.count
	}
	if o.status != Issued {
		return out
	}
	out.IssueDate = o.issuedAt.Format(secondFormat)
	if !o.gift {
		out.EscrowExpiredDate = o.escrowExpire
	}
	for _, t := range o.tickets {
		switch amount := t.line.price; t.use(in.now) {
		case Redeemed:
			out.RedeemCount, out.RedeemAmount = out.RedeemCount+1, out.RedeemAmount+amount
		case Refunded:
			out.RefundCount, out.RefundAmount = out.RefundCount+1, out.RefundAmount+amount
		case Invalid:
			out.ExpiredCount++
		default:
			out.UnUsedCount, out.UnUsedAmount = out.UnUsedCount+1, out.UnUsedAmount+amount
		}
	}
	for _, t := range o.tickets[from:to] {
		row := orderTicket{
			TicketNo:     t.no.String(),
			UseStatus:    t.use(in.now),
			ItemNo:       t.line.itemNo,
			ItemName:     t.line.itemName,
			TicketType:   t.line.ticketType,
			TicketAmount: t.line.price,
			StartDate:    t.line.start,
			ExpiredDate:  t.line.expire,
			WriteOffDate: minute(t.redeemed),
			RefundDate:   minute(t.refunded),
		}
		if o.issueType == typeSerial {
			row.WriteOffNo = t.code.String()
		}
		out.TicketList = append(out.TicketList, row)
	}
	return out
}

// pageBounds says which of n elements page shows; ok is false when there is no such page.
func pageBounds(page, size, n int) (from, to int, ok bool) {
	if page > (n+size-1)/size {
		return 0, 0, false
	}
	from = (page - 1) * size
	return from, min(from+size, n), true
}
