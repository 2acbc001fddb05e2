package bulk

import (
	"slices"
	"strings"
	"time"

	"issuance/providers/ecticket/ecticketdoc"
)

// Template is a CSV file to start from: a header and an example.
type Template struct {
	Name    string
	Meaning string
	columns [][2]string // title and example
}

// The examples of dates; see Template.CSV.
const (
	soon  = "(soon)"  // a day in two months
	later = "(later)" // a day in a year
)

// Templates lists all of them.
func Templates() []Template {
	order := func(issueType string, more ...[2]string) [][2]string {
		return append([][2]string{{"MerchantTradeNo", "EXAMPLE0001"}, {"IssueType", issueType}}, more...)
	}
	operator := [2]string{"Operator", "Angela"}
	name, phone, email := [2]string{"CustomerName", "王珊珊"}, [2]string{"CustomerPhone", "0912345678"}, [2]string{"CustomerEmail", "abc@example.com"}
	items := [][2]string{{"ItemNo1", "VQT04959"}, {"TicketAmount1", "2"}, {"ItemNo2", "VNS21400"}, {"TicketAmount2", "1"}}
	gift := [][2]string{{"FreeTradeNo", "EXAMPLE0002"}, {"IssueType", "3"}, {"IsImmediate", "1"}, operator, name, phone, email,
		{"ItemNo1", "GFT00001"}, {"TicketAmount1", "1"}, {"ExpireDate1", later}}
	return []Template{
		{"ecticket-electronic", "electronic tickets, usable at once", order("3", append([][2]string{{"IsImmediate", "1"}, operator, name, phone, email}, items...)...)},
		{"ecticket-presale", "electronic tickets, usable from a later day on", order("3", append([][2]string{{"IsImmediate", "2"}, operator, name, phone, email},
			[2]string{"ItemNo1", "VQT04959"}, [2]string{"TicketAmount1", "2"}, [2]string{"StartDate1", soon})...)},
		{"ecticket-gift", "gift vouchers only, electronic", gift},
		{"ecticket-convenience", "printed at a convenience store, at most 8 tickets an order", order("1", append([][2]string{operator, email}, items...)...)},
		{"ecticket-paper", "paper, printed by ECPay (PrintType 1) or by you (2)", order("2", append([][2]string{{"PrintType", "2"}, operator, name}, items...)...)},
		{"ecticket-serial", "serial numbers only", order("4", operator, [2]string{"ItemName1", "SPA課程體驗券"}, [2]string{"TicketPrice1", "3200"}, [2]string{"TicketAmount1", "4"})},
		{"pass2u", "Pass2U; pickupType is voucher or order", [][2]string{{"channelOrderId", "EXAMPLE-0001"}, {"productSaleId", "02955ccca3352ef0734a4aecc9f86083"},
			{"quantity", "2"}, {"pickupType", "voucher"}, {"mailTo", ""}}},
	}
}

// CSV is the template as a file. Dates are such that the example is valid on the day of now.
// Under escrow, ECTicket's orders say who was paid.
func (t Template) CSV(now time.Time, escrow bool) string {
	columns := t.columns
	if escrow && strings.HasPrefix(t.Name, "ecticket") {
		columns = append(slices.Clone(columns), [2]string{"PaymentProvider", "2"})
	}
	day := now.In(ecticketdoc.Taiwan)
	var titles, example []string
	for _, c := range columns {
		titles = append(titles, c[0])
		switch c[1] {
		case soon:
			example = append(example, day.AddDate(0, 2, 0).Format("20060102"))
		case later:
			example = append(example, day.AddDate(1, 0, 0).Format("20060102"))
		default:
			example = append(example, c[1])
		}
	}
	return strings.Join(titles, ",") + "\n" + strings.Join(example, ",") + "\n"
}
