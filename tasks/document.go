package tasks

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"time"

	"issuance/internal/doccheck"
	"issuance/providers"
)

// Rules are what documents are checked against besides the providers' own rules.
type Rules struct {
	// MerchantID is the ECTicket merchant that orders are issued for. A document may leave its
	// MerchantID out; one that names another is refused. Default: the document's.
	MerchantID string
	// Escrow allows and requires the fields of ECTicket's escrow mode. Default false.
	Escrow bool
	// Notices is where ECTicket is to send notices of tickets, for orders that name no address, without the merchant's
	// id at its end: a front door's https://HOST/notify/ecticket/. What is filled in is no part of the document: with
	// it or without, the same document is the same order. Default "": nothing is filled in.
	Notices string
	// Merchants finds the ECTicket merchant that a document names, where orders are issued for several; the default one for
	// "". ok is false where there is none, which is a violation. With it MerchantID and Escrow are not used. Safe for
	// concurrent use. Default nil.
	Merchants func(id string) (m Merchant, ok bool)
	// Accounts are those of a provider that the client has settings of its own for, by name. A document of another one is
	// refused, whatever workers announce; of a provider without any, workers decide. Safe for concurrent use. Default nil.
	Accounts func(p providers.Name) []Account
	// Now is the clock for rules about dates. Default time.Now.
	Now func() time.Time
}

// Merchant is an ECTicket merchant that orders are issued for.
type Merchant struct {
	ID     string
	Escrow bool // allows and requires the fields of ECTicket's escrow mode
}

// forProvider are the rules in the form that a codec takes.
func (r Rules) forProvider(p providers.Name) providers.Rules {
	now := time.Now
	if r.Now != nil {
		now = r.Now
	}
	out := providers.Rules{Escrow: r.Escrow, Now: now()}
	if p != providers.ECTicket {
		return out
	}
	out.Merchant, out.Notices = r.MerchantID, r.Notices
	if r.Merchants != nil {
		m, _ := r.Merchants("")
		out.Merchant, out.Escrow = m.ID, m.Escrow
	}
	return out
}

// own are the accounts of a provider that the client has settings of its own for.
func (r Rules) own(p providers.Name) []Account {
	if r.Accounts == nil {
		return nil
	}
	return r.Accounts(p)
}

// alone reports whether the rules decide by themselves which account of a provider is the default.
func (r Rules) alone(c providers.Codec) bool {
	return r.Merchants != nil && c.Columns.Merchant != "" || len(r.own(c.Name)) > 0
}

// of are the rules for a well-formed request: those of the merchant that it names, in itself or beside it.
func (r Rules) of(c *doccheck.Check, e envelope, request json.RawMessage) providers.Rules {
	out := r.forProvider(e.codec.Name)
	field := e.codec.Columns.Merchant
	if r.Merchants == nil || field == "" {
		return out
	}
	id, at := e.merchant, "account"
	if named := doccheck.Member(request, field); named != "" {
		id, at = named, "request."+field
	}
	m, ok := r.Merchants(id)
	switch {
	case ok:
	case id == "":
		c.Violate("request."+field, "is required: orders are issued for several merchants here, and none of them is the default", "missing")
	default:
		c.Violate(at, "must be a configured merchant's", doccheck.ShapeOfMerchant(id))
	}
	out.Merchant, out.Escrow = m.ID, m.Escrow
	return out
}

// Order is a validated order document. It holds customer data in Request and hides it when
// printed.
type Order struct {
	// Account is whose sale it is; its Merchant is "" when neither the document nor the rules name it.
	Account Account
	ID      string
	Tickets int             // number of tickets ordered
	Calls   int             // provider calls that issuing it takes when all goes well
	Request json.RawMessage // the provider's own request body, with what Rules fill in

	canonical, shape, stub []byte
}

// Refund is a validated refund document.
type Refund struct {
	Account  Account
	OrderID  string
	RefundID string
	Request  json.RawMessage

	canonical, shape []byte
}

// Ref names the order.
func (o *Order) Ref() Ref { return Ref{Account: o.Account, OrderID: o.ID} }

// Ref names the refund.
func (r *Refund) Ref() Ref { return Ref{Account: r.Account, OrderID: r.OrderID, RefundID: r.RefundID} }

// Canonical is the same for every spelling of the same document. It holds customer data: never log it.
func (o *Order) Canonical() []byte { return o.canonical }

// Canonical is the same for every spelling of the same document. It holds ticket numbers.
func (r *Refund) Canonical() []byte { return r.canonical }

func (o Order) String() string { return o.Ref().String() }

// GoString keeps customer data out of %#v.
func (o Order) GoString() string { return "tasks.Order(" + o.String() + ")" }

// LogValue keeps customer data out of logs, those in JSON included.
func (o Order) LogValue() slog.Value { return slog.StringValue(o.String()) }

