package ecticketdoc

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"
)

var itemFields = []string{"ItemNo", "ItemName", "TicketPrice", "TicketAmount", "StartDate", "ExpireDate"}

func (p *parser) items() {
	o := p.obj
	const required = "is required: at least one item"
	elements, ok := o.Array("TicketInfo")
	if !ok {
		if !o.Has("TicketInfo") {
			o.Violate("TicketInfo", required)
		}
		return
	}
	if len(elements) == 0 {
		o.Violate("TicketInfo", required)
		return
	}
	if len(elements) > MaxTickets {
		o.Violate("TicketInfo", fmt.Sprintf("must have at most %d items", MaxTickets))
		return
	}
	seen := make(map[string]bool, len(elements))
	p.order.TicketInfo = make([]Item, 0, len(elements))
	for i, raw := range elements {
		p.order.TicketInfo = append(p.order.TicketInfo, p.item(i, raw, seen))
	}
	p.total()
}

// item checks one line of the order; seen holds the product numbers of the lines before.
func (p *parser) item(i int, raw json.RawMessage, seen map[string]bool) Item {
	var it Item
	o, ok := p.check.WellFormedObject(p.obj.Path("TicketInfo")+"["+strconv.Itoa(i)+"]", raw, itemFields...)
	if !ok {
		return it
	}
	if serial := p.order.IssueType == SerialOnly; serial {
		o.Require("ItemName", "is required for IssueType 4")
		o.Require("TicketPrice", "is required for IssueType 4")
	} else if p.kindKnown {
		o.Require("ItemNo", "is required for IssueType 1, 2 and 3")
	}
	it.ItemNo = code(o, "ItemNo", 1, 8)
	if it.ItemNo != "" && seen[it.ItemNo] {
		o.Violate("ItemNo", "must not be in two items; add up their TicketAmount")
	}
	seen[it.ItemNo] = true
	it.ItemName = itemName(o)
	if n, ok := o.Int("TicketPrice"); ok {
		if n < 0 || n > 999_999_999 {
			o.Violate("TicketPrice", "must be 0 to 999,999,999 New Taiwan dollars")
		}
		it.TicketPrice = &n
	}
	o.Require("TicketAmount", "is required: the number of tickets, at least 1")
	if n, ok := o.Int("TicketAmount"); ok {
		if n < 1 {
			o.Violate("TicketAmount", "must be at least 1")
		}
		it.TicketAmount = n
	}
	var start, expire time.Time
	var startKnown, expireKnown bool
	if p.deferred {
		o.Require("StartDate", `is required with IsImmediate "2"`)
	}
	it.StartDate, start, startKnown = date(o, "StartDate")
	switch {
	case p.deferred && startKnown && !start.After(p.today):
		o.Violate("StartDate", "must be later than the day of issue (Taiwan time)")
	case p.atOnce:
		o.Forbid("StartDate", "must be left out: these tickets start on the day of issue, ECPay ignores another date")
	}
	if p.order.Gift() {
		o.Require("ExpireDate", "is required for gift vouchers (FreeTradeNo)")
	}
	it.ExpireDate, expire, expireKnown = date(o, "ExpireDate")
	switch {
	case !expireKnown:
	case p.deferred && startKnown && expire.Before(start):
		o.Violate("ExpireDate", "must not be earlier than StartDate")
	case p.atOnce && expire.Before(p.today):
		o.Violate("ExpireDate", "must not be earlier than the day of issue, when these tickets start (Taiwan time)")
	}
	return it
}

// total checks the number of tickets of the whole order. A line's amount is capped before it is
// added, so that absurd amounts cannot overflow into an allowed sum.
func (p *parser) total() {
	if !p.kindKnown {
		return
	}
	limit := MaxTickets
	if p.order.IssueType == ConvenienceStore {
		limit = MaxConvenienceTickets
	}
	sum := 0
	for _, it := range p.order.TicketInfo {
		sum += max(0, min(it.TicketAmount, 1_000_000))
	}
	if sum > limit {
		p.check.Violate(p.obj.Path("TicketInfo"),
			fmt.Sprintf("must add up to at most %d tickets for IssueType %s", limit, p.order.IssueType), fmt.Sprintf("%d tickets", sum))
	}
}
