package frontdoor

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"regexp"
	"runtime/debug"
	"strings"
	"time"

	"issuance/internal/redisconn"
	"issuance/internal/tracing"
	"issuance/tasks/order"
)

// seen is what the access log says of a request; its handler fills it in.
type seen struct {
	id      string
	token   *Token
	ref     string // the order or refund
	outcome string
	cause   error

	request request // what is wrong with it, as far as it was read
	space   *space  // where it may be parked, nil where it may not
	before  *visit  // what it had when it was parked before, or nil
	parked  *parked // it waits, and is answered another time
}

type seenKey struct{}

// seenOf is the request's; never nil.
func seenOf(ctx context.Context) *seen {
	if s, ok := ctx.Value(seenKey{}).(*seen); ok {
		return s
	}
	return &seen{}
}

// requestIDForm is that of a caller's id of its request. Any other text might be a value, or break a log.
const (
	requestIDForm   = `^[A-Za-z0-9._-]{8,64}$`
	requestIDHeader = "X-Request-Id"
)

var requestID = regexp.MustCompile(requestIDForm)

// outer is what surrounds every request: its id, security headers, who calls, the access log.
func (s *Server) outer(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		at, began := s.arrived(r)
		ctx, answered := redisconn.WithPatience(context.WithValue(r.Context(), seenKey{}, at), s.RedisWithin)
		defer answered()
		r = r.WithContext(ctx)
		rec := &recorder{ResponseWriter: w, at: at}
		// A caller that does not read its answer is given up; streams move the deadline on.
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(answerTimeout)) // a connection without deadlines is a test's
		secured(w.Header(), at.id)
		if ctx, span := s.trace(r); span != nil {
			r = r.WithContext(ctx)
			defer func() { traced(span, r, rec.status, at) }()
		}
		defer s.finish(rec, r, at, began)
		switch {
		case headerSize(r) > mostHeader:
			writeProblem(rec, r, problem(http.StatusRequestHeaderFieldsTooLarge, codeTooLarge, "the first line and the headers have more than %d KiB together", mostHeader>>10))
		case r.Method == http.MethodConnect: // which has no path, so that the mux does not know it
			s.unmatched(rec, r)
		case s.roundabout(r):
			writeProblem(rec, r, problem(http.StatusNotFound, codeNotFound, "there is no such path: write it without empty segments and dots; /docs lists them"))
		case !s.protected(r): // no data, and asked by balancers
			next.ServeHTTP(rec, r)
		case s.Tokens == nil:
			if p := notLocal(r); p != nil {
				writeProblem(rec, r, p)
				return
			}
			at.token = &Token{Name: "local", Scopes: Scopes()}
			next.ServeHTTP(rec, r)
		default:
			if p := s.admit(r, at); p != nil {
				writeProblem(rec, r, p)
				return
			}
			next.ServeHTTP(rec, r)
		}
	})
}

// secured sets the headers that every answer has.
func secured(h http.Header, id string) {
	h.Set(requestIDHeader, id)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "same-origin") // without a referrer a browser hides the origin of a form from us, too
	h.Set("X-Frame-Options", "DENY")
}

// headerSize is how long a request's first line and headers are, as they were sent.
func headerSize(r *http.Request) int {
	n := len(r.Method) + len(r.RequestURI) + len("  HTTP/1.1\r\n") + len("Host: \r\n") + len(r.Host)
	for name, values := range r.Header {
		for _, v := range values {
			n += len(name) + len(v) + len(": \r\n")
		}
	}
	return n
}

// requestIDOf is the caller's id of its request, where it has the form of one, else a new one.
func requestIDOf(r *http.Request) string {
	if id := r.Header.Get(requestIDHeader); requestID.MatchString(id) {
		return id
	}
	return rand.Text()
}

// arrived is what is known of a request from the beginning.
func (s *Server) arrived(r *http.Request) (at *seen, began time.Time) {
	at, began = &seen{id: requestIDOf(r), space: spaceOf(r)}, s.Now()
	if at.space == nil {
		return at, began
	}
	if at.before = at.space.revisited(); at.before != nil {
		at.id, began = at.before.id, at.before.began
		if at.before.busy {
			at.space = nil
		}
	}
	return at, began
}

// logged reports whether a request stands in the access log: one that needs a token, and one of a mounted handler.
func (s *Server) logged(r *http.Request) bool {
	return s.protected(r) || s.isMounted(r.URL.Path)
}

// Note has the access log say who made a request of a mounted handler, and about which order.
func Note(ctx context.Context, t *Token, ref string) {
	at := seenOf(ctx)
	at.token, at.ref = t, ref
}

// trace begins the span of a request that needs a token, where the caller's trace goes on.
func (s *Server) trace(r *http.Request) (context.Context, *tracing.Span) {
	if !s.protected(r) {
		return r.Context(), nil
	}
	ctx := tracing.WithTraceparent(r.Context(), r.Header.Get("Traceparent"))
	return tracing.Begin(ctx, tracing.Server, r.Method, tracing.Method(r.Method))
}

// traced ends the span, and names it after the operation.
func traced(span *tracing.Span, r *http.Request, status int, at *seen) {
	if span == nil {
		return
	}
	if r.Pattern != "" {
		span.Name(r.Pattern)
		span.Set(tracing.Route(r.Pattern))
	}
	if status == 0 { // an answer without a body
		status = http.StatusOK
	}
	span.Set(tracing.Status(status), tracing.Outcome(at.outcome))
	if ref, ok := order.ParseRef(at.ref); ok {
		span.Set(tracing.Account(ref.Account), tracing.Order(ref), tracing.Refund(ref))
	}
	if status >= 500 {
		span.Failed()
	}
	span.End(nil)
}

