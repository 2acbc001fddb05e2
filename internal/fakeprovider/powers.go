package fakeprovider

import (
	"context"
	"time"

	"issuance/providers"
	"issuance/providers/skew"
)

// Identified is a Provider that is a providers.Identifier too: its look-ups show nothing of an order,
// and Identify does.
type Identified struct{ *Provider }

// Identify implements providers.Identifier.
func (p Identified) Identify(ctx context.Context, o providers.Order) (providers.Sight, providers.Outcome) {
	r := p.call(ctx, Call{Op: Identify, Order: o})
	return r.sight, r.outcome
}

// Identified is the provider as one that has to be asked what an order holds.
func (p *Provider) Identified() Identified { return Identified{p} }

// AnswerIdentify scripts an Identify.
func (p *Provider) AnswerIdentify(s providers.Sight, out providers.Outcome, during ...During) {
	p.push(Identify, reply{sight: s, outcome: out, during: during})
}

// SetSkew sets how far the provider's clock is ahead, by enough answers that agree. Default: that is not known.
func (p *Provider) SetSkew(ahead time.Duration) {
	p.MeasureSkew(providers.Skew{Ahead: ahead, Answers: skew.Enough})
}

// MeasureSkew sets what is known of the provider's clock.
func (p *Provider) MeasureSkew(m providers.Skew) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.skew = m
}

// Skew implements providers.ClockTeller.
func (p *Provider) Skew() providers.Skew {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.skew
}

// StartOutage makes every call end with out, whatever is scripted, until EndOutage. Unreached, Down,
// Overloaded, Garbage, Untaken and Lost are the usual ones. Nothing is taken from the script meanwhile.
func (p *Provider) StartOutage(out providers.Outcome) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.outage, p.missed = &out, 0
}

// EndOutage ends it and returns the number of calls that were made meanwhile.
func (p *Provider) EndOutage() (calls int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.outage = nil
	return p.missed
}

var (
	_ providers.Identifier  = Identified{}
	_ providers.ClockTeller = (*Provider)(nil)
)
