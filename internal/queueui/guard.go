package queueui

import (
	"net/http"
	"net/url"
	"slices"

	"issuance/internal/thismachine"
)

// KnownHosts serves requests under known names only, whatever their method: any other name may have been made to
// point here (DNS rebinding), and its pages would be of one origin with ours. The names of this machine are known unless a
// proxy passed the request on, whose callers may be anywhere; hosts are the others, in lower case. refusal is what others are
// answered.
func KnownHosts(hosts []string, refusal string, h http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		host := thismachine.Hostname(r.Host)
		local := thismachine.Named(host) && !thismachine.PassedOn(r.Header)
		if !local && !slices.Contains(hosts, host) {
			http.Error(rw, refusal, http.StatusForbidden)
			return
		}
		h.ServeHTTP(rw, r)
	})
}

// OwnPages refuses what pages of other sites ask for, reading included: any page open in an operator's browser can send
// requests here. A link that is followed to a page is no such request. root is the UI's.
func OwnPages(root string, h http.Handler) http.Handler {
	protected := http.NewCrossOriginProtection().Handler(h)
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if elsewhere(r) && !followedLink(r, root) {
			http.Error(rw, "a page of another site has asked for this", http.StatusForbidden)
			return
		}
		protected.ServeHTTP(rw, r)
	})
}

// elsewhere reports whether a page of another origin sent a request, as far as the browser says.
func elsewhere(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "same-origin", "none":
		return false
	case "":
		origin := r.Header.Get("Origin") // of a browser that is older than Sec-Fetch-Site
		if origin == "" {
			return false
		}
		u, err := url.Parse(origin)
		return err != nil || u.Host != r.Host
	}
	return true
}

// followedLink reports whether a request opens a page in a window of its own, which the site that it comes
// from cannot read.
func followedLink(r *http.Request, root string) bool {
	return r.Method == http.MethodGet && r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document" &&
		!IsAPI(root, r.URL.Path)
}
