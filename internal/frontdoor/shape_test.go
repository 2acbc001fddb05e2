package frontdoor_test

import (
	"net/http"
	"strings"
	"testing"

	"issuance/internal/frontdoor"
)

// violation is the one at a place, and a pointer.
func violation(t *testing.T, p frontdoor.Problem, where string) frontdoor.ProblemViolation {
	t.Helper()
	for _, v := range p.Violations {
		if v.Where == where {
			return v
		}
	}
	t.Errorf("nothing is wrong at %s: %+v", where, p)
	return frontdoor.ProblemViolation{}
}

// JSON that is nested too deep is refused as that, and not as text that is no JSON.
func TestABodyThatIsNestedTooDeepIsNoSyntaxError(t *testing.T) {
	h := open(t, "")
	deep := strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000)
	for path, text := range map[string]string{at + "A1": `{"a":` + deep + "}", at + "A2": deep, at + "A1/refunds/R1": `{"a\"{":` + deep + "}"} {
		var p frontdoor.Problem
		h.want(http.StatusUnprocessableEntity, &p, http.MethodPut, path, text)
		if v := violation(t, p, "body"); v.Rule != "must be nested at most 10,000 deep" || v.Shape != "nested deeper" {
			t.Errorf("%s: %+v", path, v)
		}
	}
	var p frontdoor.Problem
	h.want(http.StatusUnprocessableEntity, &p, http.MethodPost, "/v1/orders", `{"provider":"ecticket","request":`+deep+"}")
	if v := violation(t, p, "body"); v.Shape != "nested deeper" {
		t.Errorf("%+v", v)
	}
	h.want(http.StatusUnprocessableEntity, &p, http.MethodPut, at+"A1", strings.Repeat("[],", 20_000))
	if v := violation(t, p, "body"); !strings.Contains(v.Rule, "well-formed JSON") {
		t.Errorf("a list: %+v", v)
	}
}

// A body that is null is said to be null, and not to be missing.
func TestABodyThatIsNullIsNotMissing(t *testing.T) {
	h := open(t, "")
	for _, path := range []string{at + "A1", at + "A1/refunds/R1"} {
		var p frontdoor.Problem
		h.want(http.StatusUnprocessableEntity, &p, http.MethodPut, path, " null\n")
		if v := violation(t, p, "body"); v.Shape != "null" {
			t.Errorf("%s: %+v", path, v)
		}
	}
}

// A violation of a parameter says what is there, without its value.
func TestViolationsOfParametersHaveAShape(t *testing.T) {
	h := open(t, "")
	for _, c := range []struct {
		status              int
		method, path, where string
		shape               string
	}{
		{422, http.MethodGet, at + strings.Repeat("9", 70), "path order_id", "string of 70 characters"},
		{422, http.MethodPut, at + strings.Repeat("9", 70), "path order_id", "string of 70 characters"},
		{422, http.MethodGet, at + "A1?wait=-1", "query wait", "string of 2 characters"},
		{422, http.MethodGet, "/v1/orders?limit=5000", "query limit", "string of 4 characters"},
		{422, http.MethodGet, "/v1/orders?since=secret", "query since", "string of 6 characters"},
		{422, http.MethodGet, "/v1/events?after=secret", "query after", "string of 6 characters"},
		{422, http.MethodGet, "/v1/orders?secret=x", "query secret", "string of 1 character"},
		{404, http.MethodGet, "/v1/orders/secret/A1", "path account", "string of 6 characters"},
		{422, http.MethodPut, "/v1/orders/secret/A1", "path account", "string of 6 characters"},
		{422, http.MethodPost, "/v1/bulk?account=secret", "query account", "string of 6 characters"},
	} {
		content := ""
		if c.method != http.MethodGet {
			content = body
		}
		var p frontdoor.Problem
		h.want(c.status, &p, c.method, c.path, content)
		if v := violation(t, p, c.where); v.Shape != c.shape {
			t.Errorf("%s %.40s: %+v", c.method, c.path, v)
		}
	}
}

// Whatever of a request is refused, it says that nothing was enqueued, or done.
func TestARefusalSaysThatNothingWasDone(t *testing.T) {
	h := open(t, "")
	var p frontdoor.Problem
	h.want(http.StatusUnprocessableEntity, &p, http.MethodPost, "/v1/orders", `{"provider":"ecticket","request":`+body+"}", "Idempotency-Key", strings.Repeat("k", 256))
	if v := violation(t, p, "header Idempotency-Key"); v.Shape != "string of 256 characters" || !strings.HasSuffix(p.Detail, "; nothing was enqueued") {
		t.Errorf("%+v", p)
	}
	if h.want(http.StatusUnprocessableEntity, &p, http.MethodPut, at+"A1", body, "Idempotency-Key", "k"); !strings.HasSuffix(p.Detail, "; nothing was enqueued") {
		t.Errorf("%+v", p)
	}
	if h.want(http.StatusUnprocessableEntity, &p, http.MethodPost, at+"A1/cancel?x=y", ""); !strings.HasSuffix(p.Detail, "; nothing was done") {
		t.Errorf("%+v", p)
	}
	if h.want(http.StatusUnprocessableEntity, &p, http.MethodGet, at+"A1?x=y", ""); strings.Contains(p.Detail, "nothing") {
		t.Errorf("%+v", p)
	}
}
