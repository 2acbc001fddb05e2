package main

import (
	"bytes"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// hostsOf are the names under which the web UI is served beside those of this machine: those that
// WORKER_HTTP_HOSTS lists, and the host of the address that it listens on.
func (s settings) hostsOf() []string {
	hosts := s.Worker.Hosts()
	if host, _, err := net.SplitHostPort(s.Worker.HTTPAddr); err == nil && host != "" {
		if ip := net.ParseIP(host); ip == nil || !ip.IsUnspecified() {
			hosts = append(hosts, strings.ToLower(host))
		}
	}
	return hosts
}

// knownHostsOnly serves requests under known names only, whatever their method: any other name may have been
// made to point here (DNS rebinding), and its pages would be of one origin with ours.
func knownHostsOnly(hosts []string, h http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		host := strings.ToLower((&url.URL{Host: r.Host}).Hostname())
		if !thisMachine(host) && !slices.Contains(hosts, host) {
			http.Error(rw, "these pages are not served under this name; name it in WORKER_HTTP_HOSTS, or use 127.0.0.1", http.StatusForbidden)
			return
		}
		h.ServeHTTP(rw, r)
	})
}

// ownPagesOnly refuses what pages of other sites ask for, reading included: neither asynq's web UI nor the
// others have a login or a token, and any page open in an operator's browser can send requests here. A link
// that is followed to a page is no such request.
func ownPagesOnly(h http.Handler) http.Handler {
	protected := http.NewCrossOriginProtection().Handler(h)
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if elsewhere(r) && !followedLink(r) {
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
func followedLink(r *http.Request) bool {
	return r.Method == http.MethodGet && r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document" &&
		!strings.HasPrefix(r.URL.Path, uiRoot+"/api/")
}

const (
	// maxPageSize is how many tasks a page of the web UI may hold; the UI itself offers up to 100.
	maxPageSize = 100
	// maxPage bounds the page's number, so that its product with the size is a number.
	maxPage = 1_000_000
)

// smallPages caps the size and the number of the page that a request asks for: one script reads all of it, and
// Redis serves nobody else meanwhile.
func smallPages(h http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		if q.Has("size") || q.Has("page") {
			r = r.Clone(r.Context())
			capped(q, "size", maxPageSize)
			capped(q, "page", maxPage)
			r.URL.RawQuery = q.Encode()
		}
		h.ServeHTTP(rw, r)
	})
}

// capped limits a number of a query; what is none is left out, so that its default holds.
func capped(q url.Values, name string, most int) {
	n, err := strconv.Atoi(q.Get(name))
	if err != nil || n < 1 {
		q.Del(name)
		return
	}
	q.Set(name, strconv.Itoa(min(n, most)))
}

// rightStatus answers 404 about a queue that does not exist, and about charts of a Prometheus that is not there,
// where the UI would answer 500, which monitoring takes for a worker in trouble.
func rightStatus(h http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path == uiRoot+"/api/metrics" {
			http.Error(rw, "no Prometheus is connected to these pages; it reads /metrics", http.StatusNotFound)
			return
		}
		w := &statusWriter{ResponseWriter: rw}
		h.ServeHTTP(w, r)
		if w.failed { // without a text
			rw.WriteHeader(http.StatusInternalServerError)
		}
	})
}

// statusWriter holds back a status of 500 until the text that goes with it is known.
type statusWriter struct {
	http.ResponseWriter
	failed bool
}

func (w *statusWriter) WriteHeader(status int) {
	if w.failed = status == http.StatusInternalServerError; !w.failed {
		w.ResponseWriter.WriteHeader(status)
	}
}

func (w *statusWriter) Write(text []byte) (int, error) {
	if w.failed {
		w.failed = false
		status := http.StatusInternalServerError
		if bytes.Contains(text, []byte("queue not found")) || bytes.HasPrefix(text, []byte("NOT_FOUND: queue ")) {
			status = http.StatusNotFound
		}
		w.ResponseWriter.WriteHeader(status)
	}
	return w.ResponseWriter.Write(text)
}
