package itemcheck

import (
	"fmt"
	"slices"
	"strings"

	"issuance/providers"
	"issuance/providers/ecticket/ecticketdoc"
)

// TicketTypes of "ECTicket, BatchQueryItemInfo". The meaning of other types is unknown, so no rule
// applies to them.
const (
	pickupVoucher = "1"
	giftVoucher   = "2"
)

// violations applies the rules of "ECTicket, Issue" that need the catalogue. Every item of the order is
// cached.
func (c *Checker) violations(o *ecticketdoc.Order) []providers.Violation {
	if o.IssueType == ecticketdoc.SerialOnly {
		return nil
	}
	var found []providers.Violation
	violate := func(path, rule, shape string) {
		found = append(found, providers.Violation{Path: "request." + path, Rule: rule, Shape: shape})
	}
	gifts, pickup := 0, ""
	for i, line := range o.TicketInfo {
		field := func(name string) string { return fmt.Sprintf("TicketInfo[%d].%s", i, name) }
		it := c.kept[line.ItemNo]
		switch {
		case it.Gone:
			violate(field("ItemNo"), "must be an item of the merchant's catalogue at ECTicket; see: enqueue items", "no such item")
			continue
		case !it.Listed:
			violate(field("ItemNo"), "must be listed; list it in ECPay's back office", "delisted item")
		case len(it.IssueTypes) > 0 && !slices.Contains(it.IssueTypes, o.IssueType):
			violate(field("ItemNo"), "must be an item that can be issued as IssueType "+o.IssueType, "item of IssueType "+strings.Join(it.IssueTypes, ", "))
		}
		switch {
		case it.TicketType == giftVoucher && line.ExpireDate == "":
			violate(field("ExpireDate"), "is required: the item is a gift voucher", "missing")
		case it.TicketType == pickupVoucher && line.ExpireDate != "":
			violate(field("ExpireDate"), "must be left out: the item is a pickup voucher", "given")
		}
		switch it.TicketType {
		case giftVoucher:
			gifts++
		case pickupVoucher:
			pickup = line.ItemNo
		}
	}
	switch {
	case o.Gift() && pickup != "":
		violate("FreeTradeNo", "must be MerchantTradeNo instead: item "+pickup+" is a pickup voucher", "order with a pickup voucher")
	case !o.Gift() && gifts > 0 && gifts == len(o.TicketInfo):
		violate("MerchantTradeNo", "must be FreeTradeNo instead: every item is a gift voucher", "order of gift vouchers only")
	}
	return found
}