func (r Refund) String() string { return r.Ref().String() }

// GoString keeps ticket numbers out of %#v.
func (r Refund) GoString() string { return "tasks.Refund(" + r.String() + ")" }

// LogValue keeps ticket numbers out of logs, those in JSON included.
func (r Refund) LogValue() slog.Value { return slog.StringValue(r.String()) }

// ParseOrder reads {"provider":…,"request":{…}}, optionally with "account". Its error is a
// *providers.InvalidError that lists every violation.
func ParseOrder(raw []byte, rules Rules) (*Order, error) {
	var c doccheck.Check
	e, ok := parseEnvelope(&c, raw, "provider", "account", "request")
	if !ok {
		return nil, c.Err()
	}
	o := parseOrder(&c, e, bytes.Clone(e.Raw("request")), rules)
	return valid(o, &c)
}

// What a document has to hold as its request.
const (
	requestRule       = "must hold the provider's request body"
	refundRequestRule = "must name the order and what to refund of it"
)

// ParseRequest is ParseOrder for a request without its envelope. wellFormed says that the caller
// has made the JSON itself and gives it away; when it is not well-formed then, ParseRequest may
// panic.
func ParseRequest(a Account, request json.RawMessage, rules Rules, wellFormed bool) (*Order, error) {
	var c doccheck.Check
	e, ok := bareEnvelope(&c, a, request, wellFormed)
	if !ok {
		return nil, c.Err()
	}
	if !wellFormed {
		request = bytes.Clone(request)
	}
	return valid(parseOrder(&c, e, request, rules), &c)
}

// ParseRefundRequest is ParseRefund for a request without its envelope.
func ParseRefundRequest(a Account, refundID string, request json.RawMessage, rules Rules) (*Refund, error) {
	var c doccheck.Check
	if !isRefundID(refundID) {
		c.Violate("refund_id", refundIDRule, doccheck.ShapeOf(refundID))
	}
	e, ok := bareEnvelope(&c, a, request, false)
	if !ok {
		return nil, c.Err()
	}
	return valid(parseRefund(&c, e, refundID, bytes.Clone(request), rules), &c)
}

// bareEnvelope is what stands around a request that has no envelope. ok is false when its rules cannot be applied.
func bareEnvelope(c *doccheck.Check, a Account, request json.RawMessage, wellFormed bool) (e envelope, ok bool) {
	codec, known := providers.CodecOf(a.Provider)
	if !known {
		c.Violate("provider", providerRule(), "unknown provider")
	}
	if !wellFormed && !c.WellFormed("request", request) {
		return e, false
	}
	c.Text("request", request)
	if !known {
		objectAlone(c, request, requestRule)
	}
	return envelope{codec: codec, merchant: a.Merchant}, known
}

// objectAlone checks a well-formed request of which nobody knows whose rules it has to keep.
func objectAlone(c *doccheck.Check, request json.RawMessage, rule string) {
	switch {
	case !doccheck.Present(request):
		c.Violate("request", rule, doccheck.Shape(request))
	case bytes.TrimSpace(request)[0] != '{':
		c.Violate("request", "must be a JSON object", doccheck.Shape(request))
	}
}

// valid is a parsed document, or every violation and none.
func valid[T any](doc *T, c *doccheck.Check) (*T, error) {
	if err := c.Err(); err != nil {
		return nil, err
	}
	return doc, nil
}

// parseOrder checks a well-formed request.
func parseOrder(c *doccheck.Check, e envelope, request json.RawMessage, rules Rules) *Order {
	if !doccheck.Present(request) {
		c.Violate("request", requestRule, "missing")
		return nil
	}
	r := rules.of(c, e, request)
	r.WellFormed = true
	d, err := e.codec.ParseOrder("request", request, r)
	if err != nil {
		c.Add(err)
		e.account(c, e.named(request, err), r.Merchant)
		return nil
	}
	if d.Completed != nil {
		request = d.Completed
	}
	return &Order{Account: e.account(c, d.Merchant, r.Merchant), ID: d.ID, Tickets: d.Tickets, Calls: d.Calls, Request: request,
		canonical: d.Canonical, shape: d.Shape, stub: d.Stub}
}

var refundIDPattern = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// isRefundID reports whether a refund can have this id. "." and ".." are not for paths: proxies resolve them.
func isRefundID(id string) bool { return refundIDPattern.MatchString(id) && id != "." && id != ".." }

const refundIDRule = "must be the caller's own id of this refund: 1 to 64 letters, digits, '.', '_' or '-', but not '.' or '..'; repeating a refund with the same id refunds once"

