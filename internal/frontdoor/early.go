package frontdoor

import (
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

// Of an answer that is given before the request's body was read.
const (
	// restWithin is how long what is left of a small body is waited for, so that the connection can be kept: it mostly comes
	// right behind the header.
	restWithin = 50 * time.Millisecond
	mostRest   = 64 << 10 // bytes of a small body
)

// early surrounds every route, and every answer that comes before one. It says how long a body may take, for all of them: the
// server's Timeout, unless its handler sets another deadline (pacedBody; huma, which would set a shorter one by itself). None
// holds from the body's end on: it would end the request, which may wait. An answer that is given before the body was read is
// sent at once, and the connection is closed leftWithin after it; net/http by itself would read on first, for as long as the
// caller likes. HTTP/2 does not need that: there the rest of a body holds nothing up.
func (s *Server) early(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Body == nil || r.Body == http.NoBody {
			next.ServeHTTP(w, r)
			return
		}
		e := &exchange{ResponseWriter: w, control: http.NewResponseController(w), asked: r}
		e.body = &restBody{ReadCloser: r.Body, exchange: e}
		e.endBy(time.Now().Add(s.Timeout))
		defer e.leave()
		inside := r.WithContext(r.Context()) // net/http looks at the body of its own request
		inside.Body = e.body
		next.ServeHTTP(e, inside)
	})
}

// exchange is a request with a body, and its answer.
type exchange struct {
	http.ResponseWriter
	control *http.ResponseController
	asked   *http.Request
	body    *restBody
	begun   bool // the answer
	duplex  bool // the handler answers while it reads, and ends both by itself
}

// restBody is a body of which it is known how far it was read.
type restBody struct {
	io.ReadCloser
	exchange *exchange
	read     atomic.Int64
	touched  atomic.Bool
	ended    atomic.Bool
	failed   atomic.Bool
}

// Read implements io.Reader.
func (b *restBody) Read(p []byte) (int, error) {
	b.touched.Store(true)
	n, err := b.ReadCloser.Read(p)
	b.read.Add(int64(n))
	switch {
	case err == io.EOF:
		b.exchange.endBy(time.Time{})
		b.ended.Store(true)
	case err != nil:
		b.failed.Store(true)
	}
	return n, err
}

// Close implements io.Closer. net/http closes the body after the answer, and only then.
func (b *restBody) Close() error { return nil }

// endBy ends readings of the body at a time; the zero time is never.
func (e *exchange) endBy(at time.Time) {
	_ = e.control.SetReadDeadline(at) // a connection without deadlines is a test's
}

// WriteHeader implements http.ResponseWriter.
func (e *exchange) WriteHeader(status int) {
	if status >= http.StatusOK {
		e.begin(status)
	}
	e.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (e *exchange) Write(b []byte) (int, error) {
	e.begin(http.StatusOK)
	return e.ResponseWriter.Write(b)
}

// FlushError is for http.ResponseController.
func (e *exchange) FlushError() error {
	e.begin(http.StatusOK)
	return e.control.Flush()
}

// EnableFullDuplex is for http.ResponseController.
func (e *exchange) EnableFullDuplex() error {
	e.duplex = true
	return e.control.EnableFullDuplex()
}

// Unwrap lets http.ResponseController reach the connection.
func (e *exchange) Unwrap() http.ResponseWriter { return e.ResponseWriter }

// begin begins an answer: what is left of the body is not waited for, and must not be taken for the next request.
func (e *exchange) begin(status int) {
	if e.begun || e.duplex || e.asked.ProtoMajor != 1 {
		return
	}
	e.begun = true
	if e.body.ended.Load() || status < http.StatusInternalServerError && e.arrived() {
		return
	}
	e.Header().Set("Connection", "close")
	_ = e.control.EnableFullDuplex() // a connection that cannot is a test's
}

// arrived reports whether the rest of a small body is there, or comes within a moment. Reading what does not come ends the
// request's context. A caller that waits for 100 Continue is not asked for its body.
func (e *exchange) arrived() bool {
	left := e.asked.ContentLength - e.body.read.Load()
	if left < 0 || left > mostRest || e.body.failed.Load() || !e.body.touched.Load() && e.asked.Header.Get("Expect") != "" {
		return false
	}
	e.endBy(time.Now().Add(restWithin))
	_, err := io.Copy(io.Discard, e.body)
	return err == nil
}

// leave ends a request, also where its handler panicked.
func (e *exchange) leave() {
	e.begin(http.StatusOK)
	if !e.duplex && !e.body.ended.Load() {
		e.endBy(time.Now().Add(leftWithin))
	}
}
