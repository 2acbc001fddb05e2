package pass2u

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"

	"issuance/providers"
	"issuance/providers/pass2u/pass2udoc"
)

// answer is any answer of Pass2U's: a success has pass2uOrderId, an error has message only.
type answer struct {
	Pass2uOrderID  text     `json:"pass2uOrderId"`
	ProductSaleID  text     `json:"productSaleId"`
	ChannelOrderID text     `json:"channelOrderId"`
	MailTo         text     `json:"mailTo"`
	OrderURL       text     `json:"orderUrl"`
	OrderPasscode  text     `json:"orderPasscode"`
	Expriation     text     `json:"expriationDate"` // the document's examples
	Expiration     text     `json:"expirationDate"` // the document's tables
	CreatedTime    text     `json:"createdTime"`
	Quantity       count    `json:"quantity"` // not documented; believed where it is there
	Vouchers       vouchers `json:"vouchers"`
	Message        remark   `json:"message"`
}

type voucher struct {
	BarcodeMessage text `json:"barcodeMessage"`
	Status         text `json:"status"`
	VoucherURL     text `json:"voucherUrl"`
	// StatusUpdateTime is when the status became what it is.
	StatusUpdateTime text `json:"statusUpdateTime"`
}

// decode reads an answer. ok is false when body is not an object of Pass2U's.
func decode(body []byte) (a *answer, ok bool) {
	mark := "\ufeff"
	body = bytes.Trim(body, mark+" \t\r\n")
	if len(body) == 0 || body[0] != '{' {
		return nil, false
	}
	a = new(answer)
	if err := json.Unmarshal(body, a); err != nil {
		return nil, false
	}
	return a, a.Pass2uOrderID != "" || strings.TrimSpace(string(a.Message)) != ""
}

// failed reports whether the answer is an error.
func (a *answer) failed() bool { return a.Pass2uOrderID == "" }

// text is a string that may also come as a number. Anything else is no text: no field makes an answer
// unreadable that decides nothing, and none is taken for an id.
type text string

// UnmarshalJSON implements json.Unmarshaler. It never fails.
func (t *text) UnmarshalJSON(b []byte) error {
	var s string
	switch {
	case json.Unmarshal(b, &s) == nil:
		*t = text(s)
	case b[0] == '-' || b[0] >= '0' && b[0] <= '9':
		*t = text(b)
	default:
		*t = ""
	}
	return nil
}

// remark is the text of a message. One of another type is kept as its JSON text, unless it is empty:
// an answer with a complaint confirms nothing, however the complaint is written.
type remark string

// UnmarshalJSON implements json.Unmarshaler. It never fails.
func (r *remark) UnmarshalJSON(b []byte) error {
	var s string
	if json.Unmarshal(b, &s) == nil {
		*r = remark(s)
		return nil
	}
	switch *r = remark(strings.Join(strings.Fields(string(b)), " ")); *r {
	case "{}", "[]", "false", "0", "{ }", "[ ]":
		*r = ""
	}
	return nil
}

// vouchers are an order's tickets; where there are none, the list may be written as anything.
type vouchers []voucher

// UnmarshalJSON implements json.Unmarshaler. It never fails: an entry that is no voucher is none, and one that is the same as
// another is the same voucher.
func (l *vouchers) UnmarshalJSON(b []byte) error {
	var entries []json.RawMessage
	*l = nil
	listed := map[voucher]bool{{}: true}
	if json.Unmarshal(b, &entries) != nil {
		return nil
	}
	for _, e := range entries {
		var v voucher
		if json.Unmarshal(e, &v) == nil && !listed[v] {
			listed[v] = true
			*l = append(*l, v)
		}
	}
	return nil
}

// count is a number that may also come as a string; 0 when it is neither.
type count int

func (c *count) UnmarshalJSON(b []byte) error {
	n, err := strconv.Atoi(strings.Trim(string(b), `" `))
	if err != nil || n < 0 {
		n = 0
	}
	*c = count(n)
	return nil
}

// tickets are the answer's vouchers; an entry with neither barcode nor link is no ticket yet.
func (a *answer) tickets() []providers.Ticket {
	var out []providers.Ticket
	for _, v := range a.Vouchers {
		if v.BarcodeMessage == "" && v.VoucherURL == "" {
			continue
		}
		out = append(out, providers.Ticket{
			Barcode: string(v.BarcodeMessage), URL: string(v.VoucherURL), UseStatus: useStatus(string(v.Status)),
		})
	}
	return out
}

