package pass2u

import (
	"context"

	"issuance/providers"
	"issuance/providers/pass2u/pass2udoc"
)

// Issue sends "Generate an order API" once. Pass2U takes a channelOrderId only once, so after
// an Unknown the same order may be sent again when a look-up has not found it.
//
// Done means that the answer is about this order and shows all of it: every voucher, or the
// order's page and passcode. When something is missing still, the outcome is Accepted.
func (c *Client) Issue(ctx context.Context, o providers.Order) providers.Outcome {
	doc, invalid := pass2udoc.Parse("request", o.Request)
	if invalid != nil {
		return providers.Outcome{Kind: providers.Rejected, Code: CodeInvalid, Message: invalid.Error()}
	}
	if doc.ID() != o.ID {
		return providers.Outcome{Kind: providers.Rejected, Code: CodeInvalid, Message: "the order's id is not the channelOrderId of its request"}
	}
	if held, ok := c.pass(ctx); !ok {
		return held
	}
	// Pass2U's id is new with this answer: an older one of ours would be of another attempt.
	id := identity{channel: doc.ChannelOrderID, sale: doc.ProductSaleID, pickup: doc.PickupType, quantity: doc.Quantity}
	sent := c.cfg.Now()
	v := c.send(ctx, opGenerate, id, "/generate", doc, doc.Sensitive())
	if v.answer == nil {
		return v.out
	}
	standing, out := v.answer.compare(id)
	if standing != otherOrder {
		c.showsZone(ctx, v.answer, id, sent)
	}
	switch standing {
	case complete:
		return providers.Outcome{Kind: providers.Done, Result: v.answer.result()}
	case incomplete:
		out.Kind, out.Result = providers.Accepted, v.answer.result()
	}
	return out
}

// LookUp sends "Query an order API". Absent is Pass2U's own "channelOrderId Does Not Exist";
// every other refusal leaves the order unclear, because it may say nothing about the order. So does an
// order under our number that contradicts the request: Sight.Differs says by what.
func (c *Client) LookUp(ctx context.Context, o providers.Order) providers.Finding {
	id, problem := identify(o)
	if problem != nil {
		return unclear(*problem)
	}
	id, v := c.find(ctx, id)
	if v.answer == nil {
		gone := v.out.Code == CodeOrderUnknown && id.channel != "" || v.out.Code == CodeRefUnknown && id.channel == ""
		if gone && v.out.Kind == providers.Rejected {
			return providers.Finding{State: providers.Absent, Outcome: v.out}
		}
		return unclear(v.out)
	}
	standing, out := v.answer.compare(id)
	sight := c.sight(ctx, v.answer, id)
	switch standing {
	case complete:
		return providers.Finding{State: providers.FoundIssued, Outcome: providers.Outcome{Kind: providers.Done}, Result: v.answer.result(), Sight: sight}
	case incomplete:
		out.Kind = providers.Accepted
		return providers.Finding{State: providers.FoundPending, Outcome: out, Result: v.answer.result(), Sight: sight}
	default:
		f := unclear(out)
		f.Sight = sight
		return f
	}
}

// unclear is a finding that learned nothing. A definite rejection of the question says nothing about
// the order, so it is reported as Unknown.
func unclear(out providers.Outcome) providers.Finding {
	if out.Kind == providers.Rejected {
		out.Kind = providers.Unknown
	}
	return providers.Finding{State: providers.Unclear, Outcome: out}
}

// Tickets lists the vouchers of a voucher-type order by a query. The outcome is Done when all
// are there, Accepted when some are still missing. An order-type order shows none: the list is
// then empty and Done.
func (c *Client) Tickets(ctx context.Context, o providers.Order) ([]providers.Ticket, providers.Outcome) {
	id, problem := identify(o)
	if problem != nil {
		return nil, *problem
	}
	id, v := c.find(ctx, id)
	if v.answer == nil {
		return nil, v.out
	}
	standing, out := v.answer.compare(id)
	switch standing {
	case complete:
		out.Kind = providers.Done
	case incomplete:
		out.Kind = providers.Accepted
	default:
		return nil, out
	}
	return v.answer.tickets(), out
}
