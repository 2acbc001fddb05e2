package ecticketdoc

import (
	"cmp"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"issuance/internal/doccheck"
	"issuance/providers"
)

// Codec is what the product knows of ECTicket's documents.
func Codec() providers.Codec {
	return providers.Codec{
		Name:        providers.ECTicket,
		Title:       "ECPay ECTicket",
		ParseOrder:  parseOrder,
		ParseRefund: parseRefund,
		Canonical:   canonical,
		OtherOrder:  otherOrder,
		RefundedBy:  refundedBy,
		Tickets:     func(request json.RawMessage) int { return read(request).TicketCount() },
		Calls:       callsOf,
		NumberField: numberField,
		Mentions:    []string{"MerchantTradeNo", "FreeTradeNo", "IssueType", "TicketInfo"},
		StoredNames: []string{"MerchantTradeNo", "FreeTradeNo", "MerchantID", "IssueType", "PrintType", "IsImmediate", "RefundNotifyURL",
			"UseStatusNotifyURL", "StoreID", "Operator", "CustomerName", "CustomerPhone", "CustomerEmail", "CustomerAddress", "TicketInfo",
			"ItemNo", "ItemName", "TicketPrice", "TicketAmount", "StartDate", "ExpireDate", "TicketNo", "PaymentProvider", "tickets"},
		Columns:       columns,
		Templates:     templates(),
		EscrowColumns: [][2]string{{"PaymentProvider", "2"}},
		Probe:         probe,
		Check:         check,
		Time:          parseTime,

		RulesInChinese: rulesInChinese, AnswersInChinese: answersInChinese,
	}
}

// probeNo is the number that is looked up when nothing but an answer is wanted. ECTicket's numbers are letters and digits, so
// it looks like an order's; none may have it, in whatever case, which ECPay's checksum does not tell apart.
const probeNo = "ISSUANCEPROBE"

func probe() providers.Order {
	o := Order{MerchantTradeNo: probeNo}
	return providers.Order{ID: o.ID(), Request: o.Stub()}
}

// DefaultOperator stands in ECTicket's records where no document names who refunds.
const DefaultOperator = "issuance"

func options(r providers.Rules) Options {
	return Options{MerchantID: r.Merchant, Escrow: r.Escrow, Now: r.Now, WellFormed: r.WellFormed}
}

func parseOrder(path string, request json.RawMessage, r providers.Rules) (*providers.OrderDocument, *providers.InvalidError) {
	o, err := Parse(path, request, options(r))
	if err != nil {
		return nil, err
	}
	d := &providers.OrderDocument{
		ID: o.ID(), Merchant: o.MerchantID, Tickets: o.TicketCount(), Calls: calls(o.IssueType),
		Canonical: o.Canonical(), Shape: o.Shape(), Stub: o.Stub(),
	}
	if merchant := cmp.Or(o.MerchantID, r.Merchant); r.Notices != "" && merchant != "" {
		complete(d, o, r.Notices+merchant)
	}
	return d, nil
}

// complete fills in where ECPay is to send notices, where the order does not say. The address is ours, so it is shown.
func complete(d *providers.OrderDocument, o *Order, address string) {
	if o.RefundNotifyURL != "" && o.UseStatusNotifyURL != "" {
		return
	}
	with := *o
	with.RefundNotifyURL, with.UseStatusNotifyURL = cmp.Or(o.RefundNotifyURL, address), cmp.Or(o.UseStatusNotifyURL, address)
	d.Completed = encode(with)
	d.Shape = append(doccheck.AppendMember(d.Shape[:len(d.Shape)-1], "notices", address), '}')
}

// CheckNotices is the rule for an address of notices, which completes the sentence "the address …"; nil when ECPay can
// call it.
func CheckNotices(address string) error {
	var c doccheck.Check
	o, _ := c.Object("", encode(map[string]string{"address": address}), "address")
	if notifyURL(o, "address"); c.Err() == nil {
		return nil
	}
	return errors.New(c.Err().Violations[0].Rule)
}

