package ecticket

import (
	"context"
	"slices"
	"strconv"
	"time"

	"issuance/providers"
	"issuance/providers/ecticket/ecticketdoc"
	"issuance/providers/ecticket/wire"
)

// OrderInfo is what ECTicket reports about an order (ECTicket, QueryOrderInfo). Amounts are in New
// Taiwan dollars. Customer data is not part of it.
type OrderInfo struct {
	Ref                          string // TicketTradeNo
	Status                       int    // 1 issued, 2 failed, 3 in process; 0 when not reported
	Remark                       string // why it failed, cleaned
	IssueType                    string
	IssueDate                    string // provider's own text, "yyyy/MM/dd HH:mm:ss", Taiwan time
	EscrowExpire                 string // provider's own text, yyyymmdd
	PaymentProvider, PaymentType string
	TotalCount                   int // tickets of the order
	TradeAmount                  int
	RedeemCount, RedeemAmount    int
	RefundCount, RefundAmount    int
	TotalRefundFee               int
	UnusedCount, UnusedAmount    int
	ExpiredCount                 int
	Tickets                      []providers.Ticket
}

const (
	maxPages   = 100   // no account needs more; a server that counts wrong must not keep us busy
	maxTickets = 20000 // of one order; the documents allow 100
)

type orderInfoAnswer struct {
	TicketTradeNo   text
	Status          *wire.Int
	Remark          text
	IssueType       text
	IssueDate       text
	PaymentProvider text
	PaymentType     text

	CustomerName, CustomerPhone, CustomerEmail text // compared with the order's, and not kept

	EscrowExpireDate, EscrowExpiredDate text

	TotalCount                *wire.Int
	TradeAmount               figure
	RedeemCount, RedeemAmount figure
	RefundCount, RefundAmount figure
	TotalRefundFee            figure
	UnUsedCount, UnUsedAmount figure
	ExpiredCount              figure
	TicketList                ticketList
}

type ticketAnswer struct {
	TicketNo, WriteOffNo    text
	UseStatus               text
	ItemNo, ItemName        text
	TicketAmount            figure // here the face value, not a count
	StartDate               text
	ExpireDate, ExpiredDate text
	RefundDate              text
}

func (a ticketAnswer) ticket() providers.Ticket {
	return providers.Ticket{
		TicketNo: string(a.TicketNo), WriteOffNo: string(a.WriteOffNo),
		ItemNo: string(a.ItemNo), ItemName: string(a.ItemName), FaceValue: int(a.TicketAmount),
		UseStatus: useStatus(a.UseStatus), StartDate: string(a.StartDate), ExpireDate: first(a.ExpireDate, a.ExpiredDate),
		RefundedAt: a.refundedAt(),
	}
}

// refundedAt is the refund's time; a day alone is none.
func (a ticketAnswer) refundedAt() string {
	if _, precision, ok := ecticketdoc.ParseTime(string(a.RefundDate)); !ok || precision > time.Minute {
		return ""
	}
	return string(a.RefundDate)
}

// useStatus keeps a status that the documents do not know in its own spelling, so that nobody
// takes it for "unused".
func useStatus(s text) providers.UseStatus {
	switch wire.Whole(string(s)) {
	case "1":
		return providers.Unused
	case "2":
		return providers.Redeemed
	case "3":
		return providers.Refunded
	case "4":
		return providers.Invalid
	default:
		return providers.UseStatus(s)
	}
}