// protected reports whether a request needs a token.
func (s *Server) protected(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/v1/") }

// admit finds the caller by its token, and holds it to its rate.
func (s *Server) admit(r *http.Request, at *seen) *Problem {
	if p := severalTokens(r); p != nil {
		return p
	}
	scheme, secret, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if strings.EqualFold(scheme, "Bearer") {
		at.token = s.Tokens.Find(strings.TrimSpace(secret))
	}
	if at.token == nil {
		return problem(http.StatusUnauthorized, codeUnauthorized, "send a token as Authorization: Bearer TOKEN; who runs this front door hands them out")
	}
	if at.before != nil {
		return nil // it has passed
	}
	return s.limits.pass(r.Context(), at.token)
}

// severalTokens is the problem of a request that says twice who calls, of which neither is believed; nil for any other.
func severalTokens(r *http.Request) *Problem {
	n := len(r.Header.Values("Authorization"))
	if n <= 1 {
		return nil
	}
	p := problem(http.StatusBadRequest, codeInvalid, "there are several Authorization headers; send one")
	p.Violations = []ProblemViolation{sentOften("Authorization", n)}
	return p
}

// statusCallerGone is what the access log and metrics say of a request whose caller did not wait for an answer. It is
// no standard status, and nobody is answered by it.
const (
	statusCallerGone = 499
	callerGone       = "caller_gone"
)

// finish answers what panicked, and writes the access log.
func (s *Server) finish(w *recorder, r *http.Request, at *seen, began time.Time) {
	if v := recover(); v != nil {
		if at.parked != nil {
			at.space.abandon(at.parked)
			at.parked = nil
		}
		if v == http.ErrAbortHandler {
			panic(v)
		}
		s.Log.Error("alarm: a request panicked", "request", at.id, "stack", string(debug.Stack())) // the value may hold a document
		if w.status == 0 {
			writeProblem(w, r, problem(http.StatusServiceUnavailable, codeFailed, "it could not be done; repeat it, which is always safe").retry(unknownAfter))
		}
	}
	if at.parked != nil {
		v := &visit{id: at.id, began: began, until: at.parked.until}
		at.space.park(w.ResponseWriter, r, at.parked, v, s.goneWhileParked(r, at, began))
		return
	}
	status := w.status
	if status == 0 {
		status = http.StatusOK
	}
	if status >= 500 && r.Context().Err() != nil { // whatever failed, failed because of that
		status, at.outcome, at.cause = statusCallerGone, callerGone, nil
	}
	took := s.Now().Sub(began)
	s.metrics.observer(r)(status, took)
	if !s.logged(r) {
		return
	}
	level := slog.LevelInfo
	if status >= 500 {
		level = slog.LevelWarn
	}
	attrs := append(s.line(r, at), "status", status, "took_ms", took.Milliseconds())
	if at.outcome != "" {
		attrs = append(attrs, "outcome", at.outcome)
	}
	if at.cause != nil {
		attrs = append(attrs, "error", at.cause)
	}
	tracing.Log(r.Context(), s.Log).Log(r.Context(), level, "request", attrs...)
}

// goneWhileParked records that a request's caller did not wait for the answer. It keeps nothing else of the request.
func (s *Server) goneWhileParked(r *http.Request, at *seen, began time.Time) func() {
	line, observe := s.line(r, at), s.metrics.observer(r)
	return func() {
		took := s.Now().Sub(began)
		observe(statusCallerGone, took)
		s.Log.Info("request", append(line, "status", statusCallerGone, "took_ms", took.Milliseconds(), "outcome", callerGone)...)
	}
}

// line is what the access log says of a request however it ends.
func (s *Server) line(r *http.Request, at *seen) []any {
	attrs := []any{"request", at.id, "method", r.Method, "client", s.Address(r)}
	if route := s.route(r); route != "" {
		attrs = append(attrs, "route", route)
	}
	if at.token != nil {
		attrs = append(attrs, "token", at.token.Name)
	}
	if at.ref != "" {
		attrs = append(attrs, "order", at.ref)
	}
	return attrs
}

// Address is the caller's address: what a trusted proxy says it is, else the connection's.
func (s *Server) Address(r *http.Request) string {
	ip, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	forwarded := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(forwarded) - 1; i >= 0 && s.Trusted(ip); i-- {
		next := net.ParseIP(strings.TrimSpace(forwarded[i]))
		if next == nil {
			break
		}
		ip = next.String()
	}
	return ip
}

// Encrypted reports whether a request came over TLS, to this server or to a trusted proxy.
func (s *Server) Encrypted(r *http.Request) bool {
	ip, _, _ := net.SplitHostPort(r.RemoteAddr)
	return r.TLS != nil || s.Trusted(ip) && strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https")
}

// recorder remembers the status of an answer. What is written for a request that is parked is no answer.
type recorder struct {
	http.ResponseWriter
	at     *seen
	status int
}

func (w *recorder) WriteHeader(status int) {
	if w.at.parked != nil {
		return
	}
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *recorder) Write(b []byte) (int, error) {
	if w.at.parked != nil {
		return len(b), nil
	}
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the connection.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// writeProblem answers with a problem outside of huma.
func writeProblem(w http.ResponseWriter, r *http.Request, p *Problem) {
	p = noted(r.Context(), p)
	for name, values := range p.GetHeaders() {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // a caller that is gone needs no answer
}

// noted puts a problem into the access log, and the request's id into the problem.
func noted(ctx context.Context, p *Problem) *Problem {
	at := seenOf(ctx)
	at.outcome, at.cause, p.RequestID = string(p.Code), p.cause, at.id
	if at.ref == "" && p.OrderID != "" {
		at.ref = p.Account + "/" + p.OrderID
	}
	return p
}
