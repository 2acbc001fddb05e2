package ecticketsim

import (
	"net/http"
	"time"

	"issuance/providers/ecticket/wire"
)

// Operations, as they are named in Call.Op and in Books.Calls.
const (
	OpIssue              = "Issue"
	OpRefund             = "Refund"
	OpWriteOff           = "WriteOff"
	OpQueryIssueResult   = "QueryIssueResult"
	OpQueryOrderInfo     = "QueryOrderInfo"
	OpQueryTicketStatus  = "QueryTicketStatus"
	OpQueryItemInfo      = "QueryItemInfo"
	OpBatchQueryItemInfo = "BatchQueryItemInfo"
)

// Call is what a fault may depend on. Ids are empty where the call has none or its Data cannot
// be read.
type Call struct {
	Op         string
	MerchantID string
	OrderID    string // MerchantTradeNo or FreeTradeNo, of the ticket where the call names one
	TicketNo   string
	N          int // 1 for the first call the simulator got, of whatever operation
}

// FaultKind is one way to misbehave.
type FaultKind int

const (
	// None behaves.
	None FaultKind = iota
	// CutBefore cuts the connection; nothing takes effect.
	CutBefore
	// LoseAnswer takes effect, then cuts the connection.
	LoseAnswer
	// Error5xxBefore answers HTTP 503; nothing takes effect.
	Error5xxBefore
	// Error5xxAfter takes effect, then answers HTTP 502.
	Error5xxAfter
	// Garbage takes effect, then answers HTTP 200 with a page that is no envelope.
	Garbage
	// WrongChecksum takes effect, then answers with a CheckMacValue that does not fit.
	WrongChecksum
	// Ban403 answers HTTP 403 to this call; nothing takes effect.
	Ban403
	// HangBefore does not answer until the caller goes; nothing takes effect.
	HangBefore
	// HangAfter takes effect, then does not answer until the caller goes.
	HangAfter
	// TooMany429 answers HTTP 429; nothing takes effect. See Fault.RetryAfter.
	TooMany429
	// GarbageBefore answers HTTP 200 with a page; nothing takes effect.
	GarbageBefore
	// EmptyBefore answers HTTP 200 with an empty body; nothing takes effect. EmptyAfter takes effect.
	EmptyBefore
	EmptyAfter
	// TransRefused refuses the envelope with a TransCode other than 1; nothing takes effect.
	TransRefused
	// Busy answers authentically with an RtnCode other than 1 that is about no order: "the system is
	// busy". Nothing takes effect.
	Busy
	// RejectAfter takes effect and is answered by an authentic rejection, as when a balancer has sent
	// the request twice and passes on the second answer: a duplicate number, a ticket that is refunded
	// already.
	RejectAfter
	// Replay does nothing and sends the last confirmation of the operation again, byte for byte, as
	// a cache would: of another order, with its old Timestamp. Issue, whose answer names the order,
	// and an operation that never was confirmed get a confirmation that is made up.
	Replay
	// ReplayOwn does nothing and sends an answer again, byte for byte, that the same call (operation, order and ticket)
	// was given before: Fault.Answer says which. Where there is none the call behaves. Config.KeepAnswers has to be set.
	ReplayOwn
)

// Fault is how one call misbehaves. Waits come on top of the kind. A wait before the effect is a
// request that is slow to arrive: it takes effect even if the caller has gone meanwhile, unless
// its Timestamp has become too old.
type Fault struct {
	Kind FaultKind
	// Before and After wait that long before and after the effect.
	Before, After time.Duration
	// HoldBefore and HoldAfter wait until the channel is closed, before and after the effect.
	HoldBefore, HoldAfter <-chan struct{}
	// RetryAfter is the header of HTTP 503 and 429, seconds or a date. Default: none.
	RetryAfter string
	// Answer is which earlier one ReplayOwn sends: 0 the first, 1 the second, -1 the last.
	Answer int
	// Encoding writes this answer in one of the documented URL encodings, ambiguous characters as
	// they are. Default: that of Config.Encoding.
	Encoding *wire.Variant
}

// SlowBefore waits d before the effect.
func SlowBefore(d time.Duration) Fault { return Fault{Before: d} }

// SlowAfter waits d after the effect.
func SlowAfter(d time.Duration) Fault { return Fault{After: d} }

// SetFault makes every later call ask f how to misbehave; nil makes all of them behave. f runs
// on the caller's goroutine and may block.
func (s *Sim) SetFault(f func(Call) Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = f
}

func (s *Sim) faultOf(c Call) Fault {
	s.mu.Lock()
	f := s.fault
	s.mu.Unlock()
	if f == nil {
		return Fault{}
	}
	defer s.handOver()
	return f(c)
}

// handOver makes what a function that a test has set wrote visible to its next call: a call without an answer is
// otherwise ordered before the next one by nothing that the race detector knows.
func (s *Sim) handOver() {
	s.mu.Lock()
	defer s.mu.Unlock()
}

func wait(d time.Duration, hold <-chan struct{}) {
	if d > 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		<-t.C
	}
	if hold != nil {
		<-hold
	}
}

// before plays what happens ahead of the effect and reports whether the effect is to follow.
func (f Fault) before(w http.ResponseWriter, r *http.Request) (goOn bool) {
	wait(f.Before, f.HoldBefore)
	switch f.Kind {
	case CutBefore:
		panic(http.ErrAbortHandler)
	case Error5xxBefore:
		f.retryAfter(w)
		page(w, http.StatusServiceUnavailable, "The service is unavailable.")
	case TooMany429:
		f.retryAfter(w)
		page(w, http.StatusTooManyRequests, "Too many requests.")
	case GarbageBefore:
		page(w, http.StatusOK, "System maintenance")
	case EmptyBefore:
		w.WriteHeader(http.StatusOK)
	case Ban403:
		forbidden(w)
	case HangBefore:
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	default:
		return true
	}
	return false
}

// after plays what happens behind the effect and reports whether the answer is to follow.
func (f Fault) after(w http.ResponseWriter, r *http.Request) (goOn bool) {
	wait(f.After, f.HoldAfter)
	switch f.Kind {
	case LoseAnswer:
		panic(http.ErrAbortHandler)
	case Error5xxAfter:
		page(w, http.StatusBadGateway, "Bad gateway.")
	case Garbage:
		page(w, http.StatusOK, "System maintenance")
	case EmptyAfter:
		w.WriteHeader(http.StatusOK)
	case HangAfter:
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	default:
		return true
	}
	return false
}

func (f Fault) retryAfter(w http.ResponseWriter) {
	if f.RetryAfter != "" {
		w.Header().Set("Retry-After", f.RetryAfter)
	}
}

// ForbidOrder makes every Issue of this number draw HTTP 403, as a firewall does that dislikes what is
// in it, until AllowOrder. No ban follows.
func (s *Sim) ForbidOrder(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forbidden[id] = true
}

// AllowOrder ends ForbidOrder.
func (s *Sim) AllowOrder(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.forbidden, id)
}

func (s *Sim) isForbidden(c Call) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return c.Op == OpIssue && s.forbidden[c.OrderID]
}

func forbidden(w http.ResponseWriter) {
	page(w, http.StatusForbidden, "Forbidden: Access is denied.")
}

// page answers with a web page, as a gateway in front of the API would.
func page(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte("<!DOCTYPE html><html><body><h1>" + text + "</h1></body></html>\n"))
}
