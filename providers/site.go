package providers

import "strings"

// Credentialed is a Provider whose requests name no account: it is the one that the credential stands for.
type Credentialed interface {
	// Credential is a short digest of it, which tells it from others and from which it cannot be found out; "" for none.
	Credential() string
}

// siteMark parts the host of a site from the credential.
const siteMark = "#"

// Site is where a provider's requests go to, as intents record it: the host, and where requests name no account, the
// credential that they are made with.
func Site(p interface{ Host() string }) string {
	if c, ok := p.(Credentialed); ok && c.Credential() != "" {
		return p.Host() + siteMark + c.Credential()
	}
	return p.Host()
}

// HostOf is the host of a site.
func HostOf(site string) string {
	host, _, _ := strings.Cut(site, siteMark)
	return host
}
