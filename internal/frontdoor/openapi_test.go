package frontdoor_test

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"

	"issuance/internal/frontdoor"
	"issuance/internal/thinevent"
	"issuance/providers"
	"issuance/tasks"
	"issuance/tasks/order"
)

// description is the front door's own, for checking what it takes and answers.
var description = sync.OnceValues(func() (validator.Validator, error) {
	raw, err := json.Marshal(frontdoor.New(frontdoor.Config{}).OpenAPI())
	if err != nil {
		return nil, err
	}
	doc, err := libopenapi.NewDocument(raw)
	if err != nil {
		return nil, err
	}
	v, errs := validator.NewValidator(doc)
	if len(errs) > 0 {
		return nil, errs[0]
	}
	return v, nil
})

var describing sync.Mutex

// described checks that an answer, and a request that was right, are as the OpenAPI description says.
func (h *house) described(req *http.Request, res *http.Response, body []byte) {
	h.t.Helper()
	if res.StatusCode < 400 && !strings.HasPrefix(req.URL.Path, "/v1/bulk") {
		h.requestDescribed(req)
	}
	h.answerDescribed(req, res, body)
	h.headersDescribed(req, res)
}

// headersDescribed checks that an answer has every header that it must have, and none of those that the description is about
// at a status where it does not say so.
func (h *house) headersDescribed(req *http.Request, res *http.Response) {
	h.t.Helper()
	op := operationOf(h.server.OpenAPI(), req)
	if op == nil {
		return
	}
	described := op.Responses[strconv.Itoa(res.StatusCode)]
	if described == nil {
		h.t.Errorf("%s %s: %d is not described", req.Method, req.URL.Path, res.StatusCode)
		return
	}
	for name, header := range described.Headers {
		if header.Required && res.Header.Get(name) == "" {
			h.t.Errorf("%s %s: %d has no %s", req.Method, req.URL.Path, res.StatusCode, name)
		}
	}
	for _, name := range []string{"Retry-After", "WWW-Authenticate", "ETag", "Location", "X-Request-Id", "Preference-Applied"} {
		if res.Header.Get(name) != "" && described.Headers[name] == nil {
			h.t.Errorf("%s %s: %d has %s, which is not described", req.Method, req.URL.Path, res.StatusCode, name)
		}
	}
}

// operationOf is what a description says of a request's operation; nil for one that it does not have.
func operationOf(api *huma.OpenAPI, req *http.Request) *huma.Operation {
	asked := strings.Split(req.URL.EscapedPath(), "/")
	for path, item := range api.Paths {
		steps := strings.Split(path, "/")
		if len(steps) != len(asked) || !slices.EqualFunc(steps, asked, func(step, text string) bool { return step == text || strings.HasPrefix(step, "{") }) {
			continue
		}
		if op := map[string]*huma.Operation{http.MethodGet: item.Get, http.MethodPut: item.Put, http.MethodPost: item.Post}[req.Method]; op != nil {
			return op
		}
	}
	return nil
}

func (h *house) requestDescribed(req *http.Request) {
	h.t.Helper()
	describing.Lock()
	defer describing.Unlock()
	v, err := description()
	if err != nil {
		h.t.Fatal(err)
	}
	if ok, errs := v.ValidateHttpRequest(req); !ok {
		for _, e := range errs {
			h.t.Errorf("%s %s is not as described: %s: %s %v", req.Method, req.URL.Path, e.Message, e.Reason, e.SchemaValidationErrors)
		}
	}
}

// answerDescribed checks an answer alone.
func (h *house) answerDescribed(req *http.Request, res *http.Response, body []byte) {
	h.t.Helper()
	if len(body) == 0 || strings.Contains(res.Header.Get("Content-Type"), "ndjson") {
		return // a description knows no lines
	}
	if res.StatusCode == http.StatusNotFound && bytes.Contains(body, []byte(`"not_found"`)) || res.StatusCode == http.StatusMethodNotAllowed {
		return // no operation
	}
	describing.Lock()
	defer describing.Unlock()
	v, err := description()
	if err != nil {
		h.t.Fatal(err)
	}
	answer := *res
	answer.Body = io.NopCloser(bytes.NewReader(body))
	if ok, errs := v.ValidateHttpResponse(req, &answer); !ok {
		for _, e := range errs {
			h.t.Errorf("the answer to %s %s is not as described: %s: %s", req.Method, req.URL.Path, e.Message, e.Reason)
			for _, s := range e.SchemaValidationErrors {
				h.t.Errorf("    %s: %s", s.FieldPath, s.Reason)
			}
		}
	}
}

