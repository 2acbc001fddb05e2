// Package thismachine reports whether an HTTP request comes from this machine, which is what pages without a login go by.
// It imports nothing of ours.
package thismachine

import (
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Named reports whether a host, without its port, is this machine's own name or a loopback address.
func Named(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

// Addressed reports whether a Host header, with its port or without, names this machine, so that no page elsewhere can have
// its own name lead here.
func Addressed(hostport string) bool { return Named(Hostname(hostport)) }

// Hostname is a Host header's host in lower case, without port and brackets; "" for one that is none.
func Hostname(hostport string) string {
	return strings.ToLower((&url.URL{Host: hostport}).Hostname())
}

// PassedOn reports whether a header shows that a proxy passed the request on: whoever sent it may be anywhere.
func PassedOn(h http.Header) bool {
	for name := range h {
		if strings.HasPrefix(name, "X-Forwarded-") || slices.Contains([]string{"Forwarded", "Via", "X-Real-Ip"}, name) {
			return true
		}
	}
	return false
}
