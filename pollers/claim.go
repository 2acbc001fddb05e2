package pollers

import (
	"context"
	"errors"

	"issuance/internal/handler"
	"issuance/internal/ledger"
	"issuance/internal/queue"
)

// claimed asks for the order while its claim shows that somebody does, so that a worker that dies of the answer is
// known to have died with this order. One that several workers died with is asked for alone.
func (p *poll) claimed(ctx context.Context) error {
	if p.rec.Crashes >= handler.MaxCrashes {
		return p.finish(handler.Crashed(p.rec.Crashes))
	}
	solo := handler.Alone(p.rec.Crashes, p.rec.Abandoned)
	within, cancel := context.WithTimeout(ctx, handler.Lease/2)
	defer cancel()
	leave, ok := p.Company.Join(within, solo)
	if !ok {
		return errors.Join(p.giveBack(true), queue.Wait(0, handler.AloneText))
	}
	defer leave()
	extend := func(ctx context.Context) error {
		return p.Ledger.Extend(ctx, p.rec.Ref, p.fence, handler.Lease, solo)
	}
	if solo { // from here on, the death of this process counts for this order
		if err := extend(ctx); errors.Is(err, ledger.ErrFenced) {
			return queue.Wait(handler.Lease, "another worker has taken over")
		} else if err != nil {
			return err
		}
	}
	held, stop := ledger.Hold(ctx, handler.Lease, extend)
	defer stop()
	return errors.Join(p.look(held), p.giveBack(false))
}

// giveBack gives the claim back, unless the poll was counted or has ended the order, which did so.
func (p *poll) giveBack(unworked bool) error {
	if p.fence == "" {
		return nil
	}
	ctx, cancel := p.recording()
	defer cancel()
	_, err := p.Ledger.EndPoll(ctx, p.rec.Ref, p.fence, unworked)
	return err
}