// OrderInfo fetches all pages of the order's information. The outcome is Done when the tickets
// are as many as TotalCount says, without one as many as were ordered, or when there are none because Status is not "issued"; Rejected
// when ECTicket, authentically, does not say.
func (c *Client) OrderInfo(ctx context.Context, o providers.Order) (OrderInfo, providers.Outcome) {
	ids, secrets, ok := identify(o)
	if !ok {
		return OrderInfo{}, notThisOrder()
	}
	var info OrderInfo
	seen, wanted := map[string]bool{}, ordered(o)
	for page := 1; page <= maxPages; page++ {
		var answer orderInfoAnswer
		out := c.call(ctx, query{op: OpQueryOrderInfo, data: c.orderQuery(ids, page), secrets: secrets, echo: ids}, &answer)
		switch {
		case out.Kind == providers.Rejected && page > 1: // "no data": the list has ended
			return OrderInfo{}, incomplete(len(info.Tickets), info.TotalCount)
		case out.Kind != providers.Done:
			return OrderInfo{}, out
		case answer.TotalCount == nil && wanted > 0:
			answer.TotalCount = new(wire.Int(wanted)) // no field of an answer is certain, and the order knows its tickets
		case answer.TotalCount == nil || *answer.TotalCount < 0 || *answer.TotalCount > maxTickets:
			return OrderInfo{}, outcome(providers.Unknown, "no_total", "the answer has no sensible TotalCount")
		case page > 1 && int(*answer.TotalCount) != info.TotalCount:
			return OrderInfo{}, outcome(providers.Unknown, "changed", "the order changed while its pages were read; ask again")
		}
		tickets := info.Tickets
		if page > 1 && answer.repeats(seen) {
			return OrderInfo{}, incomplete(len(tickets), info.TotalCount) // the list has ended, and its last page comes again
		}
		for _, t := range answer.TicketList {
			if !t.TicketNo.isID() || seen[string(t.TicketNo)] {
				return OrderInfo{}, outcome(providers.Unknown, "bad_list", "a ticket is listed twice or without its number")
			}
			seen[string(t.TicketNo)] = true
			tickets = append(tickets, t.ticket())
		}
		info = answer.info(c.safe(string(answer.Remark), secrets))
		info.Tickets = tickets
		switch {
		case info.Status != 0 && info.Status != statusIssued && len(tickets) == 0:
			return info, outcome(providers.Done, out.Code, out.Message) // nothing issued, so nothing to list
		case len(tickets) == info.TotalCount:
			return info, outcome(providers.Done, out.Code, out.Message)
		case len(answer.TicketList) == 0 || len(tickets) > info.TotalCount:
			return OrderInfo{}, incomplete(len(tickets), info.TotalCount)
		}
	}
	return OrderInfo{}, incomplete(len(info.Tickets), info.TotalCount)
}

// tickets are those that this page lists.
func (a orderInfoAnswer) tickets() (list []providers.Ticket) {
	for _, t := range a.TicketList {
		list = append(list, t.ticket())
	}
	return list
}

// whole are the tickets of an order that this page alone lists completely; nil when it does not.
func (a orderInfoAnswer) whole(ordered int) []providers.Ticket {
	seen := map[text]bool{}
	for _, t := range a.TicketList {
		if !t.TicketNo.isID() || seen[t.TicketNo] {
			return nil
		}
		seen[t.TicketNo] = true
	}
	if len(seen) != ordered || a.TotalCount != nil && int(*a.TotalCount) != ordered {
		return nil
	}
	return a.tickets()
}

// repeats reports whether a page lists nothing but tickets of the pages before.
func (a orderInfoAnswer) repeats(seen map[string]bool) bool {
	return !slices.ContainsFunc(a.TicketList, func(t ticketAnswer) bool { return !seen[string(t.TicketNo)] })
}

func (a orderInfoAnswer) info(remark string) OrderInfo {
	info := OrderInfo{
		Ref: string(a.TicketTradeNo), Remark: remark,
		IssueType: string(a.IssueType), IssueDate: string(a.IssueDate), EscrowExpire: first(a.EscrowExpireDate, a.EscrowExpiredDate),
		PaymentProvider: string(a.PaymentProvider), PaymentType: string(a.PaymentType),
		TotalCount: int(*a.TotalCount), TradeAmount: int(a.TradeAmount),
		RedeemCount: int(a.RedeemCount), RedeemAmount: int(a.RedeemAmount),
		RefundCount: int(a.RefundCount), RefundAmount: int(a.RefundAmount), TotalRefundFee: int(a.TotalRefundFee),
		UnusedCount: int(a.UnUsedCount), UnusedAmount: int(a.UnUsedAmount), ExpiredCount: int(a.ExpiredCount),
	}
	if a.Status != nil {
		info.Status = int(*a.Status)
	}
	return info
}

// Tickets lists the tickets of an issued order, all pages. Done means that the list is complete.
// An order that ECTicket has not issued (yet) has no complete list, whatever it lists.
func (c *Client) Tickets(ctx context.Context, o providers.Order) ([]providers.Ticket, providers.Outcome) {
	info, out := c.OrderInfo(ctx, o)
	if out.Kind != providers.Done {
		return nil, out
	}
	switch info.Status {
	case 0, statusIssued:
		return info.Tickets, out
	case statusFailed:
		_, out = judgeStatus(new(wire.Int(statusFailed)), info.Remark, out)
		return nil, out
	default:
		return nil, outcome(providers.Unknown, "status_"+strconv.Itoa(info.Status), "ECTicket has not issued this order yet")
	}
}

func incomplete(got, want int) providers.Outcome {
	return outcome(providers.Unknown, "incomplete", "ECTicket listed "+strconv.Itoa(got)+" of "+strconv.Itoa(want)+" entries; ask again")
}

func itoa(n wire.Int) string { return strconv.Itoa(int(n)) }
