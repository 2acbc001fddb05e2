package queueui

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
)

// A page of the web UI is never larger than a browser needs, and no page number overflows.
func TestPagesAreCapped(t *testing.T) {
	var got url.Values
	h := smallPages(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.URL.Query() }))
	for query, want := range map[string]string{
		"size=1000000":                      "size=100",
		"size=1000000&size=1":               "size=100",
		"size=20&page=3":                    "page=3&size=20",
		"size=9223372036854775807":          "size=100",
		"page=9223372036854775807&size=100": "page=1000000&size=100",
		"page=92233720368547758080":         "",
		"size=-5&page=-1":                   "",
		"size=abc&other=1":                  "other=1",
		"siz%65=5000":                       "size=100",
		"other=1":                           "other=1",
	} {
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/jobs/api/queues/q/pending_tasks?"+query, nil))
		if got.Encode() != want {
			t.Errorf("%s becomes %s, want %s", query, got.Encode(), want)
		}
	}
}

// What is not this program's payload is shown by its size only.
func TestAPayloadThatIsNotOurs(t *testing.T) {
	for raw, want := range map[string]string{`{"customer":"Kanarie"}`: "[22 bytes]", "": "", "\x00\x01": "[2 bytes]"} {
		if got := showPayload("x", []byte(raw)); got != want {
			t.Errorf("%q is shown as %q", raw, got)
		}
	}
	if shown := showPayload("poll:ecticket", []byte(`{"v":2,"ref":"ecticket:1/A"}`)); shown != `{"v":2,"ref":"ecticket:1/A"}` {
		t.Error(shown)
	}
}
