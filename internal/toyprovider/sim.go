package toyprovider

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// Sim is the toy's simulator. Orders are accepted, and issued by Settle. Safe for concurrent use.
type Sim struct {
	key, merchant string

	mu     sync.Mutex
	orders map[string]*order
	fail   map[string]string
}

type order struct {
	answer
	seats, issued int
}

// NewSim makes a simulator that knows one key and one merchant.
func NewSim(key, merchant string) *Sim {
	return &Sim{key: key, merchant: merchant, orders: map[string]*order{}, fail: map[string]string{}}
}

// Settle issues, or fails, what was accepted.
func (s *Sim) Settle() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for number, o := range s.orders {
		reason, fails := s.fail[number]
		switch {
		case o.State != stateAccepted:
		case fails:
			o.State, o.Reason = stateFailed, reason
		default:
			o.State = stateIssued
			o.issued++
			for i := range o.seats {
				o.Tickets = append(o.Tickets, ticket{No: fmt.Sprintf("%sT%d", number, i), State: stateUnused})
			}
		}
	}
}

// Fail makes the order number fail when it is to be issued; "" stands for "sold out".
func (s *Sim) Fail(number, reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if reason == "" {
		reason = "sold out"
	}
	s.fail[number] = reason
}

// Issued is how often tickets were made for the order.
func (s *Sim) Issued(number string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if o := s.orders[number]; o != nil {
		return o.issued
	}
	return 0
}

// Refunded is how many of the order's tickets are refunded.
func (s *Sim) Refunded(number string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if o := s.orders[number]; o != nil {
		for _, t := range o.Tickets {
			if t.State == stateRefunded {
				n++
			}
		}
	}
	return n
}

// ServeHTTP implements http.Handler.
func (s *Sim) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var q question
	if r.Header.Get("X-Key") != s.key {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	a := s.do(r.URL.Path, q)
	s.mu.Unlock()
	_, _ = w.Write(encode(a)) // an error means that the caller has left
}

func (s *Sim) do(path string, q question) answer {
	switch path {
	case "/issue":
		return s.issue(q)
	case "/order":
		if o := s.orders[q.Number]; o != nil {
			return o.answer
		}
		return answer{Number: q.Number, Error: errorUnknown}
	}
	for _, o := range s.orders {
		for i := range o.Tickets {
			if t := &o.Tickets[i]; t.No == q.Ticket {
				return s.ticket(path, q, o, t)
			}
		}
	}
	return answer{Ticket: q.Ticket, Error: errorTicket}
}

func (s *Sim) issue(q question) answer {
	if s.orders[q.Number] != nil {
		return answer{Number: q.Number, Error: errorTaken}
	}
	o := &order{answer: answer{Number: q.Number, ID: fmt.Sprint("toy-", len(s.orders)+1), State: stateAccepted}, seats: q.Seats}
	s.orders[q.Number] = o
	return o.answer
}

func (s *Sim) ticket(path string, q question, o *order, t *ticket) answer {
	if path == "/refund" {
		if t.State != stateUnused {
			return answer{Ticket: q.Ticket, Error: errorState}
		}
		t.State, t.RefundedAt, t.RefundedBy = stateRefunded, time.Now().Format(time.RFC3339), s.merchant
	}
	return answer{Number: o.Number, Ticket: q.Ticket, Tickets: []ticket{*t}}
}
