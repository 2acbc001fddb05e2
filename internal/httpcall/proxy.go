package httpcall

import (
	"errors"
	"net/url"
)

// CheckProxyURL is the one rule for the address of a proxy. The error completes the sentence "the
// proxy's URL …" and repeats nothing of raw, which may hold a password.
func CheckProxyURL(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Hostname() == "" {
		return nil, errors.New("must look like http://user:password@host:port")
	}
	switch u.Scheme {
	case "http", "https", "socks5", "socks5h":
		return u, nil
	}
	return nil, errors.New("must be http, https or socks5")
}
