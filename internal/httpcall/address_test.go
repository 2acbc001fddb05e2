package httpcall_test

import (
	"strings"
	"testing"

	"issuance/internal/httpcall"
)

// A provider is reached by https only, unless it is a simulator on this machine, and by an address
// that holds nothing else.
func TestABaseURLIsAnEncryptedAddress(t *testing.T) {
	for raw, want := range map[string]string{
		"https://ecticket.ecpay.com.tw":                 "https://ecticket.ecpay.com.tw",
		"https://ecticket.ecpay.com.tw//":               "https://ecticket.ecpay.com.tw",
		"HTTPS://www.pass2u.net/api/v1/public/product/": "https://www.pass2u.net/api/v1/public/product",
		"https://www.pass2u.net/api?":                   "https://www.pass2u.net/api",
		"https://host:8443/a%2Fb":                       "https://host:8443/a%2Fb",
		"http://127.0.0.1:9301":                         "http://127.0.0.1:9301",
		"http://127.8.0.1":                              "http://127.8.0.1",
		"http://[::1]:9/x":                              "http://[::1]:9/x",
		"http://LocalHost:9/x":                          "http://LocalHost:9/x",
	} {
		u, err := httpcall.CheckBaseURL(raw)
		if err != nil || u.String() != want {
			t.Errorf("%s: %v, %v; want %s", raw, u, err, want)
		}
	}
	for raw, want := range map[string]string{
		"":                          "https://host",
		"ecticket.ecpay.com.tw":     "https://host",
		"//hunter2":                 "https://host",
		"ftp://127.0.0.1/hunter2":   "https://host",
		"https:hunter2":             "https://host",
		"https://:443/hunter2":      "https://host",
		"https://host:hunter2":      "https://host",
		" https://hunter2":          "https://host",
		"https://u:hunter2@host":    "no credentials",
		"https://hunter2@host":      "no credentials",
		"https://host/?key=hunter2": "no query",
		"https://host/#hunter2":     "no fragment",
		"http://hunter2.com":        "must be https",
		"http://10.0.0.1":           "must be https",
		"http://simulator:9090":     "must be https",
		"http://127.0.0.1.example":  "must be https",
		"http://localhost.example":  "must be https",
	} {
		u, err := httpcall.CheckBaseURL(raw)
		if err == nil || u != nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, %v; want %q", raw, u, err, want)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s is repeated: %v", raw, err)
		}
	}
}

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
