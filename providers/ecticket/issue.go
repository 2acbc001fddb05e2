package ecticket

import (
	"context"
	"encoding/json"

	"issuance/providers"
	"issuance/providers/ecticket/ecticketdoc"
	"issuance/providers/ecticket/wire"
)

// Issue sends the order once (ECTicket, Issue). Accepted means that ECTicket has taken the data,
// of paper tickets too; whether it has issued only LookUp shows. Result.Ref is TicketTradeNo.
//
// The document must have been checked by ecticketdoc.Parse; one that cannot be sent at all is
// Rejected with code "invalid_document", and nothing was sent.
func (c *Client) Issue(ctx context.Context, o providers.Order) providers.Outcome {
	var doc ecticketdoc.Order
	if err := json.Unmarshal(o.Request, &doc); err != nil || doc.ID() == "" || doc.ID() != o.ID || isStub(doc) {
		return outcome(providers.Rejected, "invalid_document", "the document is not an ECTicket order of this number; nothing was sent")
	}
	doc.MerchantID = c.cfg.MerchantID
	var answer struct {
		TicketTradeNo text
		TicketData    orderLines
	}
	sent := c.cfg.Now()
	out := c.call(ctx, query{
		op: OpIssue, mutates: true, data: doc, secrets: doc.Sensitive(),
		echo: echo{merchantTradeNo: doc.MerchantTradeNo, freeTradeNo: doc.FreeTradeNo},
	}, &answer)
	if out.Kind == providers.Done {
		c.zone.accepted(o.ID, sent)
		out.Kind, out.Differs = providers.Accepted, compareLines(doc, answer.TicketData)
		out.Result = &providers.Result{Ref: string(answer.TicketTradeNo)}
	}
	return out
}

// isStub reports whether an order names no item, as the stub of a document does: it can be asked for
// and refunded, never issued.
func isStub(doc ecticketdoc.Order) bool {
	for _, it := range doc.TicketInfo {
		if it.ItemNo != "" || it.ItemName != "" {
			return false
		}
	}
	return true
}

// IssuesAtOnce reports whether ECTicket issues the order at once instead of in its scheduled job:
// paper tickets (IssueType 2). Such an order is worth asking for right after it is accepted.
func (c *Client) IssuesAtOnce(o providers.Order) bool {
	var doc struct{ IssueType string }
	return json.Unmarshal(o.Request, &doc) == nil && doc.IssueType == ecticketdoc.Paper
}

// Status of QueryIssueResult and QueryOrderInfo.
const (
	statusIssued     = 1
	statusFailed     = 2
	statusProcessing = 3
)

// judgeStatus turns Status into a state. One that the documents do not know is Unclear, never
// taken for one of those they do.
func judgeStatus(status *wire.Int, remark string, authentic providers.Outcome) (providers.FindingState, providers.Outcome) {
	if status == nil {
		return providers.Unclear, outcome(providers.Unknown, "status_missing", "the answer has no Status")
	}
	code := "status_" + itoa(*status)
	switch *status {
	case statusIssued:
		return providers.FoundIssued, authentic
	case statusProcessing:
		authentic.Kind = providers.Accepted
		return providers.FoundPending, authentic
	case statusFailed:
		if remark == "" {
			remark = "ECTicket says that issuing failed, and gives no reason"
		}
		return providers.FoundFailed, outcome(providers.Rejected, code, remark)
	default:
		return providers.Unclear, outcome(providers.Unknown, code, "the answer's Status is not one that ECTicket documents")
	}
}

// orderRequest is the Data of the calls that ask for an order. Exactly one number is sent.
type orderRequest struct {
	MerchantID      string `json:"MerchantID"`
	MerchantTradeNo string `json:"MerchantTradeNo,omitempty"`
	FreeTradeNo     string `json:"FreeTradeNo,omitempty"`
	PageNum         int    `json:"PageNum,omitempty"`
}

func (c *Client) orderQuery(ids echo, page int) orderRequest {
	return orderRequest{MerchantID: c.cfg.MerchantID, MerchantTradeNo: ids.merchantTradeNo, FreeTradeNo: ids.freeTradeNo, PageNum: page}
}

// identify finds out which of the two numbers the order goes by. Its document may be an order's
// or a refund's; without any, the number is a MerchantTradeNo.
func identify(o providers.Order) (ids echo, secrets []string, ok bool) {
	if o.ID == "" {
		return ids, nil, false
	}
	if len(o.Request) == 0 {
		return echo{merchantTradeNo: o.ID}, nil, true
	}
	var doc struct {
		MerchantTradeNo, FreeTradeNo                                string
		CustomerName, CustomerPhone, CustomerEmail, CustomerAddress string
	}
	if err := json.Unmarshal(o.Request, &doc); err != nil {
		return ids, nil, false
	}
	ids = echo{merchantTradeNo: doc.MerchantTradeNo, freeTradeNo: doc.FreeTradeNo}
	if ids.merchantTradeNo != "" {
		ids.freeTradeNo = ""
	}
	secrets = []string{doc.CustomerName, doc.CustomerPhone, doc.CustomerEmail, doc.CustomerAddress}
	return ids, secrets, ids.order() == o.ID
}

// notThisOrder is an alarm: the caller has combined an order with another one's document.
func notThisOrder() providers.Outcome {
	out := outcome(providers.Unknown, "invalid_document", "the document does not belong to this order; nothing was asked")
	out.Alarm = true
	return out
}
