package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"issuance/internal/ledger"
	"issuance/tasks"
)

// How often records are looked at while waiting, and how long Redis may be away meanwhile.
const (
	lookEvery = 250 * time.Millisecond
	patience  = 30 * time.Second
	peekBatch = 500
)

// finalReceipt is what --wait prints with --json: the receipt with the final state.
type finalReceipt struct {
	tasks.Receipt
	Error *tasks.StatusError `json:"error,omitempty"`
}

// wait prints what becomes of everything enqueued, each as soon as it is final. It fails unless
// all of it is issued or refunded.
func (a *app) wait(ctx context.Context, s *session, receipts []tasks.Receipt, timeout time.Duration) error {
	byRef := map[ledger.Ref][]tasks.Receipt{}
	var refs []ledger.Ref
	for _, r := range receipts {
		ref := refOf(r)
		if byRef[ref] == nil {
			refs = append(refs, ref)
		}
		byRef[ref] = append(byRef[ref], r)
	}
	limited, cancel := ctx, context.CancelFunc(func() {})
	if timeout > 0 {
		limited, cancel = context.WithTimeout(ctx, timeout)
	}
	defer cancel()
	bad := 0
	left, err := s.untilFinal(limited, refs, func(ref ledger.Ref, state ledger.State) error {
		if err := a.printFinal(limited, s, ref, state, byRef[ref]); err != nil {
			return err
		}
		if state != ledger.Issued && state != ledger.Refunded {
			bad += len(byRef[ref])
		}
		return nil
	})
	switch {
	case err == nil && bad == 0:
		return nil
	case err == nil:
		a.tell("%s did not end as wished; see: enqueue history PROVIDER ORDER", count(bad, "document"))
		return errTold
	case errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil:
		a.tell("%s not final after %s, such as %s; the workers go on with them. See again with: enqueue watch PROVIDER ORDER",
			count(len(left), "document"), timeout, left[0])
		return errTold
	case ctx.Err() != nil:
		a.tell("interrupted; the workers go on with what is enqueued")
		return errTold
	default:
		return fmt.Errorf("%w; the workers go on with what is enqueued", err)
	}
}

func (a *app) printFinal(ctx context.Context, s *session, ref ledger.Ref, state ledger.State, receipts []tasks.Receipt) error {
	at, reason, provider, err := s.ending(ctx, ref)
	if err != nil {
		return err
	}
	for _, r := range receipts {
		r.State = state
		if a.json {
			line := finalReceipt{Receipt: r}
			if reason != (ledger.Reason{}) {
				line.Error = &tasks.StatusError{Code: reason.Code, Message: reason.Message}
			}
			if err := a.printJSON(line); err != nil {
				return err
			}
			continue
		}
		if err := a.printStep(at, ref.String(), string(state), describe(reason, provider)); err != nil {
			return err
		}
	}
	return nil
}

// describe is a reason for people, or else the provider's own id of the order.
func describe(r ledger.Reason, ref string) string {
	switch {
	case r.Code != "" && r.Message != "":
		return r.Code + ": " + r.Message
	case r != (ledger.Reason{}):
		return r.Code + r.Message
	}
	return ref
}

// ending is when, why and under which id of the provider's a record ended.
func (s *session) ending(ctx context.Context, ref ledger.Ref) (at time.Time, why ledger.Reason, provider string, err error) {
	if ref.RefundID != "" {
		r, err := s.ledger.LoadRefund(ctx, ledger.RefundKey(ref))
		if err != nil {
			return at, why, "", err
		}
		return r.FinalAt, r.Reason, "", nil
	}
	r, err := s.ledger.Load(ctx, ref.Key)
	if err != nil {
		return at, why, "", err
	}
	return r.FinalAt, r.Reason, r.Ref, nil
}

// untilFinal calls each for every record as soon as it is final, and returns what is left when
// the context ends or Redis is away for long. It looks at all of them in a few round trips, and
// less often when there are so many that looking takes time.
func (s *session) untilFinal(ctx context.Context, refs []ledger.Ref, each func(ledger.Ref, ledger.State) error) ([]ledger.Ref, error) {
	reached := time.Now()
	for {
		began := time.Now()
		left, err := s.look(ctx, refs, each)
		refs = left
		switch {
		case ctx.Err() != nil && len(refs) > 0:
			return refs, ctx.Err()
		case len(refs) == 0:
			return nil, err
		case err == nil:
			reached = time.Now()
		case errors.Is(err, errOutput) || time.Since(reached) > patience:
			return refs, err
		}
		pause := time.NewTimer(max(lookEvery, 4*time.Since(began)))
		select {
		case <-ctx.Done():
			pause.Stop()
			return refs, ctx.Err()
		case <-pause.C:
		}
	}
}

// look calls each for what is final now and returns the rest.
func (s *session) look(ctx context.Context, refs []ledger.Ref, each func(ledger.Ref, ledger.State) error) ([]ledger.Ref, error) {
	var left []ledger.Ref
	for len(refs) > 0 {
		batch := refs[:min(peekBatch, len(refs))]
		peeks, err := s.peek(ctx, batch)
		if err != nil {
			return append(left, refs...), err
		}
		for i, p := range peeks {
			if !p.State.Final() {
				left = append(left, batch[i])
				continue
			}
			if err := each(batch[i], p.State); err != nil {
				return append(append(left, batch[i:]...), refs[len(batch):]...), err
			}
		}
		refs = refs[len(batch):]
	}
	return left, nil
}

// peek looks at orders and refunds alike.
func (s *session) peek(ctx context.Context, refs []ledger.Ref) ([]ledger.Peek, error) {
	var orders []ledger.Key
	var refunds []ledger.RefundKey
	for _, r := range refs {
		if r.RefundID == "" {
			orders = append(orders, r.Key)
		} else {
			refunds = append(refunds, ledger.RefundKey(r))
		}
	}
	var ofOrders, ofRefunds []ledger.Peek
	var err error
	if len(orders) > 0 {
		if ofOrders, err = s.ledger.PeekOrders(ctx, orders); err != nil {
			return nil, err
		}
	}
	if len(refunds) > 0 {
		if ofRefunds, err = s.ledger.PeekRefunds(ctx, refunds); err != nil {
			return nil, err
		}
	}
	out := make([]ledger.Peek, 0, len(refs))
	for _, r := range refs {
		if r.RefundID == "" {
			out, ofOrders = append(out, ofOrders[0]), ofOrders[1:]
		} else {
			out, ofRefunds = append(out, ofRefunds[0]), ofRefunds[1:]
		}
	}
	return out, nil
}
