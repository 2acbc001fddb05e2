package tracing

import (
	"go.opentelemetry.io/otel/attribute"

	"issuance/providers"
	"issuance/tasks/order"
)

// Attr is one attribute of a span. It is written out when there is a span, and costs nothing without.
type Attr struct {
	key  attribute.Key
	what what
	text string
	n    int
	ref  order.Ref
}

type what uint8

const (
	text what = iota
	number
	account
	orderName
)

func (a Attr) value() attribute.KeyValue {
	switch a.what {
	case number:
		return a.key.Int(a.n)
	case account:
		return a.key.String(a.ref.Account.String())
	case orderName:
		return a.key.String(a.ref.Order().String())
	default:
		return a.key.String(a.text)
	}
}

// values are the attributes that say something.
func values(attrs []Attr) []attribute.KeyValue {
	out := make([]attribute.KeyValue, 0, len(attrs))
	for _, a := range attrs {
		if a.what != text || a.text != "" {
			out = append(out, a.value())
		}
	}
	return out
}

// Account is whose sale it is.
func Account(a providers.Account) Attr {
	return Attr{key: "issuance.account", what: account, ref: order.Ref{Account: a}}
}

// Order names an order, and the account with it.
func Order(r order.Ref) Attr { return Attr{key: "issuance.order", what: orderName, ref: r} }

// Refund is a refund's id, which orders have none of.
func Refund(r order.Ref) Attr { return Attr{key: "issuance.refund", text: r.RefundID} }

// Outcome is a word of ours for how it ended, or a code that is safe to show.
func Outcome(word string) Attr { return Attr{key: "issuance.outcome", text: word} }

// Code is an outcome's code.
func Code(code string) Attr { return Attr{key: "issuance.code", text: code} }

// State is where a record stands.
func State(s order.State) Attr { return Attr{key: "issuance.state", text: string(s)} }

// Webhook names an endpoint.
func Webhook(name string) Attr { return Attr{key: "issuance.webhook", text: name} }

// Method is an HTTP request's.
func Method(m string) Attr { return Attr{key: "http.request.method", text: m} }

// Route is the pattern of an HTTP request's path, not the path.
func Route(pattern string) Attr { return Attr{key: "http.route", text: pattern} }

// Status is an HTTP answer's, 0 for none.
func Status(n int) Attr { return Attr{key: "http.response.status_code", what: number, n: n} }
