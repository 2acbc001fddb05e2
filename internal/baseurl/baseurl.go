// Package baseurl holds the one rule for the address at which a provider is called. The clients and
// the configuration share it. It imports nothing of ours.
package baseurl

import (
	"errors"
	"net"
	"net/url"
	"strings"
)

// Check is the one rule for the address of a provider: an absolute https URL without
// credentials, query and fragment. Credentials and customers' data travel there, so http is taken for
// this machine only (simulators). Its errors never hold the address, which may hold a password.
func Check(base string) error {
	u, err := url.Parse(base)
	switch {
	case err != nil || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http":
		return errors.New("must be an address such as https://host/path")
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.HasSuffix(base, "#"):
		return errors.New("must hold no credentials, ? or #")
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return errors.New("must be https; http is for this machine only")
	}
	return nil
}

// Host is the host of a base URL, with its port where that is not the scheme's own: what
// providers.Provider's Host answers. It is "" for what is no URL.
func Host(base string) string {
	u, err := url.Parse(base)
	if err != nil {
		return ""
	}
	host := strings.ToLower(u.Host)
	if u.Scheme == "https" {
		return strings.TrimSuffix(host, ":443")
	}
	return strings.TrimSuffix(host, ":80")
}

// OnThisMachine reports whether a base URL leads to this very machine, where only simulators are.
func OnThisMachine(base string) bool {
	u, err := url.Parse(base)
	return err == nil && loopback(u.Hostname())
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}
