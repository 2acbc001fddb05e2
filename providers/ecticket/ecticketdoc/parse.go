package ecticketdoc

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"issuance/internal/doccheck"
	"issuance/providers"
)

// Parse reads an order document and checks every rule of "ECTicket, Issue" that can be checked
// without asking ECPay. path is put before the fields' paths, such as "request". It returns the
// order, or every violation at once and no order.
//
// What a field does not mean for the order's IssueType ECPay ignores, so it is taken when its
// value is well-formed; the exceptions are StartDate and IsImmediate "2", see checkImmediate.
func Parse(path string, raw json.RawMessage, opt Options) (*Order, *providers.InvalidError) {
	if opt.Now.IsZero() {
		opt.Now = time.Now()
	}
	if opt.MaxTradeNo <= 0 || opt.MaxTradeNo > MaxMerchantTradeNo {
		opt.MaxTradeNo = MaxMerchantTradeNo
	}
	var c doccheck.Check
	obj, ok := object(&c, path, raw, opt.WellFormed, opt.knownFields()...)
	if !ok {
		return nil, c.Err()
	}
	p := parser{check: &c, obj: obj, opt: opt, today: dayOf(opt.Now)}
	p.order.MerchantID = merchant(obj, opt)
	p.tradeNo()
	p.kind()
	p.order.RefundNotifyURL = notifyURL(obj, "RefundNotifyURL")
	p.order.UseStatusNotifyURL = notifyURL(obj, "UseStatusNotifyURL")
	p.order.StoreID = code(obj, "StoreID", 2, 20)
	obj.Require("Operator", "is required: who issues the order, at most 10 letters and digits")
	p.order.Operator = code(obj, "Operator", 1, 10)
	p.customer()
	p.payment()
	p.items()
	if err := c.Err(); err != nil {
		return nil, err
	}
	return &p.order, nil
}

// object reads raw as the document's object, unless it is too long.
func object(c *doccheck.Check, path string, raw json.RawMessage, wellFormed bool, known ...string) (doccheck.Object, bool) {
	at := path
	if at == "" {
		at = "document"
	}
	if len(raw) > MaxDocument {
		c.Violate(at, fmt.Sprintf("must be at most %d KiB", MaxDocument>>10), fmt.Sprintf("%d KiB", len(raw)>>10))
		return doccheck.Object{}, false
	}
	if !wellFormed {
		return c.Object(path, raw, known...)
	}
	return c.WellFormedObject(path, raw, known...)
}

// knownFields are all fields of Issue; the last one is known under escrow only.
var knownFields = [...]string{
	"MerchantID", "MerchantTradeNo", "FreeTradeNo", "IssueType", "PrintType", "IsImmediate",
	"RefundNotifyURL", "UseStatusNotifyURL", "StoreID", "Operator",
	"CustomerName", "CustomerPhone", "CustomerEmail", "CustomerAddress", "TicketInfo", "PaymentProvider",
}

func (opt Options) knownFields() []string {
	if opt.Escrow {
		return knownFields[:]
	}
	return knownFields[:len(knownFields)-1]
}

// parser holds what the rules of one document share.
type parser struct {
	check *doccheck.Check
	obj   doccheck.Object
	opt   Options
	today time.Time
	order Order

	kindKnown bool // IssueType is one of the four
	deferred  bool // tickets start on their StartDate
	atOnce    bool // tickets certainly start on the day of issue
}

// merchant reads whose document it is.
func merchant(o doccheck.Object, opt Options) string {
	id := code(o, "MerchantID", 1, 10)
	if id != "" && opt.MerchantID != "" && id != opt.MerchantID {
		o.ViolateMerchant("MerchantID", "must be the configured merchant's; leave it out or correct it", id)
	}
	return id
}

// tradeNo reads the order's number. Only the merchant knows whether all items are gift vouchers,
// so here the field used says it.
func (p *parser) tradeNo() {
	o := p.obj
	switch paid, gift := o.Has("MerchantTradeNo"), o.Has("FreeTradeNo"); {
	case paid && gift:
		o.Violate("FreeTradeNo", "must be left out when MerchantTradeNo is given: use FreeTradeNo only when every item is a gift voucher")
	case !paid && !gift:
		o.Violate("MerchantTradeNo", "is required (or FreeTradeNo, when every item is a gift voucher)")
	}
	p.order.MerchantTradeNo = code(o, "MerchantTradeNo", 1, p.opt.MaxTradeNo)
	p.order.FreeTradeNo = code(o, "FreeTradeNo", 1, MaxFreeTradeNo)
	for _, id := range [][2]string{{"MerchantTradeNo", p.order.MerchantTradeNo}, {"FreeTradeNo", p.order.FreeTradeNo}} {
		if strings.EqualFold(id[1], probeNo) {
			o.Violate(id[0], notProbeRule)
		}
	}
}

const notProbeRule = "must be another number: this one is looked up to see whether ECTicket answers"

func (p *parser) kind() {
	o := p.obj
	o.Require("IssueType", `is required: "1" convenience store, "2" paper, "3" electronic, "4" serial number only`)
	p.order.IssueType, p.kindKnown = choice(o, "IssueType", ConvenienceStore, Paper, Electronic, SerialOnly)
	if p.order.IssueType == Paper {
		o.Require("PrintType", `is required for IssueType 2: "1" printed by ECPay, "2" printed by the merchant`)
	}
	p.order.PrintType, _ = choice(o, "PrintType", "1", "2")
	p.checkImmediate()
}

// checkImmediate finds out when the tickets start. Only electronic tickets can start later than
// on the day of issue: for all others ECPay takes IsImmediate as "1" and ignores StartDate.
// Sending such a document would sell the customer a start day that the ticket does not have, so
// it is a violation, not an ignored field.
func (p *parser) checkImmediate() {
	o := p.obj
	if p.order.IssueType == Electronic {
		o.Require("IsImmediate", `is required for IssueType 3: "1" usable at once, "2" usable from StartDate on`)
	}
	value, known := choice(o, "IsImmediate", Immediate, Deferred)
	p.order.IsImmediate = value
	if !p.kindKnown {
		return
	}
	electronic := p.order.IssueType == Electronic
	if !electronic && value == Deferred {
		o.Violate("IsImmediate", `must be "1" or left out: only electronic tickets (IssueType 3) can start later`)
	}
	p.deferred = electronic && value == Deferred
	p.atOnce = !electronic || (known && value == Immediate)
}

func (p *parser) customer() {
	o, t := p.obj, p.order.IssueType
	if t == Electronic {
		o.Require("CustomerName", "is required for IssueType 3")
		o.Require("CustomerPhone", "is required for IssueType 3")
	}
	if t == Electronic || t == ConvenienceStore {
		o.Require("CustomerEmail", "is required for IssueType 1 and 3")
	}
	if t == Paper && o.Has("CustomerAddress") {
		// An address on a paper order means that it is posted, and then a name is required.
		o.Require("CustomerName", "is required when a paper ticket is sent to CustomerAddress")
	}
	p.order.CustomerName = customerName(o)
	p.order.CustomerPhone = customerPhone(o)
	p.order.CustomerEmail = customerEmail(o)
	p.order.CustomerAddress = customerAddress(o)
}

func (p *parser) payment() {
	if !p.opt.Escrow {
		return // not a known field then
	}
	p.obj.Require("PaymentProvider", `is required under escrow: "1" paid through ECPay, "2" paid elsewhere`)
	p.order.PaymentProvider, _ = choice(p.obj, "PaymentProvider", "1", "2")
}
