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
	status := o.statusAt(in.now, s.lagging(o).IssueResult)
	if status == 0 {
		return unknownOrder()
	}
	out := struct {
		reply
		MerchantTradeNo string
		FreeTradeNo     string
		Status          int
		Remark          string
	}{reply: success("Success"), Status: status, Remark: o.remark}
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
	lag := s.lagging(o)
	status := o.statusAt(in.now, lag.OrderInfo)
	if status == 0 {
		return unknownOrder()
	}
	tickets, total := o.tickets, o.ticketCount()
	if status == Issued && after(o.issuedAt, in.now, lag.List) {
		tickets = tickets[:min(lag.ListShows, len(tickets))]
		total = len(tickets)
	}
	behind := max(lag.OrderInfo, lag.List)
	from, to, ok := pageBounds(page, s.cfg.TicketsPerPage, len(tickets))
	if !ok && page > 1 {
		return refuse(RtnNoData, "no data: the page is beyond the last one")
	}
	out := orderInfo{
		reply:           success("Success"),
		MerchantID:      o.key.merchant,
		TicketTradeNo:   o.ref,
		PaymentProvider: o.payment,
		Status:          status,
		Remark:          o.remark,
		IssueType:       o.issueType,
		PrintType:       o.printType,
		CustomerName:    o.customer.name,
		CustomerPhone:   o.customer.phone,
		CustomerEmail:   o.customer.email,
		TotalCount:      total,
		TicketList:      []orderTicket{},
	}
	out.MerchantTradeNo, out.FreeTradeNo = o.numbers()
	for _, l := range o.lines {
		out.TradeAmount += l.price * l.count
	}
	if status != Issued {
		return out
	}
	out.IssueDate = o.issuedAt.Add(o.issuedOff).Format(secondFormat)
	if !o.gift {
		out.EscrowExpiredDate = o.escrowExpire
	}
	for _, t := range tickets {
		switch amount := t.line.price; t.useAt(in.now, behind) {
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
	for _, t := range tickets[from:to] {
		row := orderTicket{
			TicketNo:     t.no.String(),
			UseStatus:    t.useAt(in.now, behind),
			ItemNo:       t.line.itemNo,
			ItemName:     t.line.itemName,
			TicketType:   t.line.ticketType,
			TicketAmount: t.line.price,
			StartDate:    t.line.start,
			ExpiredDate:  t.line.expire,
			WriteOffDate: minute(t.redeemed),
			RefundDate:   t.refundedAt(in.now, behind),
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
