package frontdoor_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"issuance/internal/doortest"
	"issuance/internal/frontdoor"
)

// A header that says one thing and was sent twice is refused, and what a list says in two headers counts.
func TestAHeaderIsSentOnce(t *testing.T) {
	path, secrets := doortest.TokensFile(t, "all orders,events")
	h := open(t, path)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second) // a stream that is not refused has no other end
	defer cancel()
	ask := func(method, path, content string, header http.Header) (*httptest.ResponseRecorder, frontdoor.Problem) {
		r := httptest.NewRequestWithContext(ctx, method, path, strings.NewReader(content))
		r.Header = header
		if r.Header["Authorization"] == nil {
			r.Header.Set("Authorization", "Bearer "+secrets["all"])
		}
		w := httptest.NewRecorder()
		h.server.ServeHTTP(w, r)
		var p frontdoor.Problem
		_ = json.Unmarshal(w.Body.Bytes(), &p)
		return w, p
	}
	token := "Bearer " + secrets["all"]
	for _, c := range []struct {
		method, path string
		header       http.Header
		status       int
		want         string
	}{
		{http.MethodGet, "/v1/orders", http.Header{"Authorization": {token, "Bearer iss_x"}}, http.StatusBadRequest, "header Authorization"},
		{http.MethodGet, "/v1/orders", http.Header{"Authorization": {"Bearer iss_x", token}}, http.StatusBadRequest, "header Authorization"},
		{http.MethodGet, "/v1/orders", http.Header{"Authorization": {token, token}}, http.StatusBadRequest, "header Authorization"},
		{http.MethodGet, "/v1/events/stream", http.Header{"Last-Event-Id": {"0", "1-0"}}, http.StatusUnprocessableEntity, "header Last-Event-ID"},
		{http.MethodGet, "/v1/events/stream", http.Header{"Last-Event-Id": {"", "1-0"}}, http.StatusUnprocessableEntity, "header Last-Event-ID"},
		{http.MethodPut, at + "A1", http.Header{"Content-Type": {"application/json", "text/plain"}}, http.StatusUnprocessableEntity, "header Content-Type"},
	} {
		w, p := ask(c.method, c.path, body, c.header)
		if got := wheres(t, p); w.Code != c.status || p.Code != "invalid" || got != c.want {
			t.Errorf("%s, %s: %d %+v", c.path, c.want, w.Code, p)
		}
	}
	w, _ := ask(http.MethodPut, at+"A1", body, http.Header{"Prefer": {"respond-async", "wait=1"}})
	if w.Code != http.StatusCreated || w.Header().Get("Preference-Applied") != "wait=1" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	etag := func() string { w, _ := ask(http.MethodGet, at+"A1", "", http.Header{}); return w.Header().Get("ETag") }()
	if w, _ := ask(http.MethodGet, at+"A1", "", http.Header{"If-None-Match": {`"x"`, etag}}); w.Code != http.StatusNotModified {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w, _ := ask(http.MethodPut, at+"A2", body, http.Header{"Content-Encoding": {"identity", "gzip"}}); w.Code != http.StatusUnsupportedMediaType {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
