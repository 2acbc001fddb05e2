package frontdoor

import (
	"context"
	"errors"
	"net/http"
	"reflect"
	"strconv"

	"github.com/danielgtaylor/huma/v2"
)

// operation describes one. errors are the problems that it may answer, besides those that all may.
func operation(method, path, id, tag, summary, text string, status int, errors ...int) huma.Operation {
	return huma.Operation{Method: method, Path: path, OperationID: id, Tags: []string{tag}, Summary: summary, Description: text, DefaultStatus: status,
		Errors:       append([]int{400, 401, 403, 404, 408, 422, 429, 431, 500, 503}, errors...),
		MaxBodyBytes: mostDocument, SkipValidateBody: true,
		Security: []map[string][]string{{"token": {}}, {}}}
}

// register adds an operation. huma describes a raw body as bytes, which says nothing to whoever writes a client, so the
// operation's own description of it is put in its place.
func register[I, O any](s *Server, op huma.Operation, handle func(context.Context, *I) (*O, error)) {
	body := op.RequestBody
	op.RequestBody = nil
	if op.BodyReadTimeout == 0 {
		op.BodyReadTimeout = s.Timeout
	}
	op.Middlewares = append(op.Middlewares, s.noteStray)
	huma.Register(s.api, op, func(ctx context.Context, in *I) (*O, error) {
		if at := seenOf(ctx).request; len(at.stray) > 0 {
			return nil, noted(ctx, at.refusal(ctx, at.stray))
		}
		out, err := handle(ctx, in)
		var p *Problem
		if errors.As(err, &p) {
			seenOf(ctx).request.shape(p)
		}
		return out, err
	})
	if body == nil {
		return
	}
	item := s.api.OpenAPI().Paths[op.Path]
	map[string]*huma.Operation{http.MethodPut: item.Put, http.MethodPost: item.Post}[op.Method].RequestBody = body
}

// placing completes the description of an operation that enqueues a document: what the body is, and that a repetition
// is answered with 200.
func (s *Server) placing(op huma.Operation, text string, examples map[string]string) huma.Operation {
	media := &huma.MediaType{Schema: &huma.Schema{Type: "object", Description: text, AdditionalProperties: true}, Examples: map[string]*huma.Example{}}
	for name, raw := range examples {
		media.Examples[name] = &huma.Example{Value: rawJSON(raw)}
	}
	op.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{"application/json": media}}
	op.Responses = map[string]*huma.Response{strconv.Itoa(http.StatusOK): {
		Description: "The same document was there already; this is where it stands",
		Content:     map[string]*huma.MediaType{"application/json": {Schema: s.schema(reflect.TypeFor[Status]())}}}}
	return op
}

func (s *Server) schema(t reflect.Type) *huma.Schema {
	return s.api.OpenAPI().Components.Schemas.Schema(t, true, t.Name())
}

// lines describes an answer that is a stream; schema is what each line is like.
func lines(kind, text string, schema *huma.Schema) map[string]*huma.Response {
	return map[string]*huma.Response{"200": {Description: text, Content: map[string]*huma.MediaType{kind: {Schema: schema}}}}
}

// rawJSON is an example as the description holds it.
type rawJSON string

// MarshalJSON implements json.Marshaler.
func (r rawJSON) MarshalJSON() ([]byte, error) { return []byte(r), nil }

// Examples of requests, as the providers print them.
const (
	exampleECTicket = `{"IssueType":"4","Operator":"AngelaChan","TicketInfo":[{"ItemName":"五星渡假飯店假日住宿券","TicketPrice":6600,"TicketAmount":2},` +
		`{"ItemName":"SPA課程體驗券","TicketPrice":3200,"TicketAmount":4}]}`
	examplePass2U = `{"productSaleId":"02955ccca3352ef0734a4aecc9f86083","quantity":2,"pickupType":"voucher","mailTo":"kan@gmail.com"}`
)

// examples of each kind of body, by name.
var (
	exampleRequests  = map[string]string{"ecticket": exampleECTicket, "pass2u": examplePass2U}
	exampleDocuments = map[string]string{
		"ecticket": `{"provider":"ecticket","request":` + exampleECTicket + `}`, "pass2u": `{"provider":"pass2u","request":` + examplePass2U + `}`}
	exampleRefunds = map[string]string{"all": `{"all":true}`, "quantity": `{"quantity":1}`, "tickets": `{"TicketNo":["20220302001","20220302002"]}`}
)

const (
	aboutRequest  = "The provider's own request, in its own field names: Issue Data of ECTicket, the body of generate of Pass2U."
	aboutDocument = `{"provider":…,"request":{…}}, optionally with "account"; the request is the provider's own.`
	aboutNumber   = `ECTicket's goes to FreeTradeNo where every item has ExpireDate, so that all are gift vouchers, else to MerchantTradeNo.`
	aboutRefund   = `What to refund of the order: {"TicketNo":["…"]} (ECTicket), {"quantity":n} or {"all":true}.`
)
