package pass2usim

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
)

// errorBody is an error in the documents' shape.
type errorBody struct {
	Message string `json:"message"`
	Type    string `json:"type"`
}

// reply is what a call is answered with.
type reply struct {
	status int
	body   any
	date   string // header Date of an old answer; empty for that of the call
}

// ServeHTTP serves POST …/generate, …/query (or the base path) and …/refund under any prefix,
// and the links of vouchers and orders.
func (s *Sim) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.serveLink(w, r) {
		return
	}
	op, ok := s.route(r.URL.Path)
	if !ok || r.Method != http.MethodPost {
		s.mu.Lock()
		s.tally.strays++
		s.mu.Unlock()
		status := s.cfg.WrongPathStatus
		if ok {
			status = http.StatusMethodNotAllowed
		}
		http.Error(w, "no such page", status)
		return
	}
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	if err != nil {
		http.Error(w, "cannot read the request", http.StatusBadRequest)
		return
	}
	req, wellFormed := readRequest(raw)
	s.serveCall(w, r, op, req, wellFormed)
}

func (s *Sim) serveCall(w http.ResponseWriter, r *http.Request, op Op, req request, wellFormed bool) {
	s.mu.Lock()
	call := s.count(op, req)
	if s.clocks != nil {
		req.off = s.clocks(call)
	}
	w.Header().Set("Date", s.now().Add(req.off).UTC().Format(http.TimeFormat))
	f, out := s.outages.Meet(op, s.cfg.Now())
	admitted, fault := out || s.admit(), s.fault
	forbids := op == Generate && s.forbidden[call.OrderID]
	s.mu.Unlock()
	log := s.cfg.Log.With("op", string(op), "order", call.OrderID, "n", call.N)
	if !out {
		if !admitted || forbids {
			log.Debug("pass2usim: forbidden")
			forbidden(w)
			return
		}
		if refusal, ok := s.authorise(r); !ok {
			log.Debug("pass2usim: refused", "why", refusal.Message)
			write(w, reply{status: s.cfg.AuthStatus, body: refusal})
			return
		}
		if !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
			http.Error(w, "Content-Type must be application/json", http.StatusUnsupportedMediaType)
			return
		}
		if fault != nil {
			f = fault(call)
			s.handOver()
		}
	}
	if !s.before(w, r, f) {
		return
	}
	answer := s.givenBefore(call, f)
	if answer.body == nil {
		answer = s.respond(call, req, wellFormed, origin(r), f)
		s.keep(call, answer, w.Header().Get("Date"))
	}
	log.Debug("pass2usim: answered", slog.Int("status", answer.status))
	if s.after(w, r, f) {
		write(w, s.twisted(call, answer))
	}
}

// respond lets the call take effect, as far as the fault lets it, and returns the answer.
func (s *Sim) respond(call Call, req request, wellFormed bool, origin string, f Fault) reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !wellFormed {
		return s.no(MsgInvalidQuery)
	}
	if f.kind == replay {
		for _, id := range []string{call.OrderID, ""} {
			if old, ok := s.confirmed[askedKey{call.Op, id}]; ok {
				return old
			}
		}
	}
	answer := s.do(call.Op, req, origin)
	_, failed := answer.body.(errorBody)
	if !failed {
		s.confirmed[askedKey{call.Op, ""}] = answer
		if call.Op == Refund { // the only operation that is confirmed more than once with an effect
			s.confirmed[askedKey{call.Op, call.OrderID}] = answer
		}
	}
	switch {
	case f.kind == oopsAfter:
		return s.no(MsgOops)
	case f.kind == saysAfter:
		return s.no(f.text)
	case f.kind == rejectAfter && !failed: // what had no effect is answered by its own rejection
		return s.no(map[Op]string{Generate: MsgRepeated, Refund: MsgRefundableTooFew, Query: MsgOrderUnknown}[call.Op])
	}
	return answer
}

