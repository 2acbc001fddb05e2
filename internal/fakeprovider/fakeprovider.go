// Package fakeprovider is a scripted provider for tests: every answer is queued beforehand, every
// call is logged, and a function can run in the middle of a call, where a test moves the clock,
// lets a claim run out or starts a second runner. A call that nobody scripted fails the test, and
// so does a scripted one that is never made, so that a script is a promise of an exact sequence of
// calls.
//
// It is imported by tests only and imports package providers.
package fakeprovider

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"issuance/providers"
)

// Op is a kind of call.
type Op string

// The calls a provider offers.
const (
	Issue        Op = "issue"
	LookUp       Op = "look_up"
	Tickets      Op = "tickets"
	TicketStatus Op = "ticket_status"
	RefundTicket Op = "refund_ticket"
	Baseline     Op = "baseline"
	RefundCount  Op = "refund_count"
	Identify     Op = "identify"
)

// Call is one call that was made.
type Call struct {
	Op     Op
	Order  providers.Order        // what was asked about; zero for calls about one ticket
	Ticket providers.TicketRefund // RefundTicket; of TicketStatus, only TicketNo
	Count  int                    // RefundCount
}

// String is the call in short: "issue", "refund_ticket T1", "refund_count 2".
func (c Call) String() string {
	switch c.Op {
	case RefundTicket, TicketStatus:
		return string(c.Op) + " " + c.Ticket.TicketNo
	case RefundCount:
		return fmt.Sprintf("%s %d", c.Op, c.Count)
	}
	return string(c.Op)
}

// During runs inside a call, before it is answered. It may panic, as a worker that dies.
type During func(ctx context.Context)

type reply struct {
	outcome  providers.Outcome
	finding  providers.Finding
	tickets  []providers.Ticket
	status   providers.TicketStatus
	baseline providers.Baseline
	sight    providers.Sight
	during   []During
}

// Provider implements providers.Provider, TicketRefunder, CountRefunder and ClockTeller; Identified
// makes it a providers.Identifier too. Safe for concurrent use.
type Provider struct {
	t       testing.TB
	account providers.Account

	mu         sync.Mutex
	script     map[Op][]reply
	calls      []Call
	traits     providers.Traits
	need       int  // tickets without which an order is not complete
	atOnce     bool // orders are issued at once
	host       string
	credential string
	skew       providers.Skew
	outage     *providers.Outcome
	missed     int                // calls made during the outage
	unknown    *providers.Finding // what a number that does not exist is answered with
	shows      bool
	all        []providers.Ticket
	gone       []providers.Ticket // refunded by calls that were confirmed
	base       providers.Baseline // the last one that was answered, and the refunds that were confirmed since
}

// Merchant is the merchant of New's accounts.
const Merchant = "2000132"

// Host is where every fake is: what Host answers.
const Host = "fake.invalid"

// New makes a provider whose script is empty, of the account NAME:2000132. The test fails at its end
// when answers are left over.
func New(t testing.TB, name providers.Name) *Provider {
	return ForAccount(t, providers.Account{Provider: name, Merchant: Merchant})
}

// ForAccount is New for any account.
func ForAccount(t testing.TB, account providers.Account) *Provider {
	p := &Provider{t: t, account: account, host: Host, script: map[Op][]reply{}}
	t.Cleanup(func() {
		for op, left := range p.script {
			if len(left) > 0 {
				t.Errorf("fakeprovider: %d answers to %s were never asked for; the calls were %s", len(left), op, p.Sequence())
			}
		}
	})
	return p
}

// SetTraits sets what Traits answers. Default: the zero value.
func (p *Provider) SetTraits(tr providers.Traits) { p.traits = tr }

// SetHost sets what Host answers. Default: Host.
func (p *Provider) SetHost(host string) { p.host = host }

// SetCredential sets what Credential answers. Default: none.
func (p *Provider) SetCredential(digest string) { p.credential = digest }

// NeedTickets makes NeedsTickets ask for n tickets.
func (p *Provider) NeedTickets(n int) { p.need = n }

