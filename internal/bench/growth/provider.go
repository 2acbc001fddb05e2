package growth

import (
	"context"
	"sync/atomic"

	"issuance/providers"
)

// provider accepts every order at once and, when asked, has issued it, or has not yet.
type provider struct {
	pending atomic.Bool
	asked   atomic.Int64
}

// Account implements providers.Provider.
func (p *provider) Account() providers.Account { return account }

// Host implements providers.Provider.
func (p *provider) Host() string { return "ecticket.ecpay.com.tw" }

// Issue implements providers.Provider.
func (p *provider) Issue(context.Context, providers.Order) providers.Outcome {
	return providers.Outcome{Kind: providers.Accepted, Code: "1", Result: &providers.Result{Ref: providerRef}}
}

// LookUp implements providers.Provider.
func (p *provider) LookUp(context.Context, providers.Order) providers.Finding {
	p.asked.Add(1)
	if p.pending.Load() {
		return providers.Finding{State: providers.FoundPending, Outcome: providers.Outcome{Kind: providers.Accepted}}
	}
	return providers.Finding{State: providers.FoundIssued, Outcome: providers.Outcome{Kind: providers.Done, Code: "1"},
		Result: &providers.Result{Ref: providerRef}}
}

// providerRef looks like ECTicket's.
const providerRef = "2026030200000001"

// Tickets implements providers.Provider.
func (p *provider) Tickets(context.Context, providers.Order) ([]providers.Ticket, providers.Outcome) {
	return nil, providers.Outcome{Kind: providers.Done}
}

// Traits implements providers.Provider.
func (p *provider) Traits() providers.Traits { return providers.Traits{} }

// NeedsTickets implements providers.Provider.
func (p *provider) NeedsTickets(providers.Order) (bool, int) { return false, 0 }