func TestTheDescriptionIsValidOpenAPI(t *testing.T) {
	v, err := description()
	if err != nil {
		t.Fatal(err)
	}
	if ok, errs := v.ValidateDocument(); !ok {
		for _, e := range errs {
			t.Errorf("%s: %s %v", e.Message, e.Reason, e.SchemaValidationErrors)
		}
	}
	raw, err := json.MarshalIndent(frontdoor.New(frontdoor.Config{}).OpenAPI(), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if path := os.Getenv("ISSUANCE_WRITE_OPENAPI"); path != "" {
		if err := os.WriteFile(path, raw, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// The examples of the description are documents that are taken as they are.
func TestTheExamplesOfTheDescriptionAreTaken(t *testing.T) {
	h := open(t, "")
	raw, err := json.Marshal(h.server.OpenAPI())
	if err != nil {
		t.Fatal(err)
	}
	var d struct {
		Paths map[string]map[string]struct {
			RequestBody struct {
				Content map[string]struct {
					Examples map[string]struct{ Value json.RawMessage }
				}
			}
		}
	}
	if err := json.Unmarshal(raw, &d); err != nil {
		t.Fatal(err)
	}
	tried := 0
	for path, operations := range d.Paths {
		for method, op := range operations {
			for name, e := range op.RequestBody.Content["application/json"].Examples {
				account := map[bool]string{true: "pass2u:main", false: "ecticket:2000132"}[name == "pass2u"]
				at := strings.NewReplacer("{account}", account, "{order_id}", "E"+name, "{refund_id}", "R"+name).Replace(path)
				var key []string
				if path == "/v1/orders" {
					key = []string{"Idempotency-Key", "example-" + name}
				}
				if a := h.call(strings.ToUpper(method), at, string(e.Value), key...); a.StatusCode != http.StatusCreated {
					t.Errorf("%s %s, example %s: %d %s", method, at, name, a.StatusCode, a.text)
				}
				tried++
			}
		}
	}
	if tried < 6 {
		t.Errorf("%d examples", tried)
	}
}

// The description has the values of every typed list, and headers where they are sent.
func TestTheDescriptionListsValuesAndHeaders(t *testing.T) {
	api := frontdoor.New(frontdoor.Config{}).OpenAPI()
	schemas := api.Components.Schemas.Map()
	ofOrder := append(order.OrderStates(), tasks.Unrecorded)
	for place, want := range map[string][]string{
		"Status.state": texts(ofOrder), "RefundStatus.state": texts(order.RefundStates()), "RefundTicket.state": texts(order.TicketStates()), "Status.lane": texts(order.Lanes()),
		"Problem.code": texts(frontdoor.Codes()), "BulkLine.code": texts(frontdoor.Codes()), "PagedEvent.type": thinevent.Types(),
		"StatusError.code": productCodes(), "Listed.code": productCodes(), "RefundTicket.code": productCodes(), "Status.review_code": productCodes(), "EventData.code": productCodes(),
		"Ticket.use_status": texts(providers.UseStatuses()),
	} {
		name, property, _ := strings.Cut(place, ".")
		schema := schemas[name]
		if schema == nil || schema.Properties[property] == nil {
			t.Errorf("no %s", place)
			continue
		}
		p := schema.Properties[property]
		list := p.Enum
		if len(p.AnyOf) == 2 { // or a text of the provider's
			list = p.AnyOf[0].Enum
		}
		var got []string
		for _, v := range list {
			got = append(got, v.(string))
		}
		if slices.Sort(got); !slices.Equal(got, slices.Sorted(slices.Values(want))) {
			t.Errorf("%s: %v, want %v", place, got, want)
		}
	}
	var seen []string
	for _, item := range api.Paths {
		for _, op := range []*huma.Operation{item.Get, item.Put, item.Post} {
			if op == nil {
				continue
			}
			for status, res := range op.Responses {
				for name := range res.Headers {
					seen = append(seen, status+" "+name)
				}
				if res.Headers["X-Request-Id"] == nil {
					t.Errorf("%s: %s has no X-Request-Id", op.OperationID, status)
				}
			}
			for _, p := range op.Parameters {
				seen = append(seen, "request "+p.Name)
			}
		}
	}
	for _, want := range []string{"401 WWW-Authenticate", "429 Retry-After", "503 Retry-After", "200 ETag", "304 ETag", "201 Location", "200 Location", "200 Preference-Applied", "request Idempotency-Key", "request X-Request-Id"} {
		if !slices.Contains(seen, want) {
			t.Errorf("no %s", want)
		}
	}
	for _, never := range []string{"422 Retry-After", "422 Location", "304 Location"} {
		if slices.Contains(seen, never) {
			t.Errorf("%s is described and never sent", never)
		}
	}
}

func texts[T ~string](list []T) (out []string) {
	for _, v := range list {
		out = append(out, string(v))
	}
	return out
}

func productCodes() (out []string) {
	for _, c := range order.Codes() {
		out = append(out, string(c.Code))
	}
	return out
}

// Every constant of a typed list is in it; the list is what the description shows.
func TestEveryCodeIsListed(t *testing.T) {
	for dir, of := range map[string]struct {
		kind string
		list []string
	}{".": {"Code", texts(frontdoor.Codes())}, "../../tasks/order": {"TicketState", texts(order.TicketStates())}, "../../providers": {"UseStatus", texts(providers.UseStatuses())}} {
		declared := constants(t, dir, of.kind)
		if slices.Sort(declared); !slices.Equal(declared, slices.Sorted(slices.Values(of.list))) || len(declared) == 0 {
			t.Errorf("%s: declared are %v, listed %v", of.kind, declared, of.list)
		}
	}
}

// constants are the values of a type's constants in a folder.
func constants(t *testing.T, dir, kind string) (out []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok {
				return true
			}
			if of, ok := spec.Type.(*ast.Ident); !ok || of.Name != kind || len(spec.Values) != 1 {
				return true
			}
			if value, ok := spec.Values[0].(*ast.BasicLit); ok {
				text, err := strconv.Unquote(value.Value)
				if err != nil {
					t.Fatal(err)
				}
				out = append(out, text)
			}
			return true
		})
	}
	return out
}
