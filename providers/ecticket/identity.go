package ecticket

import (
	"cmp"
	"context"
	"encoding/json"
	"html"
	"strings"
	"unicode"

	"issuance/providers"
	"issuance/providers/ecticket/ecticketdoc"
)

// Identify implements providers.Identifier (ECTicket, QueryOrderInfo, first page): IssueDate, IssueType, the
// customer, and of the tickets ItemNo, or ItemName and face value where the order names its own items.
func (c *Client) Identify(ctx context.Context, o providers.Order) (providers.Sight, providers.Outcome) {
	ids, secrets, ok := identify(o)
	if !ok {
		return providers.Sight{}, notThisOrder()
	}
	var answer orderInfoAnswer
	out := c.call(ctx, query{op: OpQueryOrderInfo, data: c.orderQuery(ids, 1), secrets: secrets, echo: ids}, &answer)
	if out.Kind != providers.Done {
		out.Exists = false // it is the answer to an Issue only
		return providers.Sight{}, out
	}
	return c.sightOf(ctx, o, answer), out
}

// sightOf is what QueryOrderInfo shows of an order.
func (c *Client) sightOf(ctx context.Context, o providers.Order, a orderInfoAnswer) providers.Sight {
	var doc ecticketdoc.Order
	_ = json.Unmarshal(o.Request, &doc) // what cannot be read is compared with nothing
	s := a.sight(doc)
	if s.Differs == "" && !s.CreatedAt.IsZero() {
		c.placeInZone(ctx, &s)
	}
	return s
}

func (a orderInfoAnswer) sight(doc ecticketdoc.Order) (s providers.Sight) {
	if t, precision, ok := ecticketdoc.ParseTime(string(a.IssueDate)); ok {
		s.CreatedAt, s.Precision = t, precision
	}
	ordered, shown := doc.TicketCount(), a.counted()
	s.Ordered, s.Shown = ordered, a.out(ordered)
	switch {
	case a.IssueType != "" && doc.IssueType != "" && string(a.IssueType) != doc.IssueType:
		s.Differs = "IssueType"
	case ordered > 0 && shown > ordered:
		s.Differs = "TotalCount"
	default:
		s.Differs = compareItems(doc, a.tickets())
	}
	s.Documented = s.Differs == "TotalCount" || s.Differs == "ItemNo"
	s.Differs = cmp.Or(s.Differs, compareCustomer(doc, a))
	s.Unissued = a.Status != nil && *a.Status != statusIssued
	// An order that is not issued yet may list no ticket; one that lists some lists too few.
	s.Partial = s.Differs == "" && ordered > 0 && shown < ordered && (shown > 0 || issued(a))
	return s
}

func issued(a orderInfoAnswer) bool { return a.Status != nil && *a.Status == statusIssued }

// counted is how many tickets the order has by a count or a list, whichever says more; 0 when neither does.
func (a orderInfoAnswer) counted() int {
	n := len(a.TicketList)
	if a.TotalCount != nil {
		n = max(n, int(*a.TotalCount))
	}
	return n
}

// out is how many tickets of the order are issued, as far as that is shown. TotalCount may be the number that was ordered
// where Status is not "issued", and proves nothing then.
func (a orderInfoAnswer) out(ordered int) int {
	total := a.counted()
	if issued(a) {
		return total
	}
	n := max(len(a.TicketList), int(a.UnUsedCount+a.RedeemCount+a.RefundCount+a.ExpiredCount))
	if total < ordered {
		n = max(n, total)
	}
	return n
}

// compareLines names the field by which what an Issue's answer repeats is not the order. One that repeats nothing is the order.
func compareLines(doc ecticketdoc.Order, lines orderLines) (differs string) {
	var tickets []providers.Ticket
	counted := len(lines) > 0
	for _, l := range lines {
		counted = counted && l.TicketAmount > 0
		for range min(max(int(l.TicketAmount), 1), maxTickets) {
			tickets = append(tickets, providers.Ticket{ItemNo: string(l.ItemNo), ItemName: string(l.ItemName), FaceValue: int(l.TicketPrice)})
		}
		if len(tickets) > maxTickets {
			return "TicketAmount"
		}
	}
	if differs = compareItems(doc, tickets); differs == "" && counted && len(tickets) != doc.TicketCount() {
		return "TicketAmount"
	}
	return differs
}

// compareItems names the field by which a listed ticket cannot be one of the order's. A stub names no
// items and is compared with none.
func compareItems(doc ecticketdoc.Order, list []providers.Ticket) (differs string) {
	if isStub(doc) {
		return ""
	}
	serial := doc.IssueType == ecticketdoc.SerialOnly
	left := map[string]int{} // tickets of an item that may still be listed
	prices := map[string]int{}
	for _, it := range doc.TicketInfo {
		key := spelled(it.ItemNo)
		if serial {
			key = spelled(it.ItemName)
			if it.TicketPrice != nil {
				prices[key] = *it.TicketPrice
			}
		}
		left[key] += it.TicketAmount
	}
	for _, t := range list {
		key, field := spelled(t.ItemNo), "ItemNo"
		if serial {
			key, field = spelled(t.ItemName), "ItemName"
		}
		n, ordered := left[key]
		price, priced := prices[key]
		switch {
		case key == "": // not shown
		case !ordered:
			return field
		case n == 0:
			return "TicketAmount"
		case priced && t.FaceValue != 0 && t.FaceValue != price && len(prices) == len(doc.TicketInfo):
			return "TicketPrice"
		default:
			left[key]--
		}
	}
	return ""
}

// spelled is a name without what a provider may write otherwise: letter case, signs, spaces, full-width
// forms and HTML escapes.
func spelled(name string) string {
	return strings.Map(func(r rune) rune {
		if r >= '！' && r <= '～' {
			r -= '！' - '!'
		}
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			return -1
		}
		return unicode.ToLower(r)
	}, html.UnescapeString(name))
}
