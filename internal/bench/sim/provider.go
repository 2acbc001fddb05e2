package sim

import (
	"context"
	"errors"
	"time"

	"issuance/providers"
)

// provider models ECTicket: it receives orders and issues them in a job.
type provider struct {
	w    *World
	gate providers.Gate
}

var _ providers.Provider = (*provider)(nil)

func (p *provider) Account() providers.Account { return account }

func (p *provider) Host() string { return "provider.invalid" }

func (p *provider) Traits() providers.Traits { return providers.Traits{SettleAfter: 12 * time.Minute} }

func (p *provider) NeedsTickets(providers.Order) (bool, int) { return false, 0 }

func (p *provider) Tickets(context.Context, providers.Order) ([]providers.Ticket, providers.Outcome) {
	return nil, providers.Outcome{Kind: providers.Done}
}

// call passes the budget and takes its time; at is run when the provider sees the request.
func (p *provider) call(ctx context.Context, at func()) error {
	if err := p.gate.Pass(ctx); err != nil {
		return err
	}
	p.w.calls = append(p.w.calls, p.w.Now())
	half := (100*time.Millisecond + time.Duration(p.w.rand.Int64N(int64(100*time.Millisecond)))) / 2
	p.w.clock.Sleep(half)
	at()
	p.w.clock.Sleep(half)
	return nil
}

func (p *provider) Issue(ctx context.Context, o providers.Order) providers.Outcome {
	order := p.w.orders[o.ID]
	err := p.call(ctx, func() {
		order.IssueCalls++
		order.received = p.w.Now()
		if order.Alone > 0 {
			p.w.At(order.Alone, func() { order.Issued = p.w.Now() })
			return
		}
		p.w.pending = append(p.w.pending, order)
	})
	if err != nil {
		return heldOutcome(err)
	}
	return providers.Outcome{Kind: providers.Accepted, Code: "1", Result: &providers.Result{Ref: "T" + o.ID}}
}

func (p *provider) LookUp(ctx context.Context, o providers.Order) (f providers.Finding) {
	order := p.w.orders[o.ID]
	err := p.call(ctx, func() {
		order.Polls = append(order.Polls, p.w.Now())
		switch {
		case order.Garbled != nil && order.Garbled(p.w.Now()):
			f = providers.Finding{State: providers.Unclear, Outcome: providers.Outcome{Kind: providers.Unknown, Code: "garbled"}}
		case order.received.IsZero():
			f.State = providers.Absent
		case !order.Issued.IsZero() && order.Fails:
			f.State = providers.FoundFailed
		case !order.Issued.IsZero():
			f.State = providers.FoundIssued
		default:
			f.State = providers.FoundPending
		}
	})
	if err != nil {
		return providers.Finding{State: providers.Unclear, Outcome: heldOutcome(err)}
	}
	return f
}

func heldOutcome(err error) providers.Outcome {
	var held *providers.HeldError
	if errors.As(err, &held) {
		return providers.Outcome{Kind: providers.Held, RetryAfter: held.RetryAfter}
	}
	return providers.Outcome{Kind: providers.NotSent, Code: "gate"}
}

// job issues what has been received, except orders that are stuck.
func (w *World) job() {
	var left []*Order
	for _, o := range w.pending {
		if o.Stuck {
			left = append(left, o)
			continue
		}
		o.Issued = w.Now()
	}
	w.pending = left
}
