package fairness

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"issuance/providers"
)

// How long a call takes, and how long a client waits for an answer.
const (
	trip    = 100 * time.Millisecond
	timeout = 30 * time.Second
)

// shop is an account at a provider that issues at once.
type shop struct {
	account providers.Account
	gate    *providers.PrepayableGate
	hangs   bool

	mu    sync.Mutex
	made  map[string]bool
	looks map[string]int // by number
}

var _ providers.Provider = (*shop)(nil)

func (s *shop) Account() providers.Account { return s.account }

func (s *shop) Host() string { return "provider.invalid" }

func (s *shop) Traits() providers.Traits { return providers.Traits{SettleAfter: time.Minute} }

func (s *shop) NeedsTickets(providers.Order) (bool, int) { return false, 0 }

func (s *shop) Tickets(context.Context, providers.Order) ([]providers.Ticket, providers.Outcome) {
	return nil, providers.Outcome{Kind: providers.Done}
}

// call passes the call budget, takes its time, and reports what it says of the account, as the clients do.
func (s *shop) call(ctx context.Context) providers.Outcome {
	var held *providers.HeldError
	switch err := s.gate.Pass(ctx); {
	case errors.As(err, &held):
		return providers.Outcome{Kind: providers.Held, RetryAfter: held.RetryAfter, Message: held.Reason}
	case err != nil:
		return providers.Outcome{Kind: providers.NotSent, Code: "gate"}
	}
	if !s.hangs {
		time.Sleep(trip)
		s.gate.Answered(ctx, providers.Condition{State: providers.HealthOK, Took: trip})
		return providers.Outcome{Kind: providers.Done}
	}
	time.Sleep(timeout)
	s.gate.Answered(ctx, providers.Condition{State: providers.HealthUnreachable, Code: "timeout", Took: timeout})
	return providers.Outcome{Kind: providers.Unknown, Code: "timeout"}
}

func (s *shop) Issue(ctx context.Context, o providers.Order) providers.Outcome {
	out := s.call(ctx)
	if out.Kind == providers.Done && strings.HasPrefix(o.ID, rejectedPrefix) {
		return providers.Outcome{Kind: providers.Rejected, Code: "no such item", MayHide: true}
	}
	if out.Kind == providers.Done {
		s.mu.Lock()
		s.made[o.ID] = true
		s.mu.Unlock()
		out.Result = &providers.Result{Ref: "T" + o.ID}
	}
	return out
}

// LookUp answers about unknown numbers with a code of which nobody knows what it means.
func (s *shop) LookUp(ctx context.Context, o providers.Order) providers.Finding {
	s.mu.Lock()
	s.looks[o.ID]++
	made := s.made[o.ID]
	s.mu.Unlock()
	if out := s.call(ctx); out.Kind != providers.Done {
		return providers.Finding{State: providers.Unclear, Outcome: out}
	}
	if made {
		return providers.Finding{State: providers.FoundIssued, Result: &providers.Result{Ref: "T" + o.ID}}
	}
	return providers.Finding{State: providers.Absent, Assumed: true, Outcome: providers.Outcome{Kind: providers.Rejected, Code: "10200047"}}
}
