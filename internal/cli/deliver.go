package cli

import (
	"context"
	"fmt"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"issuance/internal/cli/table"
	"issuance/internal/ledger"
	"issuance/tasks"
)

// How many documents are enqueued side by side, and how many before results are printed: with a
// distant Redis, one after the other would take long.
const (
	sideBySide = 16
	chunk      = 64
)

// result is what became of one job.
type result struct {
	receipt tasks.Receipt
	err     error
	tried   bool
}

// enqueueAll enqueues jobs and prints each receipt in the order of the input. A document that is
// refused does not keep the others from being enqueued; a Redis that does not answer does. The
// error is errTold when something was not enqueued, or errOutput.
func (a *app) enqueueAll(ctx context.Context, s *session, client *tasks.Client, lane tasks.Lane, jobs []job, show bool) (receipts []tasks.Receipt, err error) {
	results := make([]result, len(jobs))
	width := receiptWidths(jobs)
	var away atomic.Bool
	for from := 0; from < len(jobs) && !away.Load(); from += chunk {
		to := min(from+chunk, len(jobs))
		var g errgroup.Group
		g.SetLimit(sideBySide)
		for i := from; i < to; i++ {
			if jobs[i].first != i {
				continue
			}
			g.Go(func() error {
				if away.Load() {
					return nil
				}
				r := result{tried: true}
				if r.receipt, r.err = jobs[i].enqueue(ctx, client, lane); r.err != nil && !s.answers(ctx) {
					away.Store(true)
				}
				results[i] = r
				return nil
			})
		}
		_ = g.Wait()
		for i := from; i < to; i++ {
			r := results[jobs[i].first]
			if !r.tried {
				continue
			}
			if r.err != nil {
				err = errTold
				a.tell("%s", placed(jobs[i].at, r.err))
				continue
			}
			r.receipt.Duplicate = r.receipt.Duplicate || jobs[i].first != i
			receipts = append(receipts, r.receipt)
			if !show {
				continue
			}
			if err := a.printReceipt(r.receipt, width); err != nil {
				return receipts, fmt.Errorf("%w; what was enqueued stays enqueued", err)
			}
		}
	}
	if away.Load() {
		untried := 0
		for _, j := range jobs {
			if !results[j.first].tried {
				untried++
			}
		}
		why := "Redis does not answer"
		if ctx.Err() != nil {
			why = "interrupted"
		}
		a.tell("stopped: %s; %s of %d not tried. Run the same command again later: what is enqueued already stays one order",
			why, count(untried, "document"), len(jobs))
	}
	return receipts, err
}

// answers reports whether Redis is there and the command is not being interrupted.
func (s *session) answers(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, connectWithin)
	defer cancel()
	return s.rdb.Ping(ctx).Err() == nil
}

// placed says which document of the input an error is about.
func placed(at string, err error) string {
	if at == "" {
		return err.Error()
	}
	return at + ": " + err.Error()
}

// widths are the widths of a receipt's columns, known before the first line is printed.
type widths struct{ provider, order, refund int }

func receiptWidths(jobs []job) (w widths) {
	for _, j := range jobs {
		w.provider = max(w.provider, len(j.ref.Provider))
		w.order = max(w.order, len(j.ref.OrderID))
		w.refund = max(w.refund, len(j.ref.RefundID))
	}
	return w
}

func (a *app) printReceipt(r tasks.Receipt, w widths) error {
	if a.json {
		return a.printJSON(r)
	}
	line := fmt.Sprintf("%-*s  %-*s", w.provider, r.Provider, w.order, r.OrderID)
	if w.refund > 0 {
		line += fmt.Sprintf("  %-*s", w.refund, r.RefundID)
	}
	line += "  " + string(r.State)
	if r.Duplicate {
		line += "  (was there already)"
	}
	return a.print("%s\n", table.Clean(line))
}

func refOf(r tasks.Receipt) ledger.Ref {
	return ledger.Ref{Key: ledger.Key{Provider: r.Provider, OrderID: r.OrderID}, RefundID: r.RefundID}
}
