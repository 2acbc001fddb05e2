// Package toyprovider is a provider that nobody sells tickets at: documents, client and simulator of
// the smallest kind that passes the conformance suite. It proves that a provider is added by its own
// folder and one registered codec, and is the example of docs/adding-a-provider.md.
//
// Importing it registers its codec under the name "toy". It is imported by tests only, which a test
// holds. It imports packages providers and providers/vitals, internal/doccheck, internal/baseurl and internal/httpcall.
package toyprovider

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"time"

	"issuance/internal/doccheck"
	"issuance/providers"
)

// Name is the provider's.
const Name providers.Name = "toy"

func init() { providers.Register(Codec()) }

// Codec is what the product knows of the toy's documents.
func Codec() providers.Codec {
	return providers.Codec{
		Name:            Name,
		Title:           "Toy",
		DefaultMerchant: "main",
		ParseOrder:      parseOrder,
		ParseRefund:     parseRefund,
		Canonical:       canonical,
		OtherOrder:      func(json.RawMessage, providers.Order) string { return "" }, // a number is one order's
		RefundedBy: func(refund, order json.RawMessage) (operator, storeID string) {
			return cmp.Or(read(refund).Clerk, read(order).Clerk, "clerk"), ""
		},
		Tickets:  func(request json.RawMessage) int { return read(request).Seats },
		Calls:    func(json.RawMessage) int { return calls },
		Mentions: []string{"toyNumber", "seats"},
		Columns: providers.Columns{Scalars: []string{"toyNumber", "seats", "buyer", "clerk"},
			Numbers: []string{"seats"}, IDs: []string{"toyNumber"}},
		Templates: []providers.Template{{Name: "toy", Meaning: "seats of the toy",
			Columns: [][2]string{{"toyNumber", "EXAMPLE1"}, {"seats", "2"}, {"buyer", "Ann Lee"}}}},
		Probe: func() providers.Order {
			return providers.Order{ID: "PROBE", Request: json.RawMessage(`{"toyNumber":"PROBE","seats":1}`)}
		},
		Check: func(f providers.ReviewFacts) string {
			ends := "issued, else failed"
			if f.RefundID != "" {
				ends = "refunded, partially_refunded or failed"
			}
			return fmt.Sprintf("ask for %s %s after it was last sent: %s", f.OrderID, f.Late, ends)
		},
		Time: func(text string) (time.Time, bool) {
			t, err := time.Parse(time.RFC3339, text)
			return t, err == nil
		},
	}
}

// calls: an order is issued, then asked for.
const calls = 2

// document is an order's request; of a refund's, Clerk and Number count.
type document struct {
	Number string `json:"toyNumber"`
	Seats  int    `json:"seats"`
	Buyer  string `json:"buyer,omitempty"` // customer data
	Clerk  string `json:"clerk,omitempty"`
}

// read reads a request that was validated before, or its stub. What cannot be read is empty.
func read(request json.RawMessage) (d document) {
	if json.Unmarshal(request, &d) != nil {
		return document{}
	}
	return d
}

const (
	numberRule = "must be 1 to 20 letters and digits"
	seatsRule  = "must be 1 to 100"
	buyerRule  = "must be 1 to 50 bytes"
)

var number = regexp.MustCompile(`^[A-Za-z0-9]{1,20}$`)

func object(c *doccheck.Check, path string, request json.RawMessage, wellFormed bool, known ...string) (doccheck.Object, bool) {
	if wellFormed {
		return c.WellFormedObject(path, request, known...)
	}
	return c.Object(path, request, known...)
}

func seats(o doccheck.Object) int {
	n, ok := o.Int("seats")
	if ok && (n < 1 || n > 100) {
		o.Violate("seats", seatsRule)
	}
	return n
}

func identifier(o doccheck.Object, name string) string {
	s, ok := o.String(name)
	if ok && !number.MatchString(s) {
		o.Violate(name, numberRule)
	}
	return s
}

func parseOrder(path string, request json.RawMessage, r providers.Rules) (*providers.OrderDocument, *providers.InvalidError) {
	var c doccheck.Check
	o, ok := object(&c, path, request, r.WellFormed, "toyNumber", "seats", "buyer", "clerk")
	if !ok {
		return nil, c.Err()
	}
	o.Require("toyNumber", numberRule)
	o.Require("seats", seatsRule)
	o.Require("buyer", buyerRule)
	d := document{Number: identifier(o, "toyNumber"), Seats: seats(o), Clerk: identifier(o, "clerk")}
	if d.Buyer, ok = o.String("buyer"); ok && len(d.Buyer) > 50 {
		o.Violate("buyer", buyerRule)
	}
	if err := c.Err(); err != nil {
		return nil, err
	}
	stub := d
	stub.Buyer = ""
	return &providers.OrderDocument{ID: d.Number, Tickets: d.Seats, Calls: calls,
		Canonical: encode(d), Shape: encode(map[string]int{"seats": d.Seats}), Stub: encode(stub)}, nil
}

func parseRefund(path string, request json.RawMessage, r providers.Rules) (*providers.RefundDocument, *providers.InvalidError) {
	var c doccheck.Check
	o, ok := object(&c, path, request, r.WellFormed, "toyNumber", "seats", "all", "clerk")
	if !ok {
		return nil, c.Err()
	}
	o.Require("toyNumber", numberRule)
	id, wish := identifier(o, "toyNumber"), providers.TicketWish{Quantity: seats(o)}
	wish.All, _ = o.Bool("all")
	if wish.All == (wish.Quantity > 0) {
		o.Violate("seats", "must be given, or all (true): one of the two")
	}
	clerk := identifier(o, "clerk")
	if err := c.Err(); err != nil {
		return nil, err
	}
	shape := map[string]any{"seats": wish.Quantity, "all": wish.All}
	return &providers.RefundDocument{OrderID: id, Wish: wish, Operator: clerk, Shape: encode(shape),
		Canonical: encode([]any{id, wish.Quantity, wish.All, clerk}),
		Outside:   &providers.Order{ID: id, Request: encode(document{Number: id})}}, nil
}

func canonical(request json.RawMessage) ([]byte, error) {
	var d document
	if json.Unmarshal(request, &d) != nil {
		return nil, errors.New("the document cannot be read")
	}
	return encode(d), nil
}

// encode writes texts and numbers, which always have a JSON.
func encode(v any) []byte {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return raw
}
