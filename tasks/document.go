package tasks

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"time"
	"unicode/utf8"

	"issuance/internal/doccheck"
	"issuance/internal/ledger"
	"issuance/providers"
	"issuance/providers/ecticket/ecticketdoc"
	"issuance/providers/pass2u/pass2udoc"
)

// Rules are what documents are checked against besides the providers' own rules.
type Rules struct {
	// MerchantID is the ECTicket merchant orders are issued for. A document may leave its
	// MerchantID out; one that holds another is refused. Default: not checked.
	MerchantID string
	// Escrow allows and requires the fields of ECTicket's escrow mode. Default false.
	Escrow bool
	// Now is the clock for rules about dates. Default time.Now.
	Now func() time.Time
}

func (r Rules) ecticket() ecticketdoc.Options {
	now := time.Now
	if r.Now != nil {
		now = r.Now
	}
	return ecticketdoc.Options{MerchantID: r.MerchantID, Escrow: r.Escrow, Now: now()}
}

// Order is a validated order document. It holds customer data in Request and hides it when
// printed.
type Order struct {
	Provider  providers.Name
	ID        string
	Tickets   int             // number of tickets ordered
	Calls     int             // provider calls that issuing it takes when all goes well
	Request   json.RawMessage // the provider's own request body, as it came
	canonical []byte
	shape     []byte
}

// Refund is a validated refund document.
type Refund struct {
	Provider  providers.Name
	OrderID   string
	RefundID  string
	Request   json.RawMessage
	canonical []byte
	shape     []byte
}

func (o Order) String() string { return string(o.Provider) + "/" + o.ID }

// GoString keeps customer data out of %#v.
func (o Order) GoString() string { return "tasks.Order(" + o.String() + ")" }

func (r Refund) String() string {
	return string(r.Provider) + "/" + r.OrderID + "/" + r.RefundID
}

// GoString keeps ticket numbers out of %#v.
func (r Refund) GoString() string { return "tasks.Refund(" + r.String() + ")" }

// LogValue keeps customer data out of logs, those in JSON included.
func (o Order) LogValue() slog.Value { return slog.StringValue(o.String()) }

// LogValue keeps ticket numbers out of logs, those in JSON included.
func (r Refund) LogValue() slog.Value { return slog.StringValue(r.String()) }

// Key is the order's name in the ledger.
func (o *Order) Key() ledger.Key { return ledger.Key{Provider: o.Provider, OrderID: o.ID} }

// Key is the refund's name in the ledger.
func (r *Refund) Key() ledger.RefundKey {
	return ledger.RefundKey{Key: ledger.Key{Provider: r.Provider, OrderID: r.OrderID}, RefundID: r.RefundID}
}

// document is what all kinds of documents offer their envelope.
type document interface {
	Canonical() []byte
	Shape() map[string]any
}

func describe(d document) (canonical, shape []byte) {
	if quick, ok := d.(interface{ ShapeJSON() []byte }); ok { // the same bytes, see the tests of the documents
		return d.Canonical(), quick.ShapeJSON()
	}
	shape, err := json.Marshal(d.Shape())
	if err != nil {
		shape = []byte("{}") // shapes are maps of strings and numbers
	}
	return d.Canonical(), shape
}

// ParseOrder reads {"provider":…,"request":{…}}. Its error is a *providers.InvalidError that
// lists every violation.
func ParseOrder(raw []byte, rules Rules) (*Order, error) {
	var c doccheck.Check
	provider, env, ok := envelope(&c, raw, "provider", "request")
	if !ok {
		return nil, c.Err()
	}
	return parseRequest(&c, provider, bytes.Clone(env.Raw("request")), rules, func() { env.Require("request", requestRule) })
}

const requestRule = "must hold the provider's request body"

// ParseRequest is ParseOrder for a request without its envelope. wellFormed says that the caller
// has made the JSON itself and gives it away; when it is not well-formed then, ParseRequest may
// panic.
func ParseRequest(p providers.Name, request []byte, rules Rules, wellFormed bool) (*Order, error) {
	var c doccheck.Check
	if !p.Known() {
		c.Violate("provider", providerRule, "unknown provider")
		return nil, c.Err()
	}
	if !wellFormed {
		if err := checkWellFormed(request); err != nil {
			c.Violate("request", notWellFormed(err, request), "")
			return nil, c.Err()
		}
		request = bytes.Clone(request)
	}
	c.Text("request", request)
	return parseRequest(&c, p, request, rules, func() { c.Violate("request", requestRule, "missing") })
}

