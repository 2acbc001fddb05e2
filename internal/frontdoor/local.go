package frontdoor

import (
	"net/http"
	"net/url"

	"issuance/internal/thismachine"
)

// Local reports whether a request that needs no token may be answered: it names this machine, no page of another site
// made it, and no proxy passed it on.
func Local(r *http.Request) bool { return notLocal(r) == nil }

// notLocal says why a request that needs no token is not answered; nil when it is.
func notLocal(r *http.Request) *Problem {
	switch {
	case thismachine.PassedOn(r.Header):
		return problem(http.StatusForbidden, codeForbidden, "a proxy passed this request on, so callers need tokens: set GATEWAY_TOKENS_FILE; `enqueue token new` makes one")
	case !thismachine.Addressed(r.Host), r.Header.Get("Sec-Fetch-Site") == "cross-site", ofAnotherSite(r):
		return problem(http.StatusForbidden, codeForbidden, "without GATEWAY_TOKENS_FILE only programs of this machine are answered, under the name localhost")
	}
	return nil
}

// ofAnotherSite reports whether a page of another site made a request, by what older browsers say of it, too: not only of one that
// changes something. A browser that says where a request came from may still hide which page that was (`Origin: null`).
func ofAnotherSite(r *http.Request) bool {
	if r.Header.Get("Sec-Fetch-Site") == "same-origin" {
		return false
	}
	if origin := r.Header.Get("Origin"); origin != "" {
		if u, err := url.Parse(origin); err != nil || u.Host != r.Host {
			return true
		}
	}
	return http.NewCrossOriginProtection().Check(r) != nil
}
