package frontdoor_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"

	"issuance/internal/frontdoor"
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
