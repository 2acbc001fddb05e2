package bulk

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"issuance/providers"
)

// scalars are the columns of a provider that stand once, in the order in which they are listed:
// the fields of its order, in its own spelling.
var scalars = map[providers.Name][]string{
	providers.ECTicket: {"MerchantID", "MerchantTradeNo", "FreeTradeNo", "IssueType", "PrintType", "IsImmediate", "StoreID", "Operator",
		"CustomerName", "CustomerPhone", "CustomerEmail", "CustomerAddress", "RefundNotifyURL", "UseStatusNotifyURL", "PaymentProvider"},
	providers.Pass2U: {"productSaleId", "channelOrderId", "mailTo", "quantity", "pickupType"},
}

// itemColumns are ECTicket's columns that stand once for each item, with its number behind them.
var itemColumns = []string{"ItemNo", "ItemName", "TicketPrice", "TicketAmount", "StartDate", "ExpireDate"}

// numbers are the columns whose cells are numbers in the document.
var numbers = []string{"TicketPrice", "TicketAmount", "quantity"}

// idColumns hold an order's number.
var idColumns = map[providers.Name][]string{
	providers.ECTicket: {"MerchantTradeNo", "FreeTradeNo"},
	providers.Pass2U:   {"channelOrderId"},
}

// column is what one column of a file means.
type column struct {
	name   string // the field's, or Note
	item   int    // number of the item, from 1; 0 for a field of the order
	number bool
}

func (c column) title() string {
	if c.item == 0 {
		return c.name
	}
	return c.name + strconv.Itoa(c.item)
}

// parseColumn reads a title. wrong says what to write instead.
func parseColumn(title string) (c column, p providers.Name, wrong string) {
	if title == Note {
		return column{name: Note}, "", ""
	}
	for _, p := range providers.All() {
		if slices.Contains(scalars[p], title) {
			return column{name: title, number: slices.Contains(numbers, title)}, p, ""
		}
	}
	name := strings.TrimRight(title, "0123456789")
	digits := title[len(name):]
	if slices.Contains(itemColumns, name) {
		n, err := strconv.Atoi(digits)
		if err != nil || n < 1 || n > MaxItems || digits[0] == '0' {
			return c, "", fmt.Sprintf("needs the item's number behind it, from %s1 to %s%d", name, name, MaxItems)
		}
		return column{name: name, item: n, number: slices.Contains(numbers, name)}, providers.ECTicket, ""
	}
	if known := meant(title); known != "" {
		return c, "", "is not a column; write " + known
	}
	return c, "", unknownTitle
}

// unknownTitle is said of a title that nobody can have meant as one.
const unknownTitle = "is not a column; see: enqueue bulk --help"

// readHeader finds out what each column means, or everything that is wrong with the header.
func readHeader(titles [][]byte) (p providers.Name, columns []column, problems []Problem) {
	seen := map[string]bool{}
	anyTitle := false
	for i, cell := range titles {
		title := strings.Trim(string(cell), " ")
		c, of, wrong := parseColumn(title)
		where := fmt.Sprintf("column %d", i+1)
		switch {
		case title == "":
			problems = append(problems, Problem{where, "has no title"})
		case wrong == unknownTitle:
			problems = append(problems, Problem{where, "its title " + wrong + " (found: " + titleShape(title) + ")"})
		case wrong != "":
			problems = append(problems, Problem{where, fmt.Sprintf("%q %s", title, wrong)})
		case seen[title]:
			problems = append(problems, Problem{where, fmt.Sprintf("%q stands twice", title)})
		case p != "" && of != "" && of != p:
			problems = append(problems, Problem{where, fmt.Sprintf("%q is %s's, but others are %s's; make one file for each provider", title, of, p)})
		case of != "":
			p = of
		}
		seen[title] = true
		anyTitle = anyTitle || title != "" && wrong != unknownTitle
		columns = append(columns, c)
	}
	if !anyTitle {
		return "", nil, []Problem{{"", noTitles}}
	}
	if len(problems) == 0 && !slices.ContainsFunc(idColumns[p], func(id string) bool { return seen[id] }) {
		problems = append(problems, Problem{"", "no column holds the order's number: MerchantTradeNo or FreeTradeNo for ECTicket, channelOrderId for Pass2U"})
	}
	return p, columns, problems
}
