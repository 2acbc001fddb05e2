package httpcall

import (
	"errors"
	"net/netip"
	"net/url"
	"strings"
)

// CheckBaseURL is the one rule for the address of a provider's service: https, without credentials,
// query and fragment. Credentials and customers' data travel there, so http is for loopback addresses
// only (simulators). The URL returned ends without a slash, so that a path can be appended to it. The
// error completes the sentence "the base URL …" and repeats nothing of raw.
func CheckBaseURL(raw string) (*url.URL, error) {
	u, err := url.Parse(strings.TrimRight(raw, "/"))
	switch {
	case err != nil || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http":
		return nil, errors.New("must be an address such as https://host/path")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New("must hold no credentials, no query and no fragment")
	case u.Scheme == "http" && !IsLoopback(u.Hostname()):
		return nil, errors.New("must be https; http is for this machine only")
	}
	u.ForceQuery = false
	u.Path, u.RawPath = strings.TrimRight(u.Path, "/"), strings.TrimRight(u.RawPath, "/")
	return u, nil
}

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

// IsLoopback reports whether a host, without a port, is this machine.
func IsLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && ip.Unmap().IsLoopback()
}