func parseRefund(path string, request json.RawMessage, r providers.Rules) (*providers.RefundDocument, *providers.InvalidError) {
	d, err := ParseRefund(path, request, options(r))
	if err != nil {
		return nil, err
	}
	stub := Order{MerchantTradeNo: d.MerchantTradeNo, FreeTradeNo: d.FreeTradeNo}
	return &providers.RefundDocument{
		OrderID: d.OrderID(), Merchant: d.MerchantID,
		Wish:     providers.TicketWish{TicketNo: d.TicketNo, Quantity: d.Quantity, All: d.All},
		Operator: d.Operator, StoreID: d.StoreID, Canonical: d.Canonical(), Shape: encode(d.Shape()),
		Outside: &providers.Order{ID: d.OrderID(), Request: stub.Stub()},
	}, nil
}

// read reads a request that was validated before, or its stub. What cannot be read is empty.
func read(request json.RawMessage) *Order {
	var o Order
	if json.Unmarshal(request, &o) != nil {
		return &Order{}
	}
	return &o
}

func canonical(request json.RawMessage) ([]byte, error) {
	var o Order
	if err := json.Unmarshal(request, &o); err != nil {
		return nil, errors.New("the document cannot be read") // the library's error may hold a value
	}
	return o.Canonical(), nil
}

// calls is Issue and QueryIssueResult, and for serial numbers the list of tickets: nobody but us
// delivers those.
func calls(issueType string) int {
	if issueType == SerialOnly {
		return 3
	}
	return 2
}

// callsOf is calls of a request that may break rules.
func callsOf(request json.RawMessage) int {
	var d struct{ IssueType any }
	_ = json.Unmarshal(request, &d) // what cannot be read is of no known type
	issueType, _ := d.IssueType.(string)
	return calls(issueType)
}

// otherOrder: the same number may be one order's MerchantTradeNo and another's FreeTradeNo.
func otherOrder(refund json.RawMessage, o providers.Order) string {
	has, wants := read(o.Request), read(refund)
	switch {
	case wants.MerchantTradeNo != "" && wants.MerchantTradeNo != has.MerchantTradeNo:
		return "MerchantTradeNo"
	case wants.FreeTradeNo != "" && wants.FreeTradeNo != has.FreeTradeNo:
		return "FreeTradeNo"
	}
	return ""
}

// refundedBy is the refund's Operator and StoreID, else the order's, else DefaultOperator and the
// head office.
func refundedBy(refund, order json.RawMessage) (operator, storeID string) {
	r, o := read(refund), read(order)
	return cmp.Or(r.Operator, o.Operator, DefaultOperator), cmp.Or(r.StoreID, o.StoreID)
}

// parseTime is providers.Codec.Time: a day alone is no moment.
func parseTime(text string) (time.Time, bool) {
	t, precision, ok := ParseTime(text)
	return t, ok && precision < 24*time.Hour
}

// layouts are the forms of times in ECTicket's documents and answers.
var layouts = []struct {
	layout    string
	precision time.Duration
}{
	{"20060102 15:04", time.Minute},
	{"20060102 15:04:05", time.Second},
	{"2006/01/02 15:04:05", time.Second},
	{"2006/01/02 15:04", time.Minute},
	{"2006-01-02 15:04:05", time.Second},
	{"20060102", 24 * time.Hour},
	{"2006/01/02", 24 * time.Hour},
}

// ParseTime reads a time as ECTicket writes it, in Taiwan time. precision is its unit: a second, a
// minute or a day.
func ParseTime(text string) (t time.Time, precision time.Duration, ok bool) {
	for _, l := range layouts {
		if t, err := time.ParseInLocation(l.layout, strings.TrimSpace(text), Taiwan); err == nil {
			return t, l.precision, true
		}
	}
	return time.Time{}, 0, false
}

// Stub is providers.OrderDocument.Stub: the number, what decides whether tickets have to be fetched,
// and who refunds when nobody else is named.
func (o *Order) Stub() []byte {
	b := append(make([]byte, 0, providers.MaxStub), '{')
	b = doccheck.AppendMember(b, "MerchantTradeNo", o.MerchantTradeNo)
	b = doccheck.AppendMember(b, "FreeTradeNo", o.FreeTradeNo)
	b = doccheck.AppendMember(b, "IssueType", o.IssueType)
	b = doccheck.AppendMember(b, "Operator", o.Operator)
	b = doccheck.AppendMember(b, "StoreID", o.StoreID)
	if n := o.TicketCount(); n > 0 {
		b = append(doccheck.AppendName(b, "TicketInfo"), `[{`...)
		b = append(doccheck.AppendInt(b, "TicketAmount", n), `}]`...)
	}
	return append(b, '}')
}