// parseRequest checks a well-formed request; missing records that there is none.
func parseRequest(c *doccheck.Check, provider providers.Name, request json.RawMessage, rules Rules, missing func()) (*Order, error) {
	o := &Order{Provider: provider, Request: request}
	if !doccheck.Present(request) {
		missing()
		return nil, c.Err()
	}
	switch provider {
	case providers.ECTicket:
		opt := rules.ecticket()
		opt.WellFormed = true
		d, err := ecticketdoc.Parse("request", o.Request, opt)
		if c.Add(err); err == nil {
			o.ID, o.Tickets, o.Calls = d.ID(), d.TicketCount(), IssueCalls(provider, d.IssueType)
			o.canonical, o.shape = describe(d)
		}
	case providers.Pass2U:
		d, err := pass2udoc.Parse("request", o.Request)
		if c.Add(err); err == nil {
			o.ID, o.Tickets, o.Calls = d.ID(), d.TicketCount(), IssueCalls(provider, "")
			o.canonical, o.shape = describe(d)
		}
	}
	if err := c.Err(); err != nil {
		return nil, err
	}
	return o, nil
}

// IssueCalls is how many provider calls it takes to issue an order when all goes well. issueType is
// ECTicket's IssueType.
func IssueCalls(p providers.Name, issueType string) int {
	switch {
	case p == providers.Pass2U:
		return 1
	case issueType == ecticketdoc.SerialOnly:
		return 3 // nobody but us delivers the numbers, so they are fetched
	}
	return 2
}

var refundIDPattern = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// ParseRefund reads {"provider":…,"refund_id":…,"request":{…}}. Its error is a
// *providers.InvalidError that lists every violation.
func ParseRefund(raw []byte, _ Rules) (*Refund, error) {
	var c doccheck.Check
	provider, env, ok := envelope(&c, raw, "provider", "refund_id", "request")
	if !ok {
		return nil, c.Err()
	}
	r := &Refund{Provider: provider, Request: bytes.Clone(env.Raw("request"))}
	const idRule = "must be the caller's own id of this refund: 1 to 64 letters, digits, '.', '_' or '-'; repeating a refund with the same id refunds once"
	if env.Require("refund_id", idRule) {
		if id, ok := env.String("refund_id"); ok && !refundIDPattern.MatchString(id) {
			env.Violate("refund_id", idRule)
		} else {
			r.RefundID = id
		}
	}
	env.Require("request", "must name the order and what to refund of it")
	if env.Has("request") {
		switch provider {
		case providers.ECTicket:
			d, err := ecticketdoc.ParseRefund("request", r.Request, ecticketdoc.Options{})
			if c.Add(err); err == nil {
				r.OrderID = d.OrderID()
				r.canonical, r.shape = describe(d)
			}
		case providers.Pass2U:
			d, err := pass2udoc.ParseRefund("request", r.Request)
			if c.Add(err); err == nil {
				r.OrderID = d.OrderID()
				r.canonical, r.shape = describe(d)
			}
		}
	}
	if err := c.Err(); err != nil {
		return nil, err
	}
	return r, nil
}

// envelope reads the outer object. ok is false when the rest makes no sense without it.
func envelope(c *doccheck.Check, raw []byte, known ...string) (providers.Name, doccheck.Object, bool) {
	if err := checkWellFormed(raw); err != nil {
		c.Violate("document", notWellFormed(err, raw), "")
		return "", doccheck.Object{}, false
	}
	c.Text("", raw)
	env, ok := c.WellFormedObject("", raw, known...)
	if !ok {
		return "", env, false
	}
	if !env.Require("provider", providerRule) {
		return "", env, false
	}
	name, ok := env.String("provider")
	if !ok {
		return "", env, false
	}
	if p := providers.Name(name); p.Known() {
		return p, env, true
	}
	env.Violate("provider", providerRule)
	return "", env, false
}

const providerRule = `must be "ecticket" or "pass2u"`

// notWellFormed is the rule that a text breaks which is no JSON. Another encoding is a likely
// cause: characters of Big5 may hold a backslash or a bracket.
func notWellFormed(err error, raw []byte) string {
	rule := "must be well-formed JSON: " + err.Error()
	if !utf8.Valid(raw) {
		rule += ", and it is not UTF-8"
	}
	return rule
}

// checkWellFormed tells where a JSON text breaks, without telling what stands there.
func checkWellFormed(raw []byte) error {
	if json.Valid(raw) {
		return nil
	}
	var v json.RawMessage
	dec := json.NewDecoder(bytes.NewReader(raw))
	err := dec.Decode(&v)
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &syntax):
		return fmt.Errorf("syntax error at byte %d", syntax.Offset)
	case errors.Is(err, io.EOF):
		return errors.New("it is empty")
	case err != nil:
		return errors.New("it ends too early")
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("something follows the document at byte %d", dec.InputOffset())
	}
	return nil
}