// useStatus reads a voucher's status. The document calls refunded tickets "refunded" after
// generate and "refund" after query and refund. A status it does not list is kept as it is.
func useStatus(s string) providers.UseStatus {
	switch strings.ToLower(strings.TrimSpace(s)) {
	case "notpickedup":
		return providers.Unused
	case "pickedup":
		return providers.PickedUp
	case "redeemed":
		return providers.Redeemed
	case "refunded", "refund":
		return providers.Refunded
	case "expired":
		return providers.Invalid
	default:
		return providers.UseStatus(providers.SafeText(s))
	}
}

// result is what the answer says about the order, tickets included.
func (a *answer) result() *providers.Result {
	r := a.head()
	r.Tickets = a.tickets()
	if a.OrderURL != "" || a.OrderPasscode != "" {
		r.Access = &providers.Access{URL: string(a.OrderURL), Passcode: string(a.OrderPasscode)}
	}
	return r
}

// head is the result without tickets and access.
func (a *answer) head() *providers.Result {
	expires := a.Expriation
	if expires == "" {
		expires = a.Expiration
	}
	return &providers.Result{Ref: string(a.Pass2uOrderID), ExpiresAt: string(expires), CreatedAt: string(a.CreatedTime)}
}

// standing is how far an order is, as the answer shows it.
type standing int

const (
	complete   standing = iota
	incomplete          // ours, and something is still to come
	otherOrder          // about another order than the one asked for
)

// compare holds the answer against the order asked for. explanation is empty when the order
// is complete.
func (a *answer) compare(id identity) (standing, providers.Outcome) {
	if !a.about(id) {
		return otherOrder, unauthentic
	}
	n := len(a.tickets())
	if id.pickup == pass2udoc.PickupOrder {
		switch {
		case n > 0 && a.OrderURL == "":
			return otherOrder, wrongPickup
		case a.otherQuantity(id):
			return otherOrder, countMismatch
		case a.OrderURL == "" || a.OrderPasscode == "":
			return incomplete, providers.Outcome{Code: CodeIncomplete, Message: "Pass2U has the order, but shows no page and passcode for it yet"}
		}
		return complete, providers.Outcome{}
	}
	switch {
	case n == 0 && a.OrderURL != "":
		return otherOrder, wrongPickup
	case a.otherQuantity(id), id.quantity > 0 && n > id.quantity:
		return otherOrder, countMismatch
	case n == 0 || n < id.quantity:
		return incomplete, providers.Outcome{Code: CodeIncomplete,
			Message: "Pass2U has the order, but not all of its vouchers are there yet: " + strconv.Itoa(n) + " so far"}
	}
	return complete, providers.Outcome{}
}

// otherQuantity reports whether the answer says how many tickets the order has, and not as many as
// were ordered.
func (a *answer) otherQuantity(id identity) bool {
	return id.quantity > 0 && a.Quantity > 0 && int(a.Quantity) != id.quantity
}

// about reports whether the answer names the order asked for: its number, its campaign and,
// when it is known, Pass2U's own id.
func (a *answer) about(id identity) bool {
	return a.numbered(id) && string(a.ProductSaleID) == id.sale && (id.ref == "" || string(a.Pass2uOrderID) == id.ref)
}

// numbered reports whether the answer is about the number asked for.
func (a *answer) numbered(id identity) bool {
	return id.channel == "" || string(a.ChannelOrderID) == id.channel
}

// Outcomes of answers that do not fit the order asked for.
var (
	unauthentic = providers.Outcome{Kind: providers.Unknown, Code: CodeUnauthentic,
		Message: "the answer names another order or another campaign than the one asked for"}
	oldAnswer = providers.Outcome{Kind: providers.Unknown, Code: CodeOldAnswer,
		Message: "the answer was made before its request was: an old one was sent again; it is not believed"}
	wrongPickup = providers.Outcome{Kind: providers.Unknown, Code: CodeWrongPickup, Alarm: true,
		Message: "the order at Pass2U is of the other pickupType; compare it with ours in the Pass2U console"}
	countMismatch = providers.Outcome{Kind: providers.Unknown, Code: CodeCountMismatch, Alarm: true,
		Message: "the order at Pass2U has another number of tickets; compare it with ours in the Pass2U console"}
)
