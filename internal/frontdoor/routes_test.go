package frontdoor_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"issuance/internal/doortest"
	"issuance/internal/frontdoor"
)

func TestAnotherMethodIsAnsweredWithThoseThatAPathTakes(t *testing.T) {
	h := open(t, "")
	for path, allow := range map[string]string{at + "A1": "GET, HEAD, PUT", "/v1/orders": "GET, HEAD, POST", "/v1/events/stream": "GET, HEAD", "/v1/bulk": "POST",
		at + "A1/cancel": "POST", at + "A1/refunds/R1": "PUT", "/readyz": "GET, HEAD"} {
		for _, method := range []string{http.MethodDelete, http.MethodOptions, http.MethodPatch, http.MethodPost, http.MethodGet} {
			if slices.Contains(strings.Split(allow, ", "), method) {
				continue
			}
			var p frontdoor.Problem
			a := h.want(http.StatusMethodNotAllowed, &p, method, path, "")
			if a.Header.Get("Allow") != allow || p.Code != "method_not_allowed" || !strings.Contains(p.Detail, allow) || p.RequestID == "" {
				t.Errorf("%s %s: Allow %q, %+v", method, path, a.Header.Get("Allow"), p)
			}
		}
	}
	h.want(http.StatusNotFound, nil, http.MethodDelete, "/v2/orders", "")
}

// No program is sent elsewhere by a page of HTML.
func TestAPathWithEmptySegmentsIsNoRedirect(t *testing.T) {
	h := open(t, "")
	for _, path := range []string{"//v1/orders", "/v1//orders", "/v1/./orders", "/v1/x/../orders", "/v1/events/"} {
		var p frontdoor.Problem
		h.want(http.StatusNotFound, &p, http.MethodGet, path, "")
		if p.Code != "not_found" {
			t.Errorf("%s: %+v", path, p)
		}
	}
	h.want(http.StatusNotFound, nil, http.MethodGet, at+"A%2F%2F1", "") // an order's number
}

// Who opens the front door's address in a browser is led to what it serves.
func TestTheRootLeadsToTheDescription(t *testing.T) {
	path, _ := doortest.TokensFile(t, "shop orders")
	h := open(t, path)
	if a := h.want(http.StatusOK, nil, http.MethodGet, "/", ""); a.Request.URL.Path != "/docs" {
		t.Errorf("%s", a.Request.URL)
	}
	h.want(http.StatusNotFound, nil, http.MethodGet, "/x", "")
	if a := h.want(http.StatusMethodNotAllowed, nil, http.MethodPost, "/", ""); a.Header.Get("Allow") != "GET, HEAD" {
		t.Errorf("%v", a.Header)
	}
}

// The access log says what was asked for, and names no order where the caller may not know of one.
func TestTheAccessLogHoldsTheRoute(t *testing.T) {
	path, secrets := doortest.TokensFile(t, "shop orders,events")
	h := open(t, path)
	for asked, route := range map[string]string{"/v1/orders?q=secret": "/v1/orders", at + "secret": "/v1/orders/{account}/{order_id}", "/v1/events": "/v1/events", "/v1/secret": ""} {
		for _, token := range []string{secrets["shop"], ""} {
			h.log.Reset()
			r := httptest.NewRequest(http.MethodGet, asked, nil)
			r.Header.Set("Authorization", "Bearer "+token)
			h.server.ServeHTTP(httptest.NewRecorder(), r)
			line := h.log.String()
			if has := strings.Contains(line, " route="+route+" "); has != (route != "") || strings.Count(line, "msg=request") != 1 {
				t.Errorf("%s: %s", asked, line)
			}
			if token == "" && strings.Contains(line, "secret") {
				t.Errorf("%s: %s", asked, line)
			}
		}
	}
}
