package ecticketdoc

import (
	"slices"

	"issuance/providers"
)

// columns of bulk files: an order's fields, in the order in which they are listed, and an item's.
var columns = providers.Columns{
	Scalars: []string{"MerchantID", "MerchantTradeNo", "FreeTradeNo", "IssueType", "PrintType", "IsImmediate", "StoreID", "Operator",
		"CustomerName", "CustomerPhone", "CustomerEmail", "CustomerAddress", "RefundNotifyURL", "UseStatusNotifyURL", "PaymentProvider"},
	Items:      itemFields,
	ItemsField: "TicketInfo",
	Numbers:    []string{"TicketPrice", "TicketAmount"},
	Days:       []string{"StartDate", "ExpireDate"},
	IDs:        []string{"MerchantTradeNo", "FreeTradeNo"},
	Merchant:   "MerchantID",
}

// templates are one file for each kind of order.
func templates() []providers.Template {
	type cells = [][2]string
	order := func(issueType string, more ...cells) cells {
		return slices.Concat(append([]cells{{{"MerchantTradeNo", "EXAMPLE0001"}, {"IssueType", issueType}}}, more...)...)
	}
	operator := cells{{"Operator", "Angela"}}
	name, email := cells{{"CustomerName", "王珊珊"}}, cells{{"CustomerEmail", "abc@example.com"}}
	customer := slices.Concat(operator, name, cells{{"CustomerPhone", "0912345678"}}, email)
	items := cells{{"ItemNo1", "VQT04959"}, {"TicketAmount1", "2"}, {"ItemNo2", "VNS21400"}, {"TicketAmount2", "1"}}
	return []providers.Template{
		{Name: "ecticket-electronic", Meaning: "electronic tickets, usable at once",
			Columns: order("3", cells{{"IsImmediate", "1"}}, customer, items)},
		{Name: "ecticket-presale", Meaning: "electronic tickets, usable from a later day on",
			Columns: order("3", cells{{"IsImmediate", "2"}}, customer, cells{{"ItemNo1", "VQT04959"}, {"TicketAmount1", "2"}, {"StartDate1", providers.Soon}})},
		{Name: "ecticket-gift", Meaning: "gift vouchers only, electronic",
			Columns: slices.Concat(cells{{"FreeTradeNo", "EXAMPLE0002"}, {"IssueType", "3"}, {"IsImmediate", "1"}}, customer,
				cells{{"ItemNo1", "GFT00001"}, {"TicketAmount1", "1"}, {"ExpireDate1", providers.Later}})},
		{Name: "ecticket-convenience", Meaning: "printed at a convenience store, at most 8 tickets an order",
			Columns: order("1", operator, email, items)},
		{Name: "ecticket-paper", Meaning: "paper, printed by ECPay (PrintType 1) or by you (2)",
			Columns: order("2", cells{{"PrintType", "2"}}, operator, name, items)},
		{Name: "ecticket-serial", Meaning: "serial numbers only",
			Columns: order("4", operator, cells{{"ItemName1", "SPA課程體驗券"}, {"TicketPrice1", "3200"}, {"TicketAmount1", "4"}})},
	}
}