// ParseRefund reads {"provider":…,"refund_id":…,"request":{…}}, optionally with "account". Its error is a
// *providers.InvalidError that lists every violation.
func ParseRefund(raw []byte, rules Rules) (*Refund, error) {
	var c doccheck.Check
	e, ok := parseEnvelope(&c, raw, "provider", "account", "refund_id", "request")
	if !ok {
		return nil, c.Err()
	}
	id := ""
	if e.Require("refund_id", refundIDRule) {
		if id, ok = e.String("refund_id"); ok && !isRefundID(id) {
			e.Violate("refund_id", refundIDRule)
		}
	}
	return valid(parseRefund(&c, e, id, bytes.Clone(e.Raw("request")), rules), &c)
}

// parseRefund checks a well-formed request.
func parseRefund(c *doccheck.Check, e envelope, id string, request json.RawMessage, rules Rules) *Refund {
	if !doccheck.Present(request) {
		c.Violate("request", refundRequestRule, doccheck.Shape(request))
		return nil
	}
	r := rules.of(c, e, request)
	d, err := e.codec.ParseRefund("request", request, r)
	if err != nil {
		c.Add(err)
		e.account(c, e.named(request, err), r.Merchant)
		return nil
	}
	return &Refund{Account: e.account(c, d.Merchant, r.Merchant), OrderID: d.OrderID, RefundID: id, Request: request,
		canonical: d.Canonical, shape: d.Shape}
}

// envelope is the outer object of a document.
type envelope struct {
	doccheck.Object
	codec    providers.Codec
	merchant string // that "account" names
}

// named is the merchant that a request which breaks rules names, unless that is among what is wrong with it.
func (e envelope) named(request json.RawMessage, wrong *providers.InvalidError) string {
	field := e.codec.Columns.Merchant
	if field == "" || slices.ContainsFunc(wrong.Violations, func(v providers.Violation) bool { return v.Path == "request."+field }) {
		return ""
	}
	return doccheck.Member(request, field)
}

// account is whose document it is: what the envelope, the document or the rules name.
func (e envelope) account(c *doccheck.Check, inDocument, configured string) Account {
	a := Account{Provider: e.codec.Name, Merchant: e.merchant}
	if a.Merchant != "" && inDocument != "" && a.Merchant != inDocument {
		c.Violate("account", doccheck.OtherMerchant, doccheck.ShapeOfMerchant(a.Merchant))
	} else if a.Merchant != "" && configured != "" && a.Merchant != configured {
		c.Violate("account", "must be the configured merchant's, or be left out", doccheck.ShapeOfMerchant(a.Merchant))
	}
	for _, m := range []string{inDocument, configured, e.codec.DefaultMerchant} {
		if a.Merchant == "" {
			a.Merchant = m
		}
	}
	return a
}

// parseEnvelope reads the outer object. ok is false when the rest makes no sense without it.
func parseEnvelope(c *doccheck.Check, raw []byte, known ...string) (e envelope, ok bool) {
	if !c.WellFormed("", raw) {
		return e, false
	}
	c.Text("", raw)
	if e.Object, ok = c.WellFormedObject("", raw, known...); !ok {
		return e, false
	}
	if ok = !twice(c) && e.whose(c); !ok {
		objectAlone(c, e.Raw("request"), requestRule)
	}
	return e, ok
}

// whose reads whose document it is. It reports false where that is not clear, so that no rules can be applied.
func (e *envelope) whose(c *doccheck.Check) bool {
	name, known := e.provider()
	if !known || !e.Has("account") {
		return known
	}
	if text, ok := e.String("account"); ok {
		if of, _, _ := strings.Cut(text, ":"); of != name && providers.Name(of).Known() {
			c.Violate("account", fmt.Sprintf("must be an account of the provider that is named, %q, or the provider is the wrong one", name), fmt.Sprintf("an account of %q", of))
			return false
		}
		e.merchant = strings.TrimPrefix(text, name+":")
		if text == name {
			e.merchant = ""
		} else if !providers.ValidMerchant(e.merchant) {
			e.Violate("account", fmt.Sprintf("must name an account of the provider, such as %q", name+":MERCHANT"))
		}
	}
	return true
}

// provider finds the codec of the provider that the envelope names.
func (e *envelope) provider() (name string, ok bool) {
	if !e.Require("provider", providerRule()) {
		return "", false
	}
	if name, ok = e.String("provider"); !ok {
		return "", false
	}
	if e.codec, ok = providers.CodecOf(providers.Name(name)); !ok {
		e.Violate("provider", providerRule())
	}
	return name, ok
}

// twice reports whether the provider or the account is given twice. Which of them is meant decides every
// other rule.
func twice(c *doccheck.Check) bool {
	err := c.Err()
	return err != nil && slices.ContainsFunc(err.Violations, func(v providers.Violation) bool { return v.Path == "provider" || v.Path == "account" })
}

func providerRule() string {
	var names []string
	for _, n := range providers.All() {
		names = append(names, fmt.Sprintf("%q", n))
	}
	return "must be " + strings.Join(names, " or ")
}
