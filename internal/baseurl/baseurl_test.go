package baseurl_test

import (
	"strings"
	"testing"

	"issuance/internal/baseurl"
)

func TestCredentialsTravelEncryptedOrNotAtAll(t *testing.T) {
	for base, want := range map[string]string{
		"https://ecticket.ecpay.com.tw":    "",
		"https://www.pass2u.net/api/v1":    "",
		"https://host:8443":                "",
		"http://127.0.0.1:9100":            "",
		"http://[::1]:9100/api":            "",
		"http://localhost:9100":            "",
		"http://LOCALHOST":                 "",
		"http://ecticket.ecpay.com.tw":     "must be https",
		"http://simulator:9100":            "must be https",
		"http://10.0.0.1":                  "must be https",
		"http://127.0.0.1.example.com":     "must be https",
		"":                                 "must be an address",
		"ecticket.ecpay.com.tw":            "must be an address",
		"ftp://host":                       "must be an address",
		"https://":                         "must be an address",
		"https://:443":                     "must be an address",
		"https://user:SECRET@host":         "no credentials",
		"https://host/?SECRET":             "no credentials",
		"https://host/?":                   "no credentials",
		"https://host/#SECRET":             "no credentials",
		"https://host/#":                   "no credentials",
		"https://user:SECRET@host:bad\x7f": "must be an address",
	} {
		err := baseurl.Check(base)
		switch {
		case want == "" && err != nil:
			t.Errorf("%q: %v", base, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%q: %v, want %q", base, err, want)
		case err != nil && strings.Contains(err.Error(), "SECRET"):
			t.Errorf("%q is repeated: %v", base, err)
		}
	}
}

// One host has one name, however its URL is written, or an intent would be another host's.
func TestAHostHasOneName(t *testing.T) {
	for base, want := range map[string]string{
		"https://ECTicket.ecpay.com.tw/": "ecticket.ecpay.com.tw", "https://host:443/api": "host", "https://host:8443": "host:8443",
		"http://127.0.0.1:9100/api": "127.0.0.1:9100", "http://[::1]:80": "[::1]", "http://localhost:443": "localhost:443", "://": "",
	} {
		if got := baseurl.Host(base); got != want {
			t.Errorf("%q: %q, want %q", base, got, want)
		}
	}
	for base, want := range map[string]bool{"http://127.0.0.1:1": true, "https://[::1]": true, "http://localhost": true, "https://host": false, "://": false} {
		if got := baseurl.OnThisMachine(base); got != want {
			t.Errorf("%q: %t", base, got)
		}
	}
}
