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
	var doc ecticketdoc.Order
	_ = json.Unmarshal(o.Request, &doc) // what cannot be read is compared with nothing
	s := answer.sight(doc)
	if s.Differs == "" && !s.CreatedAt.IsZero() {
		c.placeInZone(ctx, &s)
	}
	return s, out
}

func (a orderInfoAnswer) sight(doc ecticketdoc.Order) (s providers.Sight) {
	if t, precision, ok := ecticketdoc.ParseTime(string(a.IssueDate)); ok {
		s.CreatedAt, s.Precision = t, precision
	}
	ordered := doc.TicketCount()
	shown := len(a.TicketList)
	if a.TotalCount != nil {
		shown = max(shown, int(*a.TotalCount))
	}
	switch {
	case a.IssueType != "" && doc.IssueType != "" && string(a.IssueType) != doc.IssueType:
		s.Differs = "IssueType"
	case ordered > 0 && shown > ordered:
		s.Differs = "TotalCount"
	default:
		s.Differs = compareItems(doc, a.TicketList)
	}
	field, same := compareCustomer(doc, a)
	s.Differs, s.SameCustomer = cmp.Or(s.Differs, field), same
	s.Unissued = a.Status != nil && *a.Status != statusIssued
	// An order that is not issued yet may list no ticket; one that lists some lists too few.
	s.Partial = s.Differs == "" && ordered > 0 && shown < ordered && (shown > 0 || issued(a))
	return s
}

func issued(a orderInfoAnswer) bool { return a.Status != nil && *a.Status == statusIssued }

// compareItems names the field by which a listed ticket cannot be one of the order's. A stub names no
// items and is compared with none.
func compareItems(doc ecticketdoc.Order, list ticketList) (differs string) {
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
		key, field := spelled(string(t.ItemNo)), "ItemNo"
		if serial {
			key, field = spelled(string(t.ItemName)), "ItemName"
		}
		n, ordered := left[key]
		price, priced := prices[key]
		switch {
		case key == "": // not shown
		case !ordered:
			return field
		case n == 0:
			return "TicketAmount"
		case priced && t.TicketAmount != 0 && int(t.TicketAmount) != price && len(prices) == len(doc.TicketInfo):
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
