package queueui

import (
	"bytes"
	"net/http"
	"net/url"
	"strconv"
)

const (
	// MaxPage is how many tasks a page of the web UI may hold; the UI itself offers up to 100.
	MaxPage = 100
	// mostPages bounds the page's number, so that its product with the size is a number.
	mostPages = 1_000_000
)

// smallPages caps the size and the number of the page that a request asks for: one script reads all of it, and
// Redis serves nobody else meanwhile.
func smallPages(h http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		if q.Has("size") || q.Has("page") {
			r = r.Clone(r.Context())
			capped(q, "size", MaxPage)
			capped(q, "page", mostPages)
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
func rightStatus(root string, h http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path == root+"/api/metrics" {
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
