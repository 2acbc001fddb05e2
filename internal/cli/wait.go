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

// limit is a context that also ends after a timeout, if there is one.
func limit(ctx context.Context, timeout time.Duration) (context.Context, context.CancelFunc) {
	if timeout > 0 {
		return context.WithTimeout(ctx, timeout)
	}
	return ctx, func() {}
}

// wait prints what becomes of everything enqueued, each as soon as it is final. It fails unless
// all of it is issued or refunded.
func (a *app) wait(ctx context.Context, s *session, c *tasks.Client, receipts []tasks.Receipt, lane tasks.Lane, timeout time.Duration) error {
	byRef := map[tasks.Ref][]tasks.Receipt{}
	var refs []tasks.Ref
	for _, r := range receipts {
		if byRef[r.Ref()] == nil {
			refs = append(refs, r.Ref())
		}
		byRef[r.Ref()] = append(byRef[r.Ref()], r)
	}
	limited, cancel := limit(ctx, timeout)
	defer cancel()
	there := attendance{app: a, session: s, client: c}
	bad := 0
	left, err := s.untilFinal(limited, refs, func(left []tasks.Ref) {
		places := make([]place, len(left))
		for i, r := range left {
			places[i] = place{r.Account, lane}
		}
		there.look(limited, places)
	}, func(ref tasks.Ref, state tasks.State) error {
		if err := a.printFinal(limited, s, ref, state, byRef[ref]); err != nil {
			return err
		}
		if state != tasks.Issued && state != tasks.Refunded {
			bad += len(byRef[ref])
		}
		return nil
	})
	switch {
	case err == nil && bad == 0:
		return nil
	case err == nil:
		return coded(codeOtherwise, "%s did not end as wished; see: enqueue history ACCOUNT ORDER", count(bad, "document"))
	case errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil:
		late := coded(codeTimeout, "%s not final after %s, such as %s; the workers go on with them%s. See again with: enqueue watch ACCOUNT ORDER",
			count(len(left), "document"), timeout, left[0], there.note())
		return concerningOnly(left, late)
	case ctx.Err() != nil:
		return coded(codeInterrupt, "interrupted; the workers go on with what is enqueued")
	}
	return fmt.Errorf("%w; the workers go on with what is enqueued", err)
}

func (a *app) printFinal(ctx context.Context, s *session, ref tasks.Ref, state tasks.State, receipts []tasks.Receipt) error {
	rec, err := s.ledger.Load(ctx, ref)
	if err != nil {
		return err
	}
	for _, r := range receipts {
		r.State = state
		if a.json {
			line := finalReceipt{Receipt: r}
			if rec.Reason != (ledger.Reason{}) {
				line.Error = &tasks.StatusError{Code: rec.Reason.Code, Message: rec.Reason.Message}
			}
			if err := a.printJSON(line); err != nil {
				return err
			}
			continue
		}
		if err := a.printStep(rec.FinalAt, ref.String(), string(state), describe(rec.Reason, rec.ProviderRef)); err != nil {
			return err
		}
	}
	return nil
}

// describe is a reason for people, or else the provider's own id of the order.
func describe(r ledger.Reason, ref string) string {
	if r == (ledger.Reason{}) {
		return ref
	}
	return statusError(&tasks.StatusError{Code: r.Code, Message: r.Message})
}

// again looks until done or an error that waiting does not mend, and reports how it ended. Redis may be away
// for a while.
func again(ctx context.Context, look func() (done bool, err error)) error {
	reached := time.Now()
	for {
		began := time.Now()
		done, err := look()
		switch {
		case done:
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil:
			reached = time.Now()
		case !away(err) || time.Since(reached) > patience:
			return err
		}
		pause := time.NewTimer(max(lookEvery, 4*time.Since(began)))
		select {
		case <-ctx.Done():
			pause.Stop()
			return ctx.Err()
		case <-pause.C:
		}
	}
}

// untilFinal calls each for every record as soon as it is final, and returns what is left when
// the context ends or Redis is away for long. It looks at all of them in a few round trips, and
// less often when there are so many that looking takes time. waiting is called with what is left
// after each look.
func (s *session) untilFinal(ctx context.Context, refs []tasks.Ref, waiting func([]tasks.Ref), each func(tasks.Ref, tasks.State) error) ([]tasks.Ref, error) {
	err := again(ctx, func() (bool, error) {
		var err error
		refs, err = s.look(ctx, refs, each)
		if err == nil && len(refs) > 0 {
			waiting(refs)
		}
		return len(refs) == 0, err
	})
	return refs, err
}

// look calls each for what is final now and returns the rest.
func (s *session) look(ctx context.Context, refs []tasks.Ref, each func(tasks.Ref, tasks.State) error) ([]tasks.Ref, error) {
	var left []tasks.Ref
	for len(refs) > 0 {
		batch := refs[:min(peekBatch, len(refs))]
		states, err := s.ledger.States(ctx, batch)
		if err != nil {
			return append(left, refs...), err
		}
		for i, state := range states {
			if !state.Final() {
				left = append(left, batch[i])
				continue
			}
			if err := each(batch[i], state); err != nil {
				return append(append(left, batch[i:]...), refs[len(batch):]...), err
			}
		}
		refs = refs[len(batch):]
	}
	return left, nil
}
