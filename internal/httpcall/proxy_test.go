package httpcall_test

import (
	"strings"
	"testing"

	"issuance/internal/httpcall"
)

// A proxy's address is checked without repeating it, because it may hold a password.
func TestAProxyURLIsCheckedWithoutShowingItsPassword(t *testing.T) {
	for _, raw := range []string{"http://u:p@proxy:3128", "https://proxy", "socks5://10.0.0.1:1080", "socks5h://proxy:1080"} {
		if u, err := httpcall.CheckProxyURL(raw); err != nil || u.String() != raw {
			t.Errorf("%s: %v, %v", raw, u, err)
		}
	}
	for _, raw := range []string{"", "://hunter2", "ftp://u:hunter2@h", "hunter2", "hunter2:3128", "http://u:hunter2@/", "http://u:hunter2@:3128"} {
		if _, err := httpcall.CheckProxyURL(raw); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", raw, err)
		}
		if raw == "" {
			continue // no proxy
		}
		if _, err := httpcall.New(httpcall.Options{ProxyURL: raw}); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", raw, err)
		}
	}
}