// SetIssuesAtOnce sets what IssuesAtOnce answers.
func (p *Provider) SetIssuesAtOnce(yes bool) { p.atOnce = yes }

// ShowRefunds answers a Tickets that nobody scripted with these tickets and all whose RefundTicket was confirmed, and a
// RefundBaseline with the last one and what RefundCount refunded since, as a provider does that is not behind itself.
func (p *Provider) ShowRefunds(tickets ...providers.Ticket) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.shows, p.all = true, tickets
}

// shown is the list that ShowRefunds promises.
func (p *Provider) shown() []providers.Ticket {
	list := slices.Clone(p.all)
	for _, gone := range p.gone {
		if i := slices.IndexFunc(list, func(t providers.Ticket) bool { return t.TicketNo == gone.TicketNo }); i >= 0 {
			list[i].UseStatus = providers.Refunded
		} else {
			list = append(list, gone)
		}
	}
	return list
}

func (p *Provider) push(op Op, r reply) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.script[op] = append(p.script[op], r)
}

// AnswerIssue scripts the answer to the next Issue that has none yet. The other Answer methods do
// the same for their calls.
func (p *Provider) AnswerIssue(out providers.Outcome, during ...During) {
	p.push(Issue, reply{outcome: out, during: during})
}

// AnswerLookUp scripts a LookUp.
func (p *Provider) AnswerLookUp(f providers.Finding, during ...During) {
	p.push(LookUp, reply{finding: f, during: during})
}

// AnswerTickets scripts a Tickets.
func (p *Provider) AnswerTickets(list []providers.Ticket, out providers.Outcome, during ...During) {
	p.push(Tickets, reply{tickets: list, outcome: out, during: during})
}

// AnswerStatus scripts a TicketStatus.
func (p *Provider) AnswerStatus(s providers.TicketStatus, out providers.Outcome, during ...During) {
	p.push(TicketStatus, reply{status: s, outcome: out, during: during})
}

// AnswerRefundTicket scripts a RefundTicket.
func (p *Provider) AnswerRefundTicket(out providers.Outcome, during ...During) {
	p.push(RefundTicket, reply{outcome: out, during: during})
}

// AnswerBaseline scripts a RefundBaseline.
func (p *Provider) AnswerBaseline(b providers.Baseline, out providers.Outcome, during ...During) {
	p.push(Baseline, reply{baseline: b, outcome: out, during: during})
}

// AnswerRefundCount scripts a RefundCount.
func (p *Provider) AnswerRefundCount(out providers.Outcome, during ...During) {
	p.push(RefundCount, reply{outcome: out, during: during})
}

// Calls lists every call so far, in order.
func (p *Provider) Calls() []Call {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.calls)
}

// Sequence is the calls so far, such as "issue, look_up".
func (p *Provider) Sequence() string {
	var names []string
	for _, c := range p.Calls() {
		names = append(names, c.String())
	}
	return strings.Join(names, ", ")
}

// Forget empties the log of calls, so that a test can speak of the calls from here on.
func (p *Provider) Forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls = nil
}

// call logs a call, takes its answer from the script, and runs what is to happen meanwhile.
func (p *Provider) call(ctx context.Context, c Call) reply {
	p.mu.Lock()
	p.calls = append(p.calls, c)
	if p.outage != nil {
		defer p.mu.Unlock()
		p.missed++
		return reply{outcome: *p.outage, finding: providers.Finding{State: providers.Unclear, Outcome: *p.outage}}
	}
	script := p.script[c.Op]
	if len(script) == 0 && c.Op == Tickets && p.shows {
		defer p.mu.Unlock()
		return reply{tickets: p.shown(), outcome: Yes}
	}
	if len(script) == 0 && c.Op == Baseline && p.shows && p.base.Total > 0 {
		defer p.mu.Unlock()
		return reply{baseline: p.base, outcome: Yes}
	}
	if len(script) == 0 {
		p.mu.Unlock()
		p.t.Errorf("fakeprovider: nobody expected the call %q", c)
		out := providers.Outcome{Kind: providers.Unknown, Code: "unscripted"}
		return reply{outcome: out, finding: providers.Finding{State: providers.Unclear, Outcome: out}}
	}
	p.script[c.Op] = script[1:]
	p.mu.Unlock()
	for _, f := range script[0].during {
		f(ctx)
	}
	if script[0].outcome.Kind == providers.Done {
		p.done(c, script[0])
	}
	return script[0]
}