// before plays what happens ahead of the effect and reports whether the effect is to follow.
func (s *Sim) before(w http.ResponseWriter, r *http.Request, f Fault) (goOn bool) {
	switch f.kind {
	case ban:
		s.mu.Lock()
		s.startBan(s.now())
		s.mu.Unlock()
		forbidden(w)
	case http5xxBefore:
		badGateway(w)
	case oopsBefore:
		write(w, s.no(MsgOops))
	case saysBefore:
		write(w, s.no(f.text))
	case hangBefore:
		s.hangOn(r.Context())
		panic(http.ErrAbortHandler)
	case cutBefore:
		panic(http.ErrAbortHandler) // net/http's way to cut a connection without an answer
	case garbageBefore:
		page(w, http.StatusOK, "System maintenance")
	case emptyBefore:
		w.WriteHeader(http.StatusOK)
	case tooMany, unavailable:
		if f.retry != "" {
			w.Header().Set("Retry-After", f.retry)
		}
		status := http.StatusTooManyRequests
		if f.kind == unavailable {
			status = http.StatusServiceUnavailable
		}
		page(w, status, http.StatusText(status))
	case slowBefore:
		s.wait(f)
		return true
	default:
		return true
	}
	return false
}

// after plays what happens behind the effect and reports whether the answer is to follow.
func (s *Sim) after(w http.ResponseWriter, r *http.Request, f Fault) (goOn bool) {
	switch f.kind {
	case http5xxAfter:
		badGateway(w)
	case hang:
		s.hangOn(r.Context())
		panic(http.ErrAbortHandler)
	case loseAnswer:
		panic(http.ErrAbortHandler)
	case refuseAfter:
		write(w, reply{status: s.cfg.AuthStatus, body: errorBody{"Authorization Failed.", "AuthorizationException"}})
	case garbage:
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"pass2uOrderId":"`)
	case emptyAfter:
		w.WriteHeader(http.StatusOK)
	case slowAfter:
		s.wait(f)
		return true
	default:
		return true
	}
	return false
}

// route finds the operation of a path. A trailing slash is never right.
func (s *Sim) route(path string) (Op, bool) {
	last := path[strings.LastIndexByte(path, '/')+1:]
	switch {
	case last == "generate":
		return Generate, true
	case last == "refund":
		return Refund, true
	case last == "query":
		return Query, !s.cfg.QueryAtBase
	default:
		return Query, s.cfg.QueryAtBase && last != ""
	}
}

// authorise checks the key and the caller's address. The texts are this simulator's own.
func (s *Sim) authorise(r *http.Request) (errorBody, bool) {
	if len(s.cfg.AllowedIPs) > 0 {
		from, err := netip.ParseAddrPort(r.RemoteAddr)
		listed := false
		for _, ip := range s.cfg.AllowedIPs {
			listed = listed || err == nil && ip == from.Addr().Unmap()
		}
		if !listed {
			return errorBody{"IP Address Is Not Allowed.", "UnauthorizedException"}, false
		}
	}
	if r.Header.Get("Authorization") != s.cfg.APIKey {
		return errorBody{"Authorization Failed.", "UnauthorizedException"}, false
	}
	return errorBody{}, true
}

// origin is where this simulator is reached, for the links it hands out.
func origin(r *http.Request) string {
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

func write(w http.ResponseWriter, a reply) {
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	if a.date != "" {
		w.Header().Set("Date", a.date)
	}
	w.WriteHeader(a.status)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false) // links stand as the documents print them
	enc.Encode(a.body)       // an error means that the caller has left
}

func forbidden(w http.ResponseWriter) { page(w, http.StatusForbidden, "403 Forbidden") }

func badGateway(w http.ResponseWriter) { page(w, http.StatusBadGateway, "502 Bad Gateway") }

func page(w http.ResponseWriter, status int, title string) {
	w.Header().Set("Content-Type", "text/html")
	w.WriteHeader(status)
	io.WriteString(w, "<html><head><title>"+title+"</title></head><body><h1>"+title+"</h1></body></html>\n")
}
