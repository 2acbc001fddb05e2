package frontdoor

import (
	"maps"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"issuance/internal/thinevent"
	"issuance/providers"
	"issuance/tasks"
	"issuance/tasks/order"
)

// complete adds what huma does not derive from types: the values of typed lists, and headers.
func (s *Server) complete() {
	api := s.api.OpenAPI()
	schemas := api.Components.Schemas
	for name, schema := range schemas.Map() {
		schema.AdditionalProperties = nil // a field more is no reason for a client to refuse an answer
		if t := schemas.TypeFromRef("#/components/schemas/" + name); t != nil {
			describeValues(t, schema)
		}
	}
	for _, item := range api.Paths {
		for _, op := range []*huma.Operation{item.Get, item.Put, item.Post} {
			if op != nil {
				describeHeaders(op)
			}
		}
	}
}

// values are those that a type can have.
type values struct {
	list []any
	open bool // others may come, of a provider's own
}

func listed[T ~string](open bool, list ...T) values {
	v := values{open: open}
	for _, one := range list {
		v.list = append(v.list, string(one))
	}
	return v
}

// productCodes are the codes of records; a provider's stand in its own spelling.
func productCodes() values {
	var list []order.Code
	for _, c := range order.Codes() {
		list = append(list, c.Code)
	}
	return listed(true, list...)
}

// valuesOf are the values of a field, by the type that has it, its name and its own type; none for a field of any value.
func valuesOf(of reflect.Type, name string, field reflect.Type) values {
	switch of {
	case reflect.TypeFor[Status](): // an order of which only refunds are known is unrecorded
		if name == "state" {
			return listed(false, append(order.OrderStates(), tasks.Unrecorded)...)
		}
	case reflect.TypeFor[tasks.RefundStatus]():
		if name == "state" {
			return listed(false, order.RefundStates()...)
		}
	case reflect.TypeFor[thinevent.Event](), reflect.TypeFor[PagedEvent]():
		if name == "type" {
			return listed(false, thinevent.Types()...)
		}
	case reflect.TypeFor[thinevent.EventData]():
		if name == "state" {
			return listed(false, append(states(), order.State(providers.Redeemed))...)
		}
	}
	switch field {
	case reflect.TypeFor[tasks.State]():
		return listed(false, states()...)
	case reflect.TypeFor[tasks.TicketState]():
		return listed(false, order.TicketStates()...)
	case reflect.TypeFor[tasks.Lane]():
		return listed(false, order.Lanes()...)
	case reflect.TypeFor[providers.UseStatus]():
		return listed(true, providers.UseStatuses()...)
	case reflect.TypeFor[Code]():
		return listed(false, Codes()...)
	case reflect.TypeFor[string]():
		if name == "code" || strings.HasSuffix(name, "_code") {
			return productCodes()
		}
	}
	return values{}
}

// describeValues puts the values of a struct's fields into its schema.
func describeValues(t reflect.Type, schema *huma.Schema) {
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		property := schema.Properties[name]
		if property == nil || f.Anonymous {
			continue
		}
		switch v := valuesOf(t, name, f.Type); {
		case v.list == nil:
		case v.open:
			property.AnyOf = []*huma.Schema{{Type: property.Type, Enum: v.list}, {Type: property.Type}}
			property.Type = ""
		default:
			property.Enum = v.list
		}
	}
}

// text is the description of a header that is a text.
func text(about, example string) *huma.Header {
	h := &huma.Header{Description: about, Schema: &huma.Schema{Type: huma.TypeString}}
	if example != "" {
		h.Example = example
	}
	return h
}

// Headers of answers by status, besides those that huma takes from an operation's output.
var statusHeaders = map[string]map[string]*huma.Header{
	"304": {"ETag": text("the status is still the one with this ETag", "")},
	"401": {"WWW-Authenticate": text("Bearer", "Bearer")},
	"429": {"Retry-After": retryAfterHeader},
	"503": {"Retry-After": retryAfterHeader},
}

var retryAfterHeader = &huma.Header{Description: "after so many seconds the request may be repeated, which is always safe", Required: true,
	Schema: &huma.Schema{Type: huma.TypeInteger, Minimum: new(float64)}}

// describeHeaders describes those that every request may and every answer does have, and those of single statuses.
func describeHeaders(op *huma.Operation) {
	op.Parameters = append(op.Parameters, &huma.Param{Name: requestIDHeader, In: "header", Example: "checkout-7f3a9c21",
		Description: "the caller's id of the request, for both logs: 8 to 64 letters, digits, '.', '_' or '-'; anything else is left out of account",
		Schema:      &huma.Schema{Type: huma.TypeString}})
	for status, res := range op.Responses {
		if res.Headers == nil {
			res.Headers = map[string]*huma.Header{}
		}
		id := text("the request's id: the caller's, or a new one", "")
		id.Required, id.Schema.Pattern = true, requestIDForm
		res.Headers[requestIDHeader] = id
		maps.Copy(res.Headers, statusHeaders[status])
	}
	if again, made := op.Responses["200"], op.Responses["201"]; made != nil && again != nil { // a repetition has what the first had
		maps.Copy(again.Headers, made.Headers)
	}
}
