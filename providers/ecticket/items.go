package ecticket

import (
	"context"

	"issuance/providers"
	"issuance/providers/ecticket/wire"
)

// Item is a product as it is listed in the vendor's back office (ECTicket, BatchQueryItemInfo).
type Item struct {
	ItemNo       string
	ItemName     string
	Gift         bool   // TicketType 2: a gift voucher, which needs ExpireDate
	TicketType   string // provider's own: 1 pickup voucher, 2 gift voucher
	FaceValue    int    // New Taiwan dollars
	Listed       bool   // ItemStatus 1: can be issued
	ModifiedAt   string // provider's own text, "yyyymmdd hh:mm", Taiwan time
	Instructions []Instruction
}

// Instruction is one line of how to use a ticket of an issue type.
type Instruction struct{ IssueType, Description string }

type itemsRequest struct {
	MerchantID string    `json:"MerchantID"`
	PageNum    int       `json:"PageNum"`
	ItemStatus string    `json:"ItemStatus"`
	ItemList   []itemRef `json:"ItemList,omitempty"`
}

type itemRef struct {
	ItemNo string `json:"ItemNo"`
}

type itemsAnswer struct {
	TotalCount   *wire.Int
	ItemInfoList []struct {
		ItemNo, ItemName, TicketType text
		ItemAmount                   figure
		ItemStatus, ModifyDate       text
		InstructionsList             instructions
	}
}

// Items lists products, delisted ones included, all pages; with itemNos only those. The outcome
// is Done when the list is complete, Rejected when ECTicket answers the first page with a rejection
// (such as "no data": none of the products exists).
func (c *Client) Items(ctx context.Context, itemNos []string) ([]Item, providers.Outcome) {
	req := itemsRequest{MerchantID: c.cfg.MerchantID, ItemStatus: "2"}
	for _, no := range itemNos {
		req.ItemList = append(req.ItemList, itemRef{no})
	}
	var items []Item
	total := 0
	for page := 1; page <= maxPages; page++ {
		req.PageNum = page
		var answer itemsAnswer
		out := c.call(ctx, query{op: OpBatchQueryItemInfo, data: req}, &answer)
		switch {
		case out.Kind == providers.Rejected && page > 1: // a page beyond the last one: "no data"
			return nil, incomplete(len(items), total)
		case out.Kind != providers.Done:
			return nil, out
		case answer.TotalCount == nil || *answer.TotalCount < 0:
			return nil, outcome(providers.Unknown, "no_total", "the answer has no sensible TotalCount")
		}
		total = int(*answer.TotalCount)
		for _, a := range answer.ItemInfoList {
			it := Item{
				ItemNo: string(a.ItemNo), ItemName: string(a.ItemName), TicketType: string(a.TicketType), Gift: a.TicketType == "2",
				FaceValue: int(a.ItemAmount), Listed: a.ItemStatus == "1", ModifiedAt: string(a.ModifyDate),
			}
			for _, in := range a.InstructionsList {
				it.Instructions = append(it.Instructions, Instruction{string(in.IssueType), string(in.Description)})
			}
			items = append(items, it)
		}
		switch {
		case len(items) == total:
			return items, outcome(providers.Done, out.Code, out.Message)
		case len(answer.ItemInfoList) == 0 || len(items) > total:
			return nil, incomplete(len(items), total)
		}
	}
	return nil, incomplete(len(items), total)
}
