package cli

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"

	"issuance/tasks"
)

// How many documents are worked on side by side, and how many before results are printed: with a
// distant Redis, one after the other would take long.
const (
	sideBySide = 16
	chunk      = 64
)

// inOrder calls do for n things, some side by side, and then show for each, in their order. It ends after
// the chunk in which more is false, or with show's error.
func inOrder[T any](n int, do func(i int) T, show func(i int, result T) error, more func() bool) (done int, err error) {
	results := make([]T, min(n, chunk))
	for from := 0; from < n && more(); from = done {
		done = min(from+chunk, n)
		var g errgroup.Group
		g.SetLimit(sideBySide)
		for i := from; i < done; i++ {
			g.Go(func() error {
				results[i-from] = do(i)
				return nil
			})
		}
		_ = g.Wait()
		for i := from; i < done; i++ {
			if err := show(i, results[i-from]); err != nil {
				return done, err
			}
		}
	}
	return done, nil
}

// result is what became of one document.
type result struct {
	receipt tasks.Receipt
	err     error
}

// enqueueAll enqueues jobs and prints each receipt in the order of the input. A document that is
// rejected does not keep the others from being enqueued; a Redis that does not answer does. The
// error is a *reportedError when something was not enqueued, or errOutput.
func (a *app) enqueueAll(ctx context.Context, s *session, client *tasks.Client, lane tasks.Lane, jobs []job, show bool) ([]tasks.Receipt, error) {
	var receipts []tasks.Receipt
	var failed failures
	firsts := make([]tasks.Receipt, len(jobs)) // of the jobs that others repeat
	accepted := make([]bool, len(jobs))
	for i := range jobs {
		if account, err := client.Account(ctx, jobs[i].ref.Account); err == nil { // else enqueueing says what is wrong
			jobs[i].ref.Account = account
		}
	}
	width := receiptWidths(jobs)
	gone := newOutage(ctx, s)
	done, err := inOrder(len(jobs), func(i int) result {
		if jobs[i].first != i || gone.is() {
			return result{}
		}
		r, err := jobs[i].enqueue(ctx, client, lane)
		gone.look(err)
		return result{r, err}
	}, func(i int, r result) error {
		first := jobs[i].first
		switch {
		case r.err != nil:
			failed.add(a, explain(r.err).at(jobs[i]))
			return nil
		case first != i:
			if r.receipt = firsts[first]; !accepted[first] {
				return nil
			}
			r.receipt.Duplicate = true
		case r.receipt.OrderID == "": // not tried
			gone.skipped++
			return nil
		}
		firsts[i], accepted[i] = r.receipt, true
		receipts = append(receipts, r.receipt)
		if !show {
			return nil
		}
		if err := a.printReceipt(r.receipt, width); err != nil {
			return fmt.Errorf("%w; what was enqueued stays enqueued", err)
		}
		return nil
	}, func() bool { return !gone.is() })
	if err != nil {
		return receipts, err
	}
	if gone.is() {
		failed.count(gone.report(a, gone.skipped+len(jobs)-done, "document", len(jobs)))
	}
	return receipts, failed.err()
}

// at says which document of the input a problem is about.
func (p problem) at(j job) problem {
	p.At = j.at
	return p.about(j.ref)
}

// widths are the widths of a receipt's columns, known before the first line is printed.
type widths struct{ account, order, refund int }

func receiptWidths(jobs []job) (w widths) {
	for _, j := range jobs {
		w.account = max(w.account, len(j.ref.Account.String()))
		w.order = max(w.order, len(j.ref.OrderID))
		w.refund = max(w.refund, len(j.ref.RefundID))
	}
	return w
}

func (a *app) printReceipt(r tasks.Receipt, w widths) error {
	if a.json {
		return a.printJSON(r)
	}
	line := []string{fmt.Sprintf("%-*s", w.account, r.Account), fmt.Sprintf("%-*s", w.order, r.OrderID)}
	if w.refund > 0 {
		line = append(line, fmt.Sprintf("%-*s", w.refund, r.RefundID))
	}
	line = append(line, string(r.State))
	if r.Duplicate {
		line = append(line, "(was there already)")
	}
	return a.line(line...)
}
