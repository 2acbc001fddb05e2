package ecticket

import (
	"context"
	"strings"

	"issuance/providers"
	"issuance/providers/ecticket/wire"
)

type statusRequest struct {
	MerchantID string `json:"MerchantID"`
	TicketNo   string `json:"TicketNo"`
	WriteOffNo string `json:"WriteOffNo"`
}

type statusAnswer struct {
	ticketAnswer
	MerchantTradeNo, FreeTradeNo        text
	IssueType                           text
	EscrowExpireDate, EscrowExpiredDate text
	WriteOffDate, RefundDate            text
	IssueMID, IssueStoreID              text
	RedeemMID, RedeemStoreID            text
	RefundMID, RefundStoreID            text
	InstructionsList                    instructions
}

// TicketStatus asks for one ticket by its number (ECTicket, QueryTicketStatus). The outcome is
// Done when the answer is authentic. Dates have minute resolution, Taiwan time.
func (c *Client) TicketStatus(ctx context.Context, ticketNo string) (providers.TicketStatus, providers.Outcome) {
	return c.ticketStatus(ctx, ticketNo, "")
}

// StatusByWriteOffNo is TicketStatus by redemption code, which is what a ticket's barcode holds.
func (c *Client) StatusByWriteOffNo(ctx context.Context, writeOffNo string) (providers.TicketStatus, providers.Outcome) {
	return c.ticketStatus(ctx, "", writeOffNo)
}

func (c *Client) ticketStatus(ctx context.Context, ticketNo, writeOffNo string) (providers.TicketStatus, providers.Outcome) {
	if ticketNo == "" && writeOffNo == "" {
		return providers.TicketStatus{}, outcome(providers.Rejected, "invalid_ticket", "no ticket number is given; nothing was asked")
	}
	var a statusAnswer
	out := c.call(ctx, query{
		op: OpQueryTicketStatus, data: statusRequest{c.cfg.MerchantID, ticketNo, writeOffNo},
		secrets: []string{ticketNo, writeOffNo}, echo: echo{ticketNo: ticketNo, writeOffNo: writeOffNo},
	}, &a)
	if out.Kind != providers.Done {
		return providers.TicketStatus{}, out
	}
	if a.UseStatus == "" {
		return providers.TicketStatus{}, outcome(providers.Unknown, "status_missing", "the answer has no UseStatus")
	}
	s := providers.TicketStatus{
		Ticket: a.ticket(), OrderID: first(a.MerchantTradeNo, a.FreeTradeNo),
		IssueType: string(a.IssueType), EscrowExpire: first(a.EscrowExpireDate, a.EscrowExpiredDate),
		RedeemedAt: string(a.WriteOffDate), RedeemedBy: string(a.RedeemMID), RedeemStoreID: string(a.RedeemStoreID),
		RefundedAt: string(a.RefundDate), RefundedBy: string(a.RefundMID), RefundStoreID: string(a.RefundStoreID),
		IssuedBy: string(a.IssueMID), IssueStoreID: string(a.IssueStoreID),
	}
	s.TicketNo = first(text(ticketNo), a.TicketNo) // the answer does not repeat what was asked
	s.WriteOffNo = first(text(writeOffNo), a.WriteOffNo)
	s.ByPlatform = s.RefundedBy != "" && s.RefundedBy == c.cfg.PlatformID
	for _, in := range a.InstructionsList {
		s.Instructions = append(s.Instructions, string(in.Description))
	}
	return s, out
}

// RefundTicket refunds one ticket once (ECTicket, Refund). Done means an authentic
// confirmation. After Unknown, TicketStatus shows whether it was refunded; it must not be sent again
// before that.
func (c *Client) RefundTicket(ctx context.Context, r providers.TicketRefund) providers.Outcome {
	if r.TicketNo == "" || r.Operator == "" {
		return outcome(providers.Rejected, "invalid_refund", "a refund needs a ticket number and an operator; nothing was sent")
	}
	fill := strings.NewReplacer("{TicketNo}", r.TicketNo, "{Operator}", r.Operator, "{StoreID}", r.StoreID)
	data := map[string]string{}
	for name, template := range c.cfg.RefundFields {
		if value := fill.Replace(template); value != "" {
			data[name] = value
		}
	}
	data["MerchantID"] = c.cfg.MerchantID
	var answer struct{ RtnCode wire.Int }
	return c.call(ctx, query{
		op: OpRefund, mutates: true, data: data, secrets: []string{r.TicketNo}, echo: echo{ticketNo: r.TicketNo},
	}, &answer)
}
