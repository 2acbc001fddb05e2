package thismachine

import (
	"net/http"
	"testing"
)

// Only names of this machine count as such, however a header writes them.
func TestWhatNamesThisMachine(t *testing.T) {
	for host, want := range map[string]bool{"localhost": true, "LOCALHOST:8090": true, "127.0.0.1": true, "127.9.9.9:80": true, "[::1]:8090": true, "[::1]": true,
		"": false, "evil.example": false, "127.0.0.1.evil.example": false, "localhost.evil.example:80": false, "10.0.0.1": false, "evil.example:8080:80": false} {
		if Addressed(host) != want {
			t.Errorf("%q: %v", host, !want)
		}
	}
}

// Every header by which proxies say so shows that a request was passed on.
func TestAProxyShows(t *testing.T) {
	for _, name := range []string{"X-Forwarded-For", "x-forwarded-proto", "Forwarded", "Via", "X-Real-IP"} {
		if h := (http.Header{}); !PassedOn(with(h, name)) {
			t.Errorf("%s is not seen", name)
		}
	}
	if PassedOn(with(http.Header{}, "X-Request-Id")) {
		t.Error("any header counts as a proxy's")
	}
}

func with(h http.Header, name string) http.Header { h.Set(name, "x"); return h }