// done remembers what ShowRefunds shows of a call that was confirmed.
func (p *Provider) done(c Call, r reply) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch c.Op {
	case RefundTicket:
		p.gone = append(p.gone, providers.Ticket{TicketNo: c.Ticket.TicketNo, UseStatus: providers.Refunded})
	case Baseline:
		p.base = r.baseline
	case RefundCount:
		p.base.Refunded, p.base.Refundable = p.base.Refunded+c.Count, p.base.Refundable-c.Count
	}
}

// Account implements providers.Provider.
func (p *Provider) Account() providers.Account { return p.account }

// Host implements providers.Provider.
func (p *Provider) Host() string { return p.host }

// Credential implements providers.Credentialed.
func (p *Provider) Credential() string { return p.credential }

// Traits implements providers.Provider.
func (p *Provider) Traits() providers.Traits { return p.traits }

// NeedsTickets implements providers.Provider.
func (p *Provider) NeedsTickets(providers.Order) (bool, int) { return p.need > 0, p.need }

// IssuesAtOnce implements providers.AtOnceIssuer.
func (p *Provider) IssuesAtOnce(providers.Order) bool { return p.atOnce }

// Issue implements providers.Provider.
func (p *Provider) Issue(ctx context.Context, o providers.Order) providers.Outcome {
	return p.call(ctx, Call{Op: Issue, Order: o}).outcome
}

// ForUnknown is what a look-up of a number that does not exist is answered with; Busy before the first call, so that
// by default a rejection that is not known to mean "unknown number" does mean it.
func (p *Provider) ForUnknown(f providers.Finding) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.unknown = &f
}

// LookUp implements providers.Provider. The made-up number of a codec's Probe needs no script and is no call.
func (p *Provider) LookUp(ctx context.Context, o providers.Order) providers.Finding {
	if codec, ok := providers.CodecOf(p.account.Provider); ok && o.ID != "" && o.ID == codec.Probe().ID {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.unknown != nil {
			return *p.unknown
		}
		return Busy
	}
	return p.call(ctx, Call{Op: LookUp, Order: o}).finding
}

// Tickets implements providers.Provider and providers.TicketRefunder.
func (p *Provider) Tickets(ctx context.Context, o providers.Order) ([]providers.Ticket, providers.Outcome) {
	r := p.call(ctx, Call{Op: Tickets, Order: o})
	return r.tickets, r.outcome
}

// TicketStatus implements providers.TicketRefunder.
func (p *Provider) TicketStatus(ctx context.Context, no string) (providers.TicketStatus, providers.Outcome) {
	r := p.call(ctx, Call{Op: TicketStatus, Ticket: providers.TicketRefund{TicketNo: no}})
	return r.status, r.outcome
}

// RefundTicket implements providers.TicketRefunder.
func (p *Provider) RefundTicket(ctx context.Context, t providers.TicketRefund) providers.Outcome {
	return p.call(ctx, Call{Op: RefundTicket, Ticket: t}).outcome
}

// RefundBaseline implements providers.CountRefunder.
func (p *Provider) RefundBaseline(ctx context.Context, o providers.Order) (providers.Baseline, providers.Outcome) {
	r := p.call(ctx, Call{Op: Baseline, Order: o})
	return r.baseline, r.outcome
}

// RefundCount implements providers.CountRefunder.
func (p *Provider) RefundCount(ctx context.Context, o providers.Order, n int) providers.Outcome {
	return p.call(ctx, Call{Op: RefundCount, Order: o, Count: n}).outcome
}

var (
	_ providers.Provider       = (*Provider)(nil)
	_ providers.TicketRefunder = (*Provider)(nil)
	_ providers.CountRefunder  = (*Provider)(nil)
	_ providers.AtOnceIssuer   = (*Provider)(nil)
)
