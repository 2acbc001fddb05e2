package pollers

import (
	"context"
	"errors"
	"fmt"

	"issuance/internal/handler"
	"issuance/internal/ledger"
	"issuance/internal/queue"
)

// claimed asks for the order while its claim shows that somebody does, so that a worker that dies of the answer is
// known to have died with this order. One that several workers died with is asked for alone.
func (p *poll) claimed(ctx context.Context) (err error) {
	runner := fmt.Sprintf("%s/poll %d", p.Worker, p.runs.Add(1))
	p.claim, err = p.Ledger.BeginPoll(ctx, p.rec.Ref, runner, handler.Lease)
	switch {
	case err != nil:
		return err
	case p.claim.Busy > 0:
		return queue.Wait(min(p.claim.Busy, handler.Lease), "another worker is asking for it")
	case !p.claim.Applied:
		return p.Follower.finished(ctx, p.rec.Ref, p.claim.State, p.received())
	case p.claim.Crashes >= handler.MaxCrashes:
		return p.finish(handler.Crashed(p.claim.Crashes))
	}
	solo := handler.Alone(p.claim.Crashes, p.claim.Abandoned)
	within, cancel := context.WithTimeout(ctx, handler.Lease/2)
	defer cancel()
	leave, ok := p.Company.Join(within, solo)
	if !ok {
		return errors.Join(p.giveBack(true), queue.Wait(0, handler.AloneText))
	}
	defer leave()
	extend := func(ctx context.Context) error {
		return p.Ledger.Extend(ctx, p.rec.Ref, p.claim.Fence, handler.Lease, solo)
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
	if p.claim.Fence == "" {
		return nil
	}
	ctx, cancel := p.recording()
	defer cancel()
	_, err := p.Ledger.EndPoll(ctx, p.rec.Ref, p.claim.Fence, unworked)
	return err
}
