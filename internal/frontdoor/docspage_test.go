package frontdoor_test

import (
	"crypto/sha256"
	"encoding/base64"
	"html"
	"net/http"
	"slices"
	"strings"
	"testing"

	"issuance/internal/frontdoor"
	"issuance/providers"
)

// The page describes every operation, and needs nothing that is not in it: a shop's network may have no way out.
func TestTheDocsAreAPageThatNeedsNoOtherMachine(t *testing.T) {
	h := open(t, "")
	a := h.want(http.StatusOK, nil, http.MethodGet, "/docs", "")
	if kind := a.Header.Get("Content-Type"); kind != "text/html; charset=utf-8" {
		t.Error(kind)
	}
	for _, never := range []string{"<script", "<link", "<img", "@import", "url(", `src="`, `href="http`, "ZgotmplZ", "<no value>"} {
		if strings.Contains(a.text, never) {
			t.Errorf("the page has %q", never)
		}
	}
	_, style, _ := strings.Cut(a.text, "<style>")
	style, _, _ = strings.Cut(style, "</style>")
	sum := sha256.Sum256([]byte(style))
	policy := a.Header.Get("Content-Security-Policy")
	if !strings.HasPrefix(policy, "default-src 'none'; style-src 'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'") || strings.Contains(policy, "unsafe") {
		t.Errorf("policy %q", policy)
	}
	text := html.UnescapeString(a.text)
	api := h.server.OpenAPI()
	for path, item := range api.Paths {
		if !strings.Contains(text, "<code>"+path+"</code>") {
			t.Errorf("the page lacks %s", path)
		}
		if item.Get != nil && !strings.Contains(text, item.Get.Description) {
			t.Errorf("the page lacks what GET %s is for", path)
		}
	}
	for name := range api.Components.Schemas.Map() {
		if !strings.Contains(text, `id="schema-`+name+`"`) {
			t.Errorf("the page lacks the body %s", name)
		}
	}
	for _, want := range []string{`href="/openapi.json"`, "Idempotency-Key", "五星渡假飯店假日住宿券", "at most 255 characters", "default checkout"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
}

// Who has no command line finds the columns of a table of orders on the page.
func TestTheDocsListTheColumnsOfABulk(t *testing.T) {
	h := open(t, "")
	text := html.UnescapeString(h.want(http.StatusOK, nil, http.MethodGet, "/docs", "").text)
	for _, codec := range providers.Codecs() {
		titles := codec.Columns.Scalars
		for _, item := range codec.Columns.Items {
			titles = append(slices.Clip(titles), item+"1")
		}
		for _, title := range titles {
			if !strings.Contains(text, title) {
				t.Errorf("the page lacks %s of %s", title, codec.Name)
			}
		}
	}
	var p frontdoor.Problem
	h.want(http.StatusUnprocessableEntity, &p, http.MethodPost, "/v1/bulk", "MerchantTradeNo,IssueType,Operator,Nonsense\n", "Content-Type", "text/csv")
	if len(p.Violations) != 1 || !strings.Contains(p.Violations[0].Rule, "/docs") {
		t.Errorf("%+v", p)
	}
}
